#!lua flags=no-writes
-- The last deeds, the newest first.  ARGV: how many
local key, most = KEYS[1], tonumber(ARGV[1])
local n, told = tonumber(redis.call('HGET', key, 'last')) or 0, {}
for field = n, math.max(1, n - most + 1), -1 do
  local deed = redis.call('HGET', key, string.format('%d', field))
  if deed then told[#told + 1] = deed end
end
return told
