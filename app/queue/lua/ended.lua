-- Do what the end of a job brings with it, where RQ's own code records that end.
-- KEYS: 1 job hash
-- ARGV: 1 job id, 2 status, 3 now (RQ's time format); and where a stock worker records it:
--       4… the jobs that have waited for it until now
-- Answer: nothing
for i = 4, #ARGV do
  local dependent = ARGV[i]
  local fields = redis.call('HMGET', 'rq:job:' .. dependent, 'status', 'after_failure',
    'description', 'origin', 'labels')
  -- RQ has queued it in this transaction, and tells nobody.
  if fields[1] == 'queued' and fields[2] then
    redis.call('SREM', 'rq:job::' .. dependent .. ':dependencies', ARGV[1])
    note(dependent, 'queued', fields[3], fields[4], fields[5])
  end
end
on_end(ARGV[1], ARGV[2], ARGV[3])
