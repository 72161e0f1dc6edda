-- Do what the end of a job brings with it, where RQ's own code records that end.
-- KEYS: 1 job hash
-- ARGV: 1 job id, 2 status, 3 now (RQ's time format)
-- Answer: nothing
on_end(ARGV[1], ARGV[2], ARGV[3])
