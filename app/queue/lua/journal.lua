-- Keep what a job says of itself while it runs: how far it is, and what it has logged.
-- KEYS: 1 job hash, 2 log list
-- ARGV: 1 job id, 2 name of the worker that runs it, 3 number of this batch, unlike all others,
--       4 progress (JSON, '' for none), 5 most lines of the log, 6 most bytes of their text,
--       7 lines dropped before those that follow, 8… lines (JSON)
-- Answer: 1 where it was kept, 0 where the job is gone or another worker has it: nothing was touched
local fields = redis.call('HMGET', KEYS[1], 'status', 'worker_name', 'log', 'description', 'origin',
  'labels', 'failure_ttl', 'timeout')
local status = fields[1]
if not status or fields[2] ~= ARGV[2] then
  return 0
end

local ended = status == 'finished' or status == 'failed' or status == 'stopped'
if ARGV[4] ~= '' and (ended or status == 'started') then
  redis.call('HSET', KEYS[1], 'progress', ARGV[4])
  if not ended then
    local event = { 'job', ARGV[1], 'task', fields[4] or '', 'queue', fields[5] or '' }
    if fields[6] and fields[6] ~= '' then
      event[#event + 1] = 'labels'
      event[#event + 1] = fields[6]
    end
    event[#event + 1] = 'progress'
    event[#event + 1] = ARGV[4]
    redis.call('XADD', 'task-api:events', 'MAXLEN', '~', MOST_EVENTS, '*', unpack(event))
  end
end
if not ARGV[8] then
  return 1
end

-- Count the bytes of a line's text, the last that stands in it; what is told of it is not the task's.
local function size(line)
  local _, before = string.find(line, '"message":"', 1, true)
  return #line - (before or 0) - 2
end

-- The field `log`: lines written so far, bytes of the text that the list holds, and the last batch.
local total, bytes, batch = string.match(fields[3] or '', '^(%d+) (%d+) (%S+)$')
if batch == ARGV[3] then
  return 1  -- it was kept before, and only the answer was lost
end
total, bytes = tonumber(total) or 0, tonumber(bytes) or 0
if redis.call('EXISTS', KEYS[2]) == 0 then
  bytes = 0
end
for i = 8, #ARGV do
  bytes = bytes + size(ARGV[i])
end
local length = redis.call('RPUSH', KEYS[2], unpack(ARGV, 8))
while length > tonumber(ARGV[5]) or bytes > tonumber(ARGV[6]) do
  bytes = bytes - size(redis.call('LPOP', KEYS[2]))
  length = length - 1
end
total = total + ARGV[7] + #ARGV - 7
redis.call('HSET', KEYS[1], 'log', string.format('%d %d %s', total, bytes, ARGV[3]))

local ttl = redis.call('PTTL', KEYS[1])
if ttl > 0 then
  redis.call('PEXPIRE', KEYS[2], ttl)
elseif ended then
  redis.call('PERSIST', KEYS[2])
else
  -- Its end sets this right. RQ's own code may be what ends it, and knows of no log.
  local longest = tonumber(fields[8] or '') or 180
  local kept = tonumber(fields[7] or '') or 31536000
  if longest < 0 then
    longest = 604800
  end
  redis.call('EXPIRE', KEYS[2], longest + math.max(kept, 86400))
end
return 1
