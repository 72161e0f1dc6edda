-- Say that a worker lives, and that its job does: renew what would expire.
-- KEYS: 1 worker hash; and where it runs a job: 2 started registry, 3 execution hash,
--       4 executions of the job, 5 job hash
-- ARGV: 1 now (RQ's time format), 2 now (epoch seconds), 3 seconds until the worker expires;
--       and where it runs a job: 4 job id, 5 execution id, 6 seconds until the execution expires,
--       7 seconds that it has worked
-- Answer: 1; 0 where the worker's hash had expired and must be written anew
local known = redis.call('HEXISTS', KEYS[1], 'birth')
redis.call('HSET', KEYS[1], 'last_heartbeat', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if KEYS[2] then
  local entry = ARGV[4] .. ':' .. ARGV[5]
  if redis.call('ZSCORE', KEYS[2], entry) then
    local expires = redis.call('TIME')[1] + ARGV[6]
    redis.call('ZADD', KEYS[2], expires, entry)
    redis.call('HSET', KEYS[3], 'last_heartbeat', ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[6] + 60)
    redis.call('ZADD', KEYS[4], expires + 60, ARGV[5])
    redis.call('EXPIRE', KEYS[4], ARGV[6] + 60)
    redis.call('HSET', KEYS[5], 'last_heartbeat', ARGV[1])
    redis.call('HSET', KEYS[1], 'current_job_working_time', ARGV[7])
  end
end
return known
