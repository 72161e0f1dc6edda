-- Cancel a job that has not begun, at once: either it is out of its line, or nothing has changed.
-- KEYS: 1 job hash, 2 queue list, 3 scheduled registry, 4 deferred registry, 5 canceled registry
-- ARGV: 1 job id, 2 now (RQ's time format), 3 now (epoch seconds), 4 seconds to keep it,
--       5 the reason
-- Answer: {1, status before} where it was canceled, {0, status} where it cannot be
local status = redis.call('HGET', KEYS[1], 'status')
local removed = 0
if status == 'queued' then
  removed = redis.call('LREM', KEYS[2], 1, ARGV[1])
elseif status == 'scheduled' then
  removed = redis.call('ZREM', KEYS[3], ARGV[1])
elseif status == 'deferred' then
  removed = redis.call('ZREM', KEYS[4], ARGV[1])
end
-- In no line although its status says so: a worker has just taken it.
if removed == 0 then
  return {0, status}
end
redis.call('HSET', KEYS[1], 'status', 'canceled', 'ended_at', ARGV[2],
  'canceled_because', ARGV[5])
redis.call('ZADD', KEYS[5], ARGV[3] + ARGV[4], ARGV[1])
-- A second at the least, so that the caller is still told how it stands.
redis.call('EXPIRE', KEYS[1], math.max(1, ARGV[4]))
on_end(ARGV[1], 'canceled', ARGV[2])
return {1, status}
