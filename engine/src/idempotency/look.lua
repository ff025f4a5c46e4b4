#!lua flags=no-writes
-- Reads one record, and how long its lease and the record itself still last.
-- BROKEN: a field is not as we write it.
-- The answer is empty if there is no record. A field that was never written is an empty text.
local key = KEYS[1]
local r = redis.call('HMGET', key, 'st', 'att', 't0', 't1', 'mid', 'dup', 'dl', 'gen')
if not r[1] then return {} end
if not string.find(r[1], '^[PSDX]$') then return {'BROKEN', 'st'} end
for name, v in pairs({att = r[2], dup = r[6], dl = r[7], gen = r[8]}) do
  if v and not (#v < 15 and string.find(v, '^%d+$')) then return {'BROKEN', name} end
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local open = r[1] == 'P' or r[1] == 'S'
local held = open and math.max(0, tonumber(r[7] or 0) - now) or 0
local answer = {tostring(held), tostring(redis.call('PTTL', key))}
for n = 1, 6 do answer[n + 2] = r[n] or '' end
return answer
