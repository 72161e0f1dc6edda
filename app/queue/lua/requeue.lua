-- Put a job that a worker had to let go back to the front of its queue; its attempt does not count.
-- KEYS: 1 job hash, 2 queue list, 3 started registry, 4 executions of the job, 5 execution hash,
--       6 set of queues
-- ARGV: 1 job id, 2 execution id
-- Answer: 1 where it was put back, 0 where it had ended meanwhile, or another worker has it now
local held = redis.call('ZREM', KEYS[3], ARGV[1] .. ':' .. ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[2])
redis.call('DEL', KEYS[5])
if held == 0 or redis.call('HGET', KEYS[1], 'status') ~= 'started' then
  return 0
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'started_at', '', 'worker_name', '')
redis.call('HDEL', KEYS[1], 'progress')
redis.call('SADD', KEYS[6], KEYS[2])
redis.call('LPUSH', KEYS[2], ARGV[1])
local fields = redis.call('HMGET', KEYS[1], 'description', 'origin', 'labels', 'expires_at', 'ttl')
note(ARGV[1], 'queued', fields[1], fields[2], fields[3])
if fields[4] then
  redis.call('ZADD', 'task-api:expiring', fields[4], ARGV[1])
end
if fields[5] and fields[5] ~= '' then
  redis.call('EXPIRE', KEYS[1], fields[5]) -- RQ's time to live, which holds while it waits
end
return 1
