-- End the last job and claim the next, in one step: at every instant a job is in its queue, or
-- recorded as started with an execution that expires, or ended.
-- KEYS: 1 worker hash, 2… queue lists in order of priority
-- ARGV: 1 now (RQ's time format), 2 now (epoch seconds), 3 id of this call, and of the execution,
--       4 seconds until it expires unless it is renewed, 5 worker name, 6 "1" to claim, "0" not to,
--       7 id of the job that the worker runs next, where it has one: then it claims ahead;
--       and where a job has ended:
--       8 job id, 9 execution id, 10 queue name, 11 result (base64 pickle, '' for None),
--       12 seconds to keep it, 13 when it began (epoch seconds), 14 seconds that it worked,
--       15 task, 16 labels, 17 "1" where its end brings more with it than an event
-- Answer: {ended}, {ended, nil} where all workers are suspended, {ended, 0} where there may be more
--       behind so many that were gone, {ended, names} where some of these queues are paused and the
--       others have no job, or
--       {ended, job id, job hash as a flat list, 1 where other jobs wait for it}
--       ended: 1 recorded, 0 none given, -1 another worker has taken it over, -2 jobs of a plain RQ client
--       wait for it, so RQ's own way must end it; then nothing was done and nothing is claimed
-- The worker hash tells RQ `current_job`, the job that runs; and us `execution`, the id of the last
-- call, and `claimed`, the job that it has claimed.
local MOST_PASSED = 1000 -- jobs that are gone; to cancel one that has expired takes Redis 20 us and more
local worker, running = KEYS[1], ARGV[7]
local ended = 0
local before = redis.call('HMGET', worker, 'execution', 'successful_job_count',
  'total_working_time')
local facts = {'execution', ARGV[3]} -- what the worker hash is told, all at once

local function tell(field, value)
  facts[#facts + 1] = field
  facts[#facts + 1] = value
end

-- The same call again, its answer lost with a connection: give the answer that it had.
local is_again = before[1] == ARGV[3]
if is_again then
  local id = redis.call('HGET', worker, 'claimed')
  if not id then
    return {1}
  end
  local job = 'rq:job:' .. id
  local queue = redis.call('HGET', job, 'origin') or ''
  if redis.call('ZSCORE', 'rq:wip:' .. queue, id .. ':' .. ARGV[3]) then
    return {1, id, redis.call('HGETALL', job), redis.call('EXISTS', job .. ':dependents')}
  end
  -- It took so long that another worker has taken over what was claimed, or it was given back.
  ended = 1
end

if ARGV[8] and not is_again then
  local id, execution, queue = ARGV[8], ARGV[9], ARGV[10]
  local job = 'rq:job:' .. id
  local is_waited_for = redis.call('EXISTS', job .. ':dependents') == 1
  if is_waited_for and has_foreign_dependents(id) then
    if running ~= '' then
      redis.call('HSET', worker, 'current_job', running)
    end
    return {-2}
  end
  if redis.call('ZREM', 'rq:wip:' .. queue, id .. ':' .. execution) == 0 then
    ended = -1
  else
    ended = 1
    local results = 'rq:results:' .. id
    redis.call('HSET', job, 'status', 'finished', 'ended_at', ARGV[1], 'last_heartbeat', ARGV[1])
    if ARGV[11] == '' then
      redis.call('XADD', results, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', ARGV[5],
        'execution_id', execution, 'execution_started_at', ARGV[13], 'execution_ended_at', ARGV[2])
    else
      redis.call('XADD', results, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', ARGV[5],
        'return_value', ARGV[11],
        'execution_id', execution, 'execution_started_at', ARGV[13], 'execution_ended_at', ARGV[2])
    end
    redis.call('EXPIRE', results, ARGV[12])
    redis.call('EXPIRE', job, ARGV[12])
    redis.call('ZADD', 'rq:finished:' .. queue, math.floor(ARGV[2]) + ARGV[12], id)
    tell('successful_job_count', (before[2] or 0) + 1)
    tell('total_working_time', string.format('%.6f', (before[3] or 0) + ARGV[14]))
    if ARGV[17] == '1' or is_waited_for then
      redis.call('EXPIRE', 'task-api:log:' .. id, ARGV[12])
      on_end(id, 'finished', ARGV[1])
    else
      note(id, 'finished', ARGV[15], queue, ARGV[16])
    end
  end
  redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  redis.call('ZREM', 'rq:executions:' .. id, execution)
end

-- Tell the worker hash which job runs from now on.
local function run(id)
  tell('state', 'busy')
  tell('current_job', id)
  tell('current_job_working_time', 0)
end

-- Note that nothing was claimed.
local function rest(state)
  redis.call('HDEL', worker, 'claimed')
  if running == '' then
    redis.call('HDEL', worker, 'current_job')
    tell('state', state)
  else
    run(running)
  end
  redis.call('HSET', worker, unpack(facts))
end

-- Give a set of the queues that are paused.
local function paused_queues()
  local found = {}
  for _, queue in ipairs(members('task-api:paused')) do
    found['rq:queue:' .. queue] = true
  end
  return found
end

local held = {} -- names of the queues that were passed over, for they are paused
if ARGV[6] == '1' then
  local is_paused = {}
  if redis.call('EXISTS', 'rq:suspended', 'task-api:paused') > 0 then -- seldom, so one call asks both
    if redis.call('EXISTS', 'rq:suspended') == 1 then
      rest('suspended')
      return {ended, false}
    end
    is_paused = paused_queues()
  end
  local passed = 0
  for i = 2, #KEYS do
    local id = false
    if is_paused[KEYS[i]] then
      held[#held + 1] = string.sub(KEYS[i], 10)
    else
      id = redis.call('LPOP', KEYS[i])
    end
    while id do
      local job = 'rq:job:' .. id
      local known = redis.call('HMGET', job, 'status', 'description', 'labels', 'expires_at')
      if known[4] and has_expired(id, known[4]) then
        cancel_expired(id, ARGV[1])
      elseif known[1] and known[1] ~= 'canceled' then
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
        run(running == '' and id or running)
        tell('claimed', id)
        redis.call('HSET', worker, unpack(facts))
        return {ended, id, redis.call('HGETALL', job), redis.call('EXISTS', job .. ':dependents')}
      end
      -- Expired, deleted or canceled while it waited: there is nothing to run.
      passed = passed + 1
      if passed == MOST_PASSED then
        rest('idle')
        return {ended, 0}
      end
      id = redis.call('LPOP', KEYS[i])
    end
  end
end
rest('idle')
if #held > 0 then
  return {ended, held}
end
return {ended}
