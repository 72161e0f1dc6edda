-- What every change of a job leaves beside RQ's own record. Not a script: each of the others begins
-- with these functions. They need no KEYS: what they touch follows from the job's id.
-- note:   add a change of status to the one stream of events.
-- on_end: do all that the end of a job brings with it: the event, its lock set free, the jobs that
--         wait for it queued or canceled. `now` is in RQ's time format.
-- unlist: take a job out of the indexes.
local function note(id, status, task, queue, labels)
  if labels and labels ~= '' then
    redis.call('XADD', 'task-api:events', 'MAXLEN', '~', 100000, '*', 'job', id, 'status', status,
      'task', task or '', 'queue', queue or '', 'labels', labels)
  else
    redis.call('XADD', 'task-api:events', 'MAXLEN', '~', 100000, '*', 'job', id, 'status', status,
      'task', task or '', 'queue', queue or '')
  end
end

local on_end

-- Cancel a job that waits for others, for the reason given.
local function cancel_deferred(id, queue, reason, now)
  local job = 'rq:job:' .. id
  local keep = tonumber(redis.call('HGET', job, 'failure_ttl') or '') or 604800
  redis.call('ZREM', 'rq:deferred:' .. queue, id)
  redis.call('HSET', job, 'status', 'canceled', 'ended_at', now, 'canceled_because', reason)
  redis.call('ZADD', 'rq:canceled:' .. queue, redis.call('TIME')[1] + keep, id)
  redis.call('EXPIRE', job, math.max(1, keep))
  on_end(id, 'canceled', now)
end

-- Queue a job that has waited for others.
local function queue_deferred(id, queue, front, now)
  redis.call('ZREM', 'rq:deferred:' .. queue, id)
  redis.call('HSET', 'rq:job:' .. id, 'status', 'queued', 'enqueued_at', now)
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  redis.call(front == '1' and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
end

local HAS_ENDED = { finished = true, failed = true, stopped = true, canceled = true }

-- Say whether all that a job waits for has ended as it wants it. A parent that is gone is not
-- waited for, as RQ has it.
local function is_met(id, may_fail)
  for _, parent in ipairs(redis.call('SMEMBERS', 'rq:job::' .. id .. ':dependencies')) do
    local status = redis.call('HGET', 'rq:job:' .. parent, 'status')
    if status and status ~= 'finished' and not (may_fail and HAS_ENDED[status]) then
      return false
    end
  end
  return true
end

-- Queue or cancel the jobs that have waited for one that has ended. Those of a plain RQ client, which
-- chose nothing for the case that it fails, are left to RQ.
local function settle_dependents(id, status, now)
  local waiting = 'rq:job:' .. id .. ':dependents'
  for _, dependent in ipairs(redis.call('SMEMBERS', waiting)) do
    local fields = redis.call('HMGET', 'rq:job:' .. dependent, 'status', 'origin', 'after_failure',
      'enqueue_at_front', 'description', 'labels')
    if fields[3] and fields[1] == 'deferred' then
      if status ~= 'finished' and fields[3] == 'cancel' then
        redis.call('SREM', waiting, dependent)
        cancel_deferred(dependent, fields[2],
          'job ' .. id .. ', which it waits for, was ' .. status .. ' (after_failure=cancel)', now)
      else
        redis.call('SREM', waiting, dependent)
        redis.call('SREM', 'rq:job::' .. dependent .. ':dependencies', id)
        if is_met(dependent, fields[3] == 'run') then
          queue_deferred(dependent, fields[2], fields[4], now)
          note(dependent, 'queued', fields[5], fields[2], fields[6])
        end
      end
    end
  end
end

on_end = function(id, status, now)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'description', 'origin', 'labels', 'lock')
  note(id, status, fields[1], fields[2], fields[3])
  if fields[4] and redis.call('GET', fields[4]) == id then
    redis.call('DEL', fields[4])
  end
  settle_dependents(id, status, now)
end

-- Take a job out of the indexes that lists are made from.
local function unlist(id)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'description', 'labels')
  redis.call('ZREM', 'task-api:jobs', id)
  redis.call('ZREM', 'task-api:jobs:task:' .. (fields[1] or ''), id)
  if fields[2] and fields[2] ~= '' then
    for _, label in ipairs(cjson.decode(fields[2])) do
      redis.call('ZREM', 'task-api:jobs:label:' .. label, id)
    end
  end
end

