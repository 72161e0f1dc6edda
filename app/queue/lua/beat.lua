-- Say that a worker lives, and that its jobs do: renew what would expire.
-- KEYS: 1 worker hash
-- ARGV: 1 now (RQ's time format), 2 now (epoch seconds), 3 seconds until the worker expires,
--       4 seconds until an execution expires, 5 seconds that the running job has worked;
--       and for each job that its horse is at: job id, execution id, queue name
-- Answer: 1; 0 where the worker's hash had expired and must be written anew
local worker = KEYS[1]

-- Renew an execution; says whether it is still this worker's.
local function renew(id, execution, queue)
  local entry = id .. ':' .. execution
  if not redis.call('ZSCORE', 'rq:wip:' .. queue, entry) then
    return false
  end
  local expires = redis.call('TIME')[1] + ARGV[4]
  local record, executions = 'rq:execution:' .. entry, 'rq:executions:' .. id
  redis.call('ZADD', 'rq:wip:' .. queue, expires, entry)
  redis.call('HSET', record, 'last_heartbeat', ARGV[2])
  redis.call('EXPIRE', record, ARGV[4] + 60)
  redis.call('ZADD', executions, expires + 60, execution)
  redis.call('EXPIRE', executions, ARGV[4] + 60)
  redis.call('HSET', 'rq:job:' .. id, 'last_heartbeat', ARGV[1])
  return true
end

local known = redis.call('HEXISTS', worker, 'birth')
redis.call('HSET', worker, 'last_heartbeat', ARGV[1])
redis.call('EXPIRE', worker, ARGV[3])
for i = 6, #ARGV, 3 do
  if renew(ARGV[i], ARGV[i + 1], ARGV[i + 2]) and i == 6 then
    redis.call('HSET', worker, 'current_job_working_time', ARGV[5])
  end
end
-- What it has claimed ahead.
local claim = redis.call('HMGET', worker, 'claimed', 'execution')
if claim[1] and claim[2] then
  local queue = redis.call('HGET', 'rq:job:' .. claim[1], 'origin')
  if queue then
    renew(claim[1], claim[2], queue)
  end
end
return known
