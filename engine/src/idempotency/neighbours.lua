#!lua flags=allow-oom
-- Says that this queue's worker works under this reaction's name. Returns the other queues that did within keep_ms.
-- ARGV: queue, keep_ms. One field a queue, so that no worker overwrites another's entry.
-- Allowed when out of memory: it takes one line, and matters most then.
local key, queue, keep = KEYS[1], ARGV[1], tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r, others = redis.call('HGETALL', key), {}
for n = 1, #r, 2 do
  if r[n] ~= queue then
    local is_recent = (tonumber(r[n + 1]) or 0) + keep > now
    if is_recent then others[#others + 1] = r[n] else redis.call('HDEL', key, r[n]) end
  end
end
redis.call('HSET', key, queue, now)
redis.call('PEXPIRE', key, keep)
return others
