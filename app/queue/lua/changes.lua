-- What every change of a job leaves beside RQ's own record. Not a script: each of the others begins
-- with these functions. They need no KEYS: what they touch follows from the job's id.
-- note:   add a change of status to the one stream of events.
-- on_end: do all that the end of a job brings with it: the event, its lock set free, the jobs that
--         wait for it queued or canceled. `now` is in RQ's time format.
-- cancel_waiting: cancel a job that has not begun, for a reason.
-- unlist: take a job out of the indexes.
local MOST_EVENTS = 100000 -- that are kept, give or take a block; `event.py` says the same

local function note(id, status, task, queue, labels)
  if task == 'task-api.callback' then
    return -- the service's own, which is in no list either
  end
  if labels and labels ~= '' then
    redis.call('XADD', 'task-api:events', 'MAXLEN', '~', MOST_EVENTS, '*', 'job', id, 'status', status,
      'task', task or '', 'queue', queue or '', 'labels', labels)
  else
    redis.call('XADD', 'task-api:events', 'MAXLEN', '~', MOST_EVENTS, '*', 'job', id, 'status', status,
      'task', task or '', 'queue', queue or '')
  end
end

local on_end

local MOST_KEPT = 315360000 -- seconds; whatever a job's record says
local NOT_IN_TIME = 'it did not start within the time that `expires` gave it'

-- Give the members of a set; none where something else stands under its name.
local function members(set)
  local found = redis.pcall('SMEMBERS', set)
  return found.err and {} or found
end

-- Take a job out of the sets of those that it waits for.
local function forget_parents(id)
  local parents = 'rq:job::' .. id .. ':dependencies'
  for _, parent in ipairs(members(parents)) do
    redis.pcall('SREM', 'rq:job:' .. parent .. ':dependents', id)
  end
  redis.call('DEL', parents)
end

-- Record that a job which stands in no line any more is canceled. It is kept for a second at the
-- least, so that the caller is still told how it stands.
local function record_cancel(id, reason, now, keep)
  local job = 'rq:job:' .. id
  local fields = redis.call('HMGET', job, 'origin', 'failure_ttl')
  keep = keep or tonumber(fields[2] or '')
  if not keep or keep ~= math.floor(keep) or keep < 0 or keep > MOST_KEPT then
    keep = 604800
  end
  redis.call('HSET', job, 'status', 'canceled', 'ended_at', now, 'canceled_because', reason)
  redis.call('ZADD', 'rq:canceled:' .. fields[1], redis.call('TIME')[1] + keep, id)
  redis.call('EXPIRE', job, math.max(1, keep))
  forget_parents(id)
end

-- Take a job out of the line that its status says it waits in; says whether it stood there. Where it
-- did not, a worker has just taken it.
local function leave_line(id, status, queue)
  if status == 'queued' then
    return redis.call('LREM', 'rq:queue:' .. queue, 1, id) > 0
  elseif status == 'scheduled' or status == 'deferred' then
    return redis.call('ZREM', 'rq:' .. status .. ':' .. queue, id) > 0
  end
  return false
end

-- Cancel a job that has not begun; gives whether it was, and the status before. `keep` is for how
-- many seconds, its own `failure_ttl` where left out.
local function cancel_waiting(id, reason, now, keep)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'status', 'origin')
  if not leave_line(id, fields[1], fields[2]) then
    return false, fields[1]
  end
  record_cancel(id, reason, now, keep)
  on_end(id, 'canceled', now)
  return true, fields[1]
end

-- Queue a job that has waited for others; gives the queue's length.
local function queue_deferred(id, queue, front, now)
  redis.call('ZREM', 'rq:deferred:' .. queue, id)
  redis.call('HSET', 'rq:job:' .. id, 'status', 'queued', 'enqueued_at', now)
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  return redis.call(front == '1' and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
end

local HAS_ENDED = { finished = true, failed = true, stopped = true, canceled = true }

-- Say whether a job is there and has not ended.
local function is_live(id)
  local status = redis.call('HGET', 'rq:job:' .. id, 'status')
  return status and not HAS_ENDED[status]
end

-- Say whether all that a job waits for has ended as it wants it. A parent that is gone is not
-- waited for, as RQ has it.
local function is_met(id, may_fail)
  for _, parent in ipairs(members('rq:job::' .. id .. ':dependencies')) do
    local status = redis.call('HGET', 'rq:job:' .. parent, 'status')
    if status and status ~= 'finished' and not (may_fail and HAS_ENDED[status]) then
      return false
    end
  end
  return true
end

-- Say why a job is canceled for another's sake.
local function parent_fault(parent, status)
  local ended = status == 'failed' and status or 'was ' .. status
  return 'job ' .. parent .. ', which it was to run after, ' .. ended .. ' (after_failure=cancel)'
end

-- Queue or cancel a job that has waited for one that has ended. One of a plain RQ client, which
-- chose nothing for the case that it fails, is left to RQ. What is canceled goes to the list `ended`.
local function settle(dependent, id, status, now, ended)
  local fields = redis.call('HMGET', 'rq:job:' .. dependent, 'status', 'origin', 'after_failure',
    'enqueue_at_front', 'description', 'labels')
  if not fields[3] or fields[1] ~= 'deferred' then
    return
  end
  redis.call('SREM', 'rq:job:' .. id .. ':dependents', dependent)
  if status ~= 'finished' and fields[3] == 'cancel' then
    leave_line(dependent, fields[1], fields[2])
    record_cancel(dependent, parent_fault(id, status), now)
    ended[#ended + 1] = { dependent, 'canceled' }
    return
  end
  redis.call('SREM', 'rq:job::' .. dependent .. ':dependencies', id)
  if is_met(dependent, fields[3] == 'run') then
    forget_parents(dependent) -- one may have been canceled by the same end, one be gone
    queue_deferred(dependent, fields[2], fields[4], now)
    note(dependent, 'queued', fields[5], fields[2], fields[6])
  end
end

-- Queue or cancel the jobs that have waited for one that has ended. One whose record is broken does
-- not hold up the end of the other, nor the worker that records it.
local function settle_dependents(id, status, now, ended)
  local dependents = members('rq:job:' .. id .. ':dependents')
  table.sort(dependents) -- as they were enqueued
  for _, dependent in ipairs(dependents) do
    pcall(settle, dependent, id, status, now, ended)
  end
end

-- Say whether a job is waited for by one of a plain RQ client, which RQ's own code has to queue.
local function has_foreign_dependents(id)
  for _, dependent in ipairs(members('rq:job:' .. id .. ':dependents')) do
    if redis.pcall('HEXISTS', 'rq:job:' .. dependent, 'after_failure') == 0 then
      return true
    end
  end
  return false
end

-- Say which job holds the lock that a job's hash names; false where none does, or where what it
-- names is no lock, and so not to be touched.
local function holder_of(lock)
  if not lock or string.sub(lock, 1, 14) ~= 'task-api:lock:' then
    return false
  end
  local holder = redis.pcall('GET', lock)
  return type(holder) == 'string' and holder
end

-- One after another, not each within the one before: a chain may be longer than Lua's stack.
on_end = function(id, status, now)
  local ended = { { id, status } }
  local done = 0
  while done < #ended do
    done = done + 1
    local each, how = ended[done][1], ended[done][2]
    local fields = redis.call('HMGET', 'rq:job:' .. each, 'description', 'origin', 'labels', 'lock',
      'expires_at')
    note(each, how, fields[1], fields[2], fields[3])
    local ttl = redis.call('PTTL', 'rq:job:' .. each)
    if ttl > 0 then
      redis.call('PEXPIRE', 'task-api:log:' .. each, ttl)
    end
    if holder_of(fields[4]) == each then
      redis.call('DEL', fields[4])
    end
    if fields[5] then
      redis.call('ZREM', 'task-api:expiring', each)
    end
    settle_dependents(each, how, now, ended)
  end
end

-- Say whether a job's time to start in is over; an attempt after its first is not held to it.
local function has_expired(id, expires_at)
  local clock = redis.call('TIME')
  if (tonumber(expires_at) or math.huge) > clock[1] + clock[2] / 1000000 then
    return false
  end
  local started_at = redis.call('HGET', 'rq:job:' .. id, 'started_at')
  return not started_at or started_at == ''
end

-- Cancel a job that stands in no line any more, for it did not start in time.
local function cancel_expired(id, now)
  record_cancel(id, NOT_IN_TIME, now)
  on_end(id, 'canceled', now)
end

local MOST_SEARCHED = 200000 -- entries of the queues that one call looks through for late jobs

-- Cancel a job that waits though its time to start in is over; gives what that has cost: a list is
-- searched from its start for what is taken out of it.
local function cancel_late(id, now)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'status', 'origin', 'expires_at')
  if not fields[2] or not fields[3] or not has_expired(id, fields[3]) then
    return 1
  end
  local searched = fields[1] == 'queued' and redis.call('LLEN', 'rq:queue:' .. fields[2]) or 0
  cancel_waiting(id, NOT_IN_TIME, now) -- where a worker has just taken it, its claim decides
  return 1 + searched
end

-- Drop the callbacks that wait for a job's end, as the job gets new ones.
local function forget_callbacks(id)
  local ids = redis.call('HGET', 'rq:job:' .. id, 'callbacks') or ''
  for callback in string.gmatch(ids, '%S+') do
    local fields = redis.call('HMGET', 'rq:job:' .. callback, 'status', 'origin')
    if fields[1] == 'deferred' then
      leave_line(callback, fields[1], fields[2])
      forget_parents(callback)
      redis.call('DEL', 'rq:job:' .. callback)
    end
  end
end

-- Read the labels of a job, as its hash holds them; what is no list of texts is none of ours.
local function labels_of(text)
  local is_json, found = pcall(cjson.decode, text or '')
  local labels = {}
  for _, label in ipairs(is_json and type(found) == 'table' and found or {}) do
    labels[#labels + 1] = type(label) == 'string' and label or nil
  end
  return labels
end

-- Take a job out of the indexes that lists are made from.
local function unlist(id)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'description', 'labels')
  redis.call('ZREM', 'task-api:jobs', id)
  redis.call('ZREM', 'task-api:jobs:task:' .. (fields[1] or ''), id)
  for _, label in ipairs(labels_of(fields[2])) do
    redis.call('ZREM', 'task-api:jobs:label:' .. label, id)
  end
end

