-- Queue a job again that has ended without success, with all its attempts anew.
-- KEYS: 1 job hash, 2 queue list, 3 failed registry, 4 canceled registry, 5 set of queues
-- ARGV: 1 job id, 2 now (RQ's time format), 3 retries, 4 attempts made before,
--       5 the last of them as JSON, '' where it is kept already; and where its end is to be told:
--       6 id of the callback's job, 7… the fields of its hash, name after value
-- Answer: {1, status before} where it was queued, {0, status} where it cannot be
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then
  return {0, status}
end
-- Another job may have its unique key by now.
local lock = redis.call('HGET', KEYS[1], 'lock')
if lock and string.sub(lock, 1, 14) == 'task-api:lock:' then
  local holder = holder_of(lock)
  if holder and is_live(holder) then
    return {0, status .. ', and job ' .. holder .. ' has its key'}
  end
  redis.call('SET', lock, ARGV[1])
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[1], 'status', 'queued', 'enqueued_at', ARGV[2], 'started_at', '',
  'ended_at', '', 'attempts_before', ARGV[4])
redis.call('HDEL', KEYS[1], 'number_of_retries', 'crashes', 'canceled_because', 'progress',
  'stopped_by', 'gave_up', 'expires_at')
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'attempt:' .. ARGV[4], ARGV[5])
  redis.call('HDEL', KEYS[1], 'attempt:' .. (ARGV[4] - 20))
end
if tonumber(ARGV[3]) > 0 then
  redis.call('HSET', KEYS[1], 'retries_left', ARGV[3])
end
redis.call('PERSIST', KEYS[1])
redis.call('EXPIRE', 'task-api:log:' .. ARGV[1], 2592000)  -- a month; its next end sets this right
redis.call('SADD', KEYS[5], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
local fields = redis.call('HMGET', KEYS[1], 'description', 'origin', 'labels', 'callbacks')
if ARGV[6] then
  redis.call('HSET', 'rq:job:' .. ARGV[6], unpack(ARGV, 7))
  local queue = redis.call('HGET', 'rq:job:' .. ARGV[6], 'origin')
  redis.call('ZADD', 'rq:deferred:' .. queue, redis.call('TIME')[1], ARGV[6])
  redis.call('SADD', KEYS[1] .. ':dependents', ARGV[6])
  redis.call('SADD', 'rq:job::' .. ARGV[6] .. ':dependencies', ARGV[1])
  redis.call('HSET', KEYS[1], 'callbacks', (fields[4] or '') .. ' ' .. ARGV[6])
end
note(ARGV[1], 'queued', fields[1], fields[2], fields[3])
return {1, status}
