-- Delete a job that no worker has in hand, and all that is kept of it.
-- KEYS: 1 job hash, 2 queue list, 3 results, 4 dependents, 5 dependencies, 6 executions,
--       7… every registry of its queue
-- ARGV: 1 job id, 2 now (RQ's time format)
-- Answer: {1, status before} where it was deleted, {0, status} where it cannot be
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'started' then
  return {0, status}
end
-- In no line although its status says so: a worker has just taken it.
if status == 'queued' and redis.call('LREM', KEYS[2], 1, ARGV[1]) == 0 then
  return {0, status}
end
forget_parents(ARGV[1])
-- While it is still there to be read: those who wait for it, or watch it, are told.
on_end(ARGV[1], 'deleted', ARGV[2])
for i = 7, #KEYS do
  redis.call('ZREM', KEYS[i], ARGV[1])
end
unlist(ARGV[1])
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], 'task-api:log:' .. ARGV[1])
return {1, status}
