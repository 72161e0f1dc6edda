-- Sweep the indexes that lists are made from, some ids at a time, of those whose job is gone.
-- Whoever calls goes on where the last one stopped, and nothing is done before it is due. An index
-- is gone through once in its period, from the oldest id to the newest. A period that found much is
-- followed by one half as long, one that found little by one twice as long; where half of what was
-- looked at is gone, the next ids follow at once.
-- KEYS: 1 sorted set of the indexes, by the time that their next ids are due (epoch seconds)
--       2 hash of where each sweep is: last id, ids looked at and gone in this period, its seconds,
--         when it began
-- ARGV: 1 most ids to look at, 2… indexes that are swept as well from now on, if they are there
-- Answer: {ids looked at, ids removed, seconds until more is due, 0 where it is already}
local STEP = 500        -- ids of one index before another one's turn comes
local A_VISIT = 10      -- what a visit to an index counts for at least
local SHORTEST = 1      -- seconds of a period
local LONGEST = 3600
local AT_REST = 30      -- seconds of a small index's period where nothing is gone
local SLOWLY = 2000     -- ids a second of a large one that are looked at then
local VISITS = 200      -- indexes a second, where there are very many
local IDLE = '10'       -- seconds, where there is no index

local time = redis.call('TIME')
local now = time[1] + math.floor(time[2] / 1000) / 1000 -- what is due now is not due later

for i = 2, #ARGV do
  if redis.call('EXISTS', ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[1], 'NX', 0, ARGV[i])
  end
end

local function next_period(period, looked, gone, size)
  local rest = math.max(AT_REST, size / SLOWLY, redis.call('ZCARD', KEYS[1]) / VISITS)
  rest = math.min(rest, LONGEST)
  if gone > 0.4 * looked and gone > STEP then
    return math.max(period / 2, SHORTEST)
  elseif gone < 0.15 * looked or gone <= STEP then
    period = period * 2
  end
  return math.min(period, rest)
end

-- Say when an id was made, in epoch seconds: its first 48 bits are milliseconds.
local function made_at(id)
  return (tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16) or 0) / 1000
end

-- Look at an index's next ids; give how many there were, and how many of them were gone.
local function sweep(index)
  local last, looked, gone, period, began = string.match(
    redis.call('HGET', KEYS[2], index) or '', '^(%S*) (%d+) (%d+) (%S+) (%S+)$')
  looked, gone, period = tonumber(looked or 0), tonumber(gone or 0), tonumber(period or AT_REST)
  began = (last and last ~= '') and tonumber(began) or now
  local from = (last and last ~= '') and '(' .. last or '-'
  local ids = redis.call('ZRANGE', index, from, '+', 'BYLEX', 'LIMIT', 0, STEP)
  local dead = {}
  for _, id in ipairs(ids) do
    -- Not whether there is a hash: RQ may write into one that has just expired.
    if redis.pcall('HEXISTS', 'rq:job:' .. id, 'data') == 0 then
      dead[#dead + 1] = id
    end
  end
  if #dead > 0 then
    redis.call('ZREM', index, unpack(dead))
  end
  looked, gone, last = looked + #ids, gone + #dead, ids[#ids]
  local size = redis.call('ZCARD', index)
  if size == 0 then
    redis.call('ZREM', KEYS[1], index)
    redis.call('HDEL', KEYS[2], index)
    return #ids, #dead
  end
  local wait = period * #ids / (size + #dead)
  if #ids < STEP or made_at(last) > began then -- all that was there has been looked at
    period = next_period(period, looked, gone, size)
    looked, gone, last = 0, 0, ''
    wait = math.max(0, began + period - now)
  elseif 2 * #dead >= #ids then
    wait = 0
  end
  redis.call('HSET', KEYS[2], index, string.format('%s %d %d %.3f %.3f', last, looked, gone, period,
    began))
  redis.call('ZADD', KEYS[1], string.format('%.3f', now + wait), index)
  return #ids, #dead
end

local looked, removed, left = 0, 0, tonumber(ARGV[1])
while true do
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if #first == 0 then
    return { looked, removed, IDLE }
  end
  local wait = math.max(0, tonumber(first[2]) - now)
  if wait > 0 or left <= 0 then
    return { looked, removed, string.format('%.3f', wait) }
  end
  local ids, dead = sweep(first[1])
  looked, removed, left = looked + ids, removed + dead, left - math.max(ids, A_VISIT)
end
