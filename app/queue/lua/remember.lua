-- Add the body to the answer that an Idempotency-Key is remembered with.
-- KEYS: 1 the record
-- ARGV: 1 the body
-- Answer: nothing
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'body', ARGV[1])
end
