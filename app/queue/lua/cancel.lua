-- Cancel a job that has not begun, at once: either it is out of its line, or nothing has changed.
-- KEYS: 1 job hash
-- ARGV: 1 job id, 2 now (RQ's time format), 3 seconds to keep it, 4 the reason
-- Answer: {1, status before} where it was canceled, {0, status} where it cannot be
local canceled, status = cancel_waiting(ARGV[1], ARGV[4], ARGV[2], tonumber(ARGV[3]))
return {canceled and 1 or 0, status}
