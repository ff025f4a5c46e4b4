#!lua flags=no-writes
-- What the workers of one reaction said within keep_ms: worker, how long ago in ms, report; and so on.  ARGV: keep_ms
local key, keep = KEYS[1], tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r, said = redis.call('HGETALL', key), {}
for n = 1, #r, 2 do
  local at, report = string.match(r[n + 1], '^(%d+) (.*)$')
  local ago = at and math.max(0, now - tonumber(at))
  if ago and ago < keep then
    said[#said + 1] = r[n]
    said[#said + 1] = string.format('%d', ago)
    said[#said + 1] = report
  end
end
return said
