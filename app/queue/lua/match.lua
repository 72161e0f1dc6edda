-- Say which jobs fit the filters of a list, and take those that are gone out of its indexes.
-- KEYS: 1… the indexes
-- ARGV: 1 the filters, as JSON: `statuses` (any of them), `queue`, `task`, `path` (of its function),
--       `labels` (all of them); 2… job ids
-- Answer: for each id its created_at where it fits, 0 where it does not, -1 where it is gone
local want = cjson.decode(ARGV[1])
local statuses = nil
if want.statuses then
  statuses = {}
  for _, status in ipairs(want.statuses) do
    statuses[status] = true
  end
end

-- Ours are described by the task's name alone; a plain RQ client's by the call, as Python writes it.
local function is_of_task(description)
  if not description then
    return false
  end
  return description == want.task
    or (want.path and string.sub(description, 1, #want.path + 1) == want.path .. '(')
end

local function has_labels(labels)
  local found = {}
  for _, label in ipairs(labels_of(labels)) do
    found[label] = true
  end
  for _, label in ipairs(want.labels) do
    if not found[label] then
      return false
    end
  end
  return true
end

local answer, gone = {}, {}
for i = 2, #ARGV do
  local job = 'rq:job:' .. ARGV[i]
  local fields = redis.pcall('HMGET', job, 'status', 'origin', 'description', 'labels',
    'created_at')
  if fields.err then
    answer[i - 1] = 0 -- no hash, so no job
  elseif redis.call('HEXISTS', job, 'data') == 0 then
    answer[i - 1] = -1
    gone[#gone + 1] = ARGV[i]
  elseif (statuses and not statuses[fields[1]])
    or (want.queue and fields[2] ~= want.queue)
    or (want.task and not is_of_task(fields[3]))
    or (want.labels and not has_labels(fields[4]))
  then
    answer[i - 1] = 0
  else
    answer[i - 1] = fields[5] or ''
  end
end
if #gone > 0 then
  for i = 1, #KEYS do
    redis.call('ZREM', KEYS[i], unpack(gone))
  end
end
return answer
