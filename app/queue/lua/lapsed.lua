-- Record that a job is canceled which a stock worker has begun after its time to start in was over.
-- KEYS: 1 job hash
-- ARGV: 1 job id, 2 now (RQ's time format)
-- Answer: nothing
record_cancel(ARGV[1], NOT_IN_TIME, ARGV[2])
-- It has not begun.
redis.call('HSET', KEYS[1], 'started_at', '', 'worker_name', '')
