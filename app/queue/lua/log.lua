-- Read a job's log from a place on.
-- KEYS: 1 job hash, 2 log list
-- ARGV: 1 the place: the number of the first line that is wanted, counted from 0
-- Answer: {lines written so far, number of the oldest that is kept, lines…}; {} where the job is gone
local fields = redis.call('HMGET', KEYS[1], 'data', 'log')
if not fields[1] then
  return {}
end
local total = tonumber(string.match(fields[2] or '', '^%d+') or '0')
local first = total - redis.call('LLEN', KEYS[2])
local lines = {}
if tonumber(ARGV[1]) < total then
  lines = redis.call('LRANGE', KEYS[2], math.max(0, ARGV[1] - first), -1)
end
return {total, first, unpack(lines)}
