#!lua flags=allow-oom
-- A worker says how it is.  ARGV: worker, report, keep_ms
-- Workers that said nothing for so long are gone: they are removed by whoever speaks next.
-- Allowed when out of memory: it takes a line a worker, and matters most then.
local key, worker, report, keep = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r = redis.call('HGETALL', key)
for n = 1, #r, 2 do
  if (tonumber(string.match(r[n + 1], '^%d+')) or 0) + keep <= now then redis.call('HDEL', key, r[n]) end
end
redis.call('HSET', key, worker, string.format('%d ', now) .. report)
redis.call('PEXPIRE', key, keep)
return {}
