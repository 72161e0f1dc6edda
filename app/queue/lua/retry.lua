-- Queue a job again that has ended without success, with all its attempts anew.
-- KEYS: 1 job hash, 2 queue list, 3 failed registry, 4 canceled registry, 5 set of queues
-- ARGV: 1 job id, 2 now (RQ's time format), 3 retries, 4 attempts made before
-- Answer: {1, status before} where it was queued, {0, status} where it cannot be
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then
  return {0, status}
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[1], 'status', 'queued', 'enqueued_at', ARGV[2], 'started_at', '',
  'ended_at', '', 'attempts_before', ARGV[4])
redis.call('HDEL', KEYS[1], 'number_of_retries', 'crashes', 'canceled_because', 'progress')
if tonumber(ARGV[3]) > 0 then
  redis.call('HSET', KEYS[1], 'retries_left', ARGV[3])
end
redis.call('PERSIST', KEYS[1])
redis.call('SADD', KEYS[5], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
local fields = redis.call('HMGET', KEYS[1], 'description', 'origin', 'labels')
note(ARGV[1], 'queued', fields[1], fields[2], fields[3])
return {1, status}
