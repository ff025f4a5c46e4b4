#!lua flags=allow-oom
-- Says that a queue's worker works under this reaction's name, and answers whose else did within `keep`.  ARGV: queue, keep_ms
-- One field a queue, so that nobody wipes out what another has said. Allowed out of memory: it is a line, and then most worth it.
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
