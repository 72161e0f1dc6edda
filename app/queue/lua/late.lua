-- Cancel those of some jobs that wait though their time to start in is over. What is too much for one
-- call is left to the next: whoever sees such a job again calls again.
-- KEYS: none; they follow from the ids
-- ARGV: 1 now (RQ's time format), 2… ids
-- Answer: nothing
local budget = MOST_SEARCHED
for i = 2, #ARGV do
  if budget <= 0 then
    break
  end
  local is_read, cost = pcall(cancel_late, ARGV[i], ARGV[1])
  budget = budget - (is_read and cost or 1) -- a broken record does not hold up the others
end
