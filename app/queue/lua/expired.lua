-- Take over the executions that nobody renews: their worker is dead, or cut off.
-- Each is given to one caller, for a time; should that one die too, it expires again.
-- KEYS: 1… started registries
-- ARGV: 1 seconds that the caller has for each, 2 most that it takes
-- Answer: a flat list of pairs: number of the registry, its entry (job id:execution id)
local now = tonumber(redis.call('TIME')[1])
local taken = {}
for i = 1, #KEYS do
  local entries = redis.call('ZRANGEBYSCORE', KEYS[i], 0, now, 'LIMIT', 0, ARGV[2])
  for _, entry in ipairs(entries) do
    redis.call('ZADD', KEYS[i], now + ARGV[1], entry)
    taken[#taken + 1] = i
    taken[#taken + 1] = entry
  end
end
return taken
