-- Note by whom a running job is to be stopped, before its worker is told so.
-- KEYS: 1 job hash
-- ARGV: 1 who
-- Answer: 1 where it was noted, 0 where the job does not run any more
if redis.call('HGET', KEYS[1], 'status') ~= 'started' then
  return 0
end
redis.call('HSET', KEYS[1], 'stopped_by', ARGV[1])
return 1
