-- Do what the end of a stopped job brings with it, where RQ's own worker has stopped it and did not.
-- KEYS: 1 job hash
-- ARGV: 1 job id, 2 now (RQ's time format)
-- Answer: 1 where there was something left to do, 0 where not
local fields = redis.call('HMGET', KEYS[1], 'status', 'lock')
if fields[1] ~= 'stopped' then
  return 0
end
local left = holder_of(fields[2]) == ARGV[1]
for _, dependent in ipairs(redis.call('SMEMBERS', KEYS[1] .. ':dependents')) do
  local waiting = redis.call('HMGET', 'rq:job:' .. dependent, 'status', 'after_failure')
  left = left or (waiting[1] == 'deferred' and waiting[2])
end
if not left then
  return 0
end
on_end(ARGV[1], 'stopped', ARGV[2])
return 1
