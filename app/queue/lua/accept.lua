-- Enqueue a job under conditions, or say why not: the same request is answered once, a unique key has
-- one live job, and the jobs to wait for have to be there. Whole or not at all.
-- KEYS: none; they follow from the ids of the jobs, and stand among the conditions
-- ARGV: 1 the conditions (JSON; see `_conditions` in accept.py), 2 now (RQ's time format),
--       3 the job as it would be answered (JSON; '' without an Idempotency-Key), 4 number of commands
--       that write the job; and for each of them: the number of its parts, and these
-- Answer: {'queued', jobs before it}, {'scheduled'}, {'deferred'}, {'canceled', reason}: accepted;
--       {'first', job id, its hash as a flat list, jobs before it, its time}: that job stands for it;
--       {'replayed', the answer as JSON, the body; and as for 'first' where there is none}
--       {'reused'}, {'held', job id, status}, {'parents', ids…}, {'full'}: refused, nothing has changed
local given, now = cjson.decode(ARGV[1]), ARGV[2]
local id = given.id

-- Give what a job is shown from.
local function shown(answer, first)
  local job = 'rq:job:' .. first
  local fields = redis.call('HMGET', job, 'status', 'origin')
  local queue = fields[2] or ''
  answer[#answer + 1] = redis.call('HGETALL', job)
  answer[#answer + 1] = fields[1] == 'queued'
    and redis.call('LPOS', 'rq:queue:' .. queue, first, 'MAXLEN', 100000)
  answer[#answer + 1] = fields[1] == 'scheduled'
    and redis.call('ZSCORE', 'rq:scheduled:' .. queue, first)
  return answer
end

-- Remember an answer under the Idempotency-Key, if there is one.
local function remember(answer, body)
  if given.record then
    redis.call('HSET', given.record, 'fingerprint', given.fingerprint,
      'answer', cjson.encode(answer), 'body', body)
    redis.call('EXPIRE', given.record, given.remember_for)
  end
  return answer
end

if given.record then
  local known = redis.call('HMGET', given.record, 'fingerprint', 'answer', 'body')
  if known[1] and known[1] ~= given.fingerprint then
    return { 'reused' }
  elseif known[1] then
    local answer = { 'replayed', known[2], known[3] }
    -- The process that was to write it has died.
    return known[3] == '' and shown(answer, cjson.decode(known[2])[2]) or answer
  end
end

local first = given.lock and redis.call('GET', given.lock)
if first and not is_live(first) then
  first = false
end

-- Say whether a job stands in the line that its status names; else a worker has it.
local function waits(job_id)
  local fields = redis.call('HMGET', 'rq:job:' .. job_id, 'status', 'origin')
  if fields[1] == 'queued' then
    return redis.call('LPOS', 'rq:queue:' .. fields[2], job_id)
  end
  return (fields[1] == 'scheduled' or fields[1] == 'deferred')
    and redis.call('ZSCORE', 'rq:' .. fields[1] .. ':' .. fields[2], job_id)
end

if first and given.mode == 'first' then
  redis.call('HINCRBY', 'rq:job:' .. first, 'duplicates', 1)
  return shown(remember({ 'first', first }, ''), first)
elseif first and (given.mode == 'reject' or not waits(first)) then
  return { 'held', first, redis.call('HGET', 'rq:job:' .. first, 'status') }
end

local unmet, missing, fault = {}, { 'parents' }, nil
for _, parent in ipairs(given.after) do
  local status = redis.call('HGET', 'rq:job:' .. parent, 'status')
  if not status then
    missing[#missing + 1] = parent
  elseif HAS_ENDED[status] and status ~= 'finished' and given.after_failure == 'cancel' then
    fault = fault or parent_fault(parent, status)
  elseif not HAS_ENDED[status] then
    unmet[#unmet + 1] = parent
  end
end
if #missing > 1 then
  return missing
end

local is_immediate = given.is_queued or (#given.after > 0 and #unmet == 0 and not fault)
if is_immediate and redis.call('LLEN', 'rq:queue:' .. given.queue) >= given.limit then
  return { 'full' }
end

-- Take the place of a job that has not begun: its id stays, all else is the new one's.
local escaped, kept = string.gsub(id, '%p', '%%%0'), nil
if first and given.mode == 'debounce' then
  local fields = redis.call('HMGET', 'rq:job:' .. first, 'started_at', 'created_at', 'duplicates',
    'status', 'origin')
  if not fields[1] or fields[1] == '' then
    leave_line(first, fields[4], fields[5])
    forget_parents(first)
    unlist(first)
    forget_callbacks(first)
    redis.call('ZREM', 'task-api:expiring', first)
    redis.call('DEL', 'rq:job:' .. first)
    kept = fields
  end
end

local at, reply = 5, nil
for _ = 1, tonumber(ARGV[4]) do
  local command = {}
  for i = 1, tonumber(ARGV[at]) do
    -- Wherever it stands, in a callback's arguments too: all ids are of one length.
    command[i] = kept and string.gsub(ARGV[at + i], escaped, first) or ARGV[at + i]
  end
  at = at + 1 + #command
  reply = redis.call(unpack(command))
end

if kept then
  redis.call('HSET', 'rq:job:' .. first, 'created_at', kept[2], 'duplicates', (kept[3] or 0) + 1)
  return shown(remember({ 'first', first }, ''), first)
end
if first then
  cancel_waiting(first, 'job ' .. id .. ' of the same key has replaced it', now)
end
if given.lock then
  redis.call('SET', given.lock, id)
end

local answer = { given.is_queued and 'queued' or 'scheduled' }
if #given.after > 0 then
  for _, parent in ipairs(unmet) do
    redis.call('SADD', 'rq:job:' .. parent .. ':dependents', id)
    redis.call('SADD', 'rq:job::' .. id .. ':dependencies', parent)
  end
  if fault then
    cancel_waiting(id, fault, now)
    answer = { 'canceled', fault }
  elseif #unmet > 0 then
    answer = { 'deferred' }
  else
    local fields = redis.call('HMGET', 'rq:job:' .. id, 'description', 'labels')
    reply = queue_deferred(id, given.queue, given.front and '1', now)
    note(id, 'queued', fields[1], given.queue, fields[2])
    answer = { 'queued' }
  end
end
if answer[1] == 'queued' then
  answer[2] = given.front and 0 or reply - 1
end
return remember(answer, ARGV[3])
