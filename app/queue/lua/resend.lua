-- Queue a callback's job anew, at once, whether it was settled or waits for its next try.
-- KEYS: 1 job hash of the callback, 2 set of queues
-- ARGV: 1 its id, 2 now (RQ's time format), 3 retries, 4 retry intervals (a JSON list)
-- Answer: {1, status before} where it was queued, {0, status} where it cannot be
local fields = redis.call('HMGET', KEYS[1], 'status', 'origin')
local status, queue = fields[1], fields[2]
local SETTLED = { finished = 'finished', failed = 'failed', stopped = 'failed',
  canceled = 'canceled', scheduled = 'scheduled' }
if not status or not SETTLED[status] then
  return {0, status}
end
local removed = redis.call('ZREM', 'rq:' .. SETTLED[status] .. ':' .. queue, ARGV[1])
-- In no line although its status says so: a scheduler has just taken it.
if status == 'scheduled' and removed == 0 then
  return {0, status}
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'enqueued_at', ARGV[2], 'started_at', '',
  'ended_at', '', 'retries_left', ARGV[3], 'retry_intervals', ARGV[4])
redis.call('HDEL', KEYS[1], 'number_of_retries', 'crashes', 'canceled_because')
redis.call('PERSIST', KEYS[1])
redis.call('SADD', KEYS[2], 'rq:queue:' .. queue)
redis.call('RPUSH', 'rq:queue:' .. queue, ARGV[1])
return {1, status}
