-- Settle the jobs that wait in vain: whoever ended those that they wait for told them nothing, as RQ's
-- own code does, and a process that is killed before it can; or the record of those is gone. Some at a
-- time: whoever calls goes on where the last one stopped, and nothing is done before it is due.
-- KEYS: 1 hash of how far the look at each registry is: its cursor, and when it is due (epoch seconds)
--       2… deferred registries
-- ARGV: 1 now (RQ's time format), 2 about how many records to read at the most
-- Answer: {seconds until more is due, and for each job that was settled: id, status}
local PAGE = 100   -- jobs that are looked at together
local A_CHANGE = 10 -- records that settling a job counts for
local AT_ONCE = 0.05 -- seconds between two looks at a long registry, where the first has settled some
local SOON = 0.25  -- and where it has not
local REST = 3     -- seconds between two rounds
local KEPT = 60    -- seconds that is known how far the looks are, where no worker goes on
local GONE = 'deleted or has expired' -- a parent without a record, as `parent_fault` will say it

local now = ARGV[1]
local time = redis.call('TIME')
local clock = time[1] + time[2] / 1000000
local answer, read = { '' }, 0

-- Give the jobs that one waits for, by their status; of several that have the same, any.
local function parents_of(id)
  local found = {}
  for _, parent in ipairs(members('rq:job::' .. id .. ':dependencies')) do
    found[redis.call('HGET', 'rq:job:' .. parent, 'status') or GONE] = parent
    read = read + 1
  end
  return found
end

-- Give the status of the parent that decides what becomes of a job; nil where none does. One that is
-- gone decides only once all others have ended: it may have finished, and then theirs counts.
local function decisive(parents, after_failure)
  if after_failure == 'cancel' then
    local bad = parents.failed and 'failed' or parents.stopped and 'stopped'
      or parents.canceled and 'canceled'
    if bad then
      return bad
    end
  end
  for status in pairs(parents) do
    if not HAS_ENDED[status] and status ~= GONE then
      return nil
    end
  end
  return parents[GONE] and GONE or next(parents)
end

-- Say whether a job is to be queued though no parent decides so: none is left, or it is a plain
-- client's, and whoever ended its last parent was to queue it by RQ's own rule, and was killed.
local function was_forgotten(parents, after_failure, may_fail)
  if after_failure then
    return next(parents) == nil
  end
  for status in pairs(parents) do
    if status ~= 'finished' and status ~= GONE and not (may_fail and status == 'failed') then
      return false
    end
  end
  return parents.finished or parents.failed
end

-- Look at a job that waits, and settle it where it is to wait no more.
local function look_at(id, registry)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'status', 'after_failure',
    'allow_dependency_failures', 'origin', 'enqueue_at_front', 'description', 'labels')
  read = read + 1
  if not fields[1] then
    redis.call('ZREM', registry, id) -- nothing else is left of it
  end
  if fields[1] ~= 'deferred' then
    return
  end
  local parents, ended = parents_of(id), {}
  local status = fields[2] and decisive(parents, fields[2])
  if status then
    settle(id, parents[status], status, now, ended)
    for _, each in ipairs(ended) do
      on_end(each[1], each[2], now)
    end
  elseif was_forgotten(parents, fields[2], fields[3] == '1') then
    forget_parents(id)
    queue_deferred(id, fields[4], fields[5], now)
    note(id, 'queued', fields[6], fields[4], fields[7])
  else
    return
  end
  read = read + A_CHANGE
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', 'rq:job:' .. id, 'status')
end

-- Look at a registry's next jobs; gives the seconds until those after them are due.
local function look(registry, cursor, share)
  local most, before = read + share, #answer
  repeat
    local page = redis.call('ZSCAN', registry, cursor, 'COUNT', PAGE)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      pcall(look_at, page[2][i], registry) -- a broken record does not hold up the others
    end
  until cursor == '0' or read >= most
  local wait = cursor == '0' and REST or #answer > before and AT_ONCE or SOON
  redis.call('HSET', KEYS[1], registry, string.format('%s %.3f', cursor, clock + wait))
  redis.call('EXPIRE', KEYS[1], KEPT)
  return wait
end

local due, soonest = {}, REST
for i = 2, #KEYS do
  local known = redis.call('HGET', KEYS[1], KEYS[i]) or ''
  local cursor, at = string.match(known, '^(%d+) (%S+)$')
  local wait = (tonumber(at) or 0) - clock
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('HDEL', KEYS[1], KEYS[i])
  elseif wait <= 0 or wait > REST then -- the clock may have been set back
    due[#due + 1] = { KEYS[i], cursor or '0' }
  else
    soonest = math.min(soonest, wait)
  end
end
for _, each in ipairs(due) do
  local is_registry, wait = pcall(look, each[1], each[2], ARGV[2] / #due)
  soonest = math.min(soonest, is_registry and wait or REST)
end
answer[1] = string.format('%.3f', soonest)
return answer
