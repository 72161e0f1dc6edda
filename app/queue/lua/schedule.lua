-- Queue the jobs that are due, where no other scheduler does: the locks are RQ's own. And cancel those
-- that have not started in time.
-- KEYS: 1 scheduler hash, 2 set of queues; and for each queue: its lock, its scheduled registry,
--       its list
-- ARGV: 1 scheduler's name, 2 seconds until a lock expires, 3 now (RQ's time format),
--       4 most jobs for each queue; 5… fields of the scheduler hash
-- Answer: {number of locks held, jobs queued, seconds until the next is due (-1: none)}
local now = redis.call('TIME')
local clock = now[1] + now[2] / 1000000
local held, moved, nearest = 0, 0, -1
for i = 3, #KEYS, 3 do
  local owner = redis.call('GET', KEYS[i])
  if not owner then
    redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2])
    owner = ARGV[1]
  end
  if owner == ARGV[1] then
    held = held + 1
    redis.call('EXPIRE', KEYS[i], ARGV[2])
    local due = redis.call('ZRANGEBYSCORE', KEYS[i + 1], '-inf', clock, 'LIMIT', 0, ARGV[4])
    for _, id in ipairs(due) do
      local job = 'rq:job:' .. id
      -- First of all: should the job be something else than a hash, the next look finds the others.
      redis.call('ZREM', KEYS[i + 1], id)
      local fields = redis.call('HMGET', job, 'status', 'enqueue_at_front',
        'enqueue_at_front_on_retry', 'ended_at', 'ttl', 'description', 'origin', 'labels')
      if fields[1] and fields[1] ~= 'canceled' and fields[1] ~= 'finished' then
        redis.call('HSET', job, 'status', 'queued', 'enqueued_at', ARGV[3])
        if fields[5] and fields[5] ~= '' then
          redis.call('EXPIRE', job, fields[5])
        end
        redis.call('SADD', KEYS[2], KEYS[i + 2])
        local retried = fields[3] == '1' and fields[4] and fields[4] ~= ''
        if fields[2] == '1' or retried then
          redis.call('LPUSH', KEYS[i + 2], id)
        else
          redis.call('RPUSH', KEYS[i + 2], id)
        end
        note(id, 'queued', fields[6], fields[7], fields[8])
        moved = moved + 1
      end
    end
    local first = redis.call('ZRANGE', KEYS[i + 1], 0, 0, 'WITHSCORES')
    if first[2] then
      local wait = math.max(0, first[2] - clock)
      if nearest < 0 or wait < nearest then
        nearest = wait
      end
    end
  end
end
-- Cancel what has not started in time, whatever queue it waits in; what is too much for one look is
-- left to the next.
local budget = MOST_SEARCHED
local late = redis.call('ZRANGEBYSCORE', 'task-api:expiring', '-inf', clock, 'LIMIT', 0, ARGV[4])
for _, id in ipairs(late) do
  if budget <= 0 then
    nearest = 0
    break
  end
  redis.call('ZREM', 'task-api:expiring', id)
  budget = budget - cancel_late(id, ARGV[3])
end

if held > 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 5))
  redis.call('EXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return {held, moved, tostring(nearest)}
