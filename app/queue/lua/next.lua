-- End the last job and claim the next, in one step: at every instant a job is in its queue, or
-- recorded as started with an execution that expires, or ended.
-- KEYS: 1 worker hash, 2… queue lists in order of priority
-- ARGV: 1 now (RQ's time format), 2 now (epoch seconds), 3 id of this call, and of the execution,
--       4 seconds until it expires unless it is renewed, 5 worker name, 6 "1" to claim, "0" not to;
--       and where a job has ended:
--       7 job id, 8 execution id, 9 queue name, 10 result (base64 pickle, '' for None),
--       11 seconds to keep it, 12 when it began (epoch seconds), 13 seconds that it worked,
--       14 task, 15 labels, 16 "1" where its end brings more with it than an event
-- Answer: {ended}, {ended, nil} where all workers are suspended, or
--       {ended, job id, job hash as a flat list}
--       ended: 1 recorded, 0 none given, -1 another worker has taken it over, -2 it has dependents,
--       so RQ's own way must end it; then nothing was done and nothing is claimed
local worker = KEYS[1]
local ended = 0

-- The same call again, its answer lost with a connection: give the answer that it had.
if redis.call('HGET', worker, 'execution') == ARGV[3] then
  local id = redis.call('HGET', worker, 'current_job')
  if not id then
    return {1}
  end
  local queue = redis.call('HGET', 'rq:job:' .. id, 'origin') or ''
  if redis.call('ZSCORE', 'rq:wip:' .. queue, id .. ':' .. ARGV[3]) then
    return {1, id, redis.call('HGETALL', 'rq:job:' .. id)}
  end
  -- It took so long that another worker has taken over what was claimed.
end

if ARGV[7] then
  local id, execution, queue = ARGV[7], ARGV[8], ARGV[9]
  local job = 'rq:job:' .. id
  if redis.call('EXISTS', job .. ':dependents') == 1 then
    return {-2}
  end
  if redis.call('ZREM', 'rq:wip:' .. queue, id .. ':' .. execution) == 0 then
    ended = -1
  else
    ended = 1
    local results = 'rq:results:' .. id
    redis.call('HSET', job, 'status', 'finished', 'ended_at', ARGV[1], 'last_heartbeat', ARGV[1])
    if ARGV[10] == '' then
      redis.call('XADD', results, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', ARGV[5],
        'execution_id', execution, 'execution_started_at', ARGV[12], 'execution_ended_at', ARGV[2])
    else
      redis.call('XADD', results, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', ARGV[5],
        'return_value', ARGV[10],
        'execution_id', execution, 'execution_started_at', ARGV[12], 'execution_ended_at', ARGV[2])
    end
    redis.call('EXPIRE', results, ARGV[11])
    redis.call('EXPIRE', job, ARGV[11])
    redis.call('ZADD', 'rq:finished:' .. queue, math.floor(ARGV[2]) + ARGV[11], id)
    redis.call('HINCRBY', worker, 'successful_job_count', 1)
    redis.call('HINCRBYFLOAT', worker, 'total_working_time', ARGV[13])
    if ARGV[16] == '1' then
      redis.call('EXPIRE', 'task-api:log:' .. id, ARGV[11])
      on_end(id, 'finished', ARGV[1])
    else
      note(id, 'finished', ARGV[14], queue, ARGV[15])
    end
  end
  redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  redis.call('ZREM', 'rq:executions:' .. id, execution)
end

if ARGV[6] == '1' then
  if redis.call('EXISTS', 'rq:suspended') == 1 then
    redis.call('HSET', worker, 'state', 'suspended', 'execution', ARGV[3])
    redis.call('HDEL', worker, 'current_job')
    return {ended, false}
  end
  for i = 2, #KEYS do
    local id = redis.call('LPOP', KEYS[i])
    while id do
      local job = 'rq:job:' .. id
      local known = redis.call('HMGET', job, 'status', 'description', 'labels')
      if known[1] and known[1] ~= 'canceled' then
        local execution = ARGV[3]
        local expires = redis.call('TIME')[1] + ARGV[4]
        local record = 'rq:execution:' .. id .. ':' .. execution
        local executions = 'rq:executions:' .. id
        redis.call('HSET', record, 'id', execution, 'created_at', ARGV[2],
          'last_heartbeat', ARGV[2], 'worker_name', ARGV[5])
        redis.call('EXPIRE', record, ARGV[4] + 60)
        redis.call('ZADD', executions, expires + 60, execution)
        redis.call('EXPIRE', executions, ARGV[4] + 60)
        local queue = string.sub(KEYS[i], 10)
        redis.call('ZADD', 'rq:wip:' .. queue, expires, id .. ':' .. execution)
        redis.call('HSET', job, 'status', 'started', 'started_at', ARGV[1],
          'last_heartbeat', ARGV[1], 'worker_name', ARGV[5], 'origin', queue)
        redis.call('PERSIST', job)
        note(id, 'started', known[2], queue, known[3])
        redis.call('HSET', worker, 'state', 'busy', 'current_job', id, 'execution', execution,
          'current_job_working_time', 0)
        return {ended, id, redis.call('HGETALL', job)}
      end
      -- Expired, deleted or canceled while it waited: there is nothing to run.
      id = redis.call('LPOP', KEYS[i])
    end
  end
end
redis.call('HSET', worker, 'state', 'idle', 'execution', ARGV[3])
redis.call('HDEL', worker, 'current_job')
return {ended}
