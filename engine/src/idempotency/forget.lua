#!lua flags=allow-oom
-- A person deletes a record, unless a delivery holds its lease.  ARGV: '1' to delete it all the same
-- Check and delete are one step: a claim comes before it, and is seen, or after it, and starts afresh.
-- A record that nobody can read may be at work, or somebody else's: a person has to insist.
-- Only here DEL is safe: the token of an owner that paused is never given again, so that owner finds its lease lost.
-- Allowed when out of memory: it frees some.
local key, force = KEYS[1], ARGV[1] == '1'
local r = redis.pcall('HMGET', key, 'st', 'dl')
if r.err and string.sub(r.err, 1, 9) ~= 'WRONGTYPE' then return r end
if not r.err and not r[1] then return {'NONE'} end
local is_lease = not r[2] or #r[2] < 15 and string.find(r[2], '^%d+$')
local rule = r.err and 'type' or not string.find(r[1], '^[PSDX]$') and 'st' or not is_lease and 'dl'
if rule then
  if not force then return {'BROKEN', rule} end
  redis.call('DEL', key)
  return {'FORGOTTEN', ''}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local open = r[1] == 'P' or r[1] == 'S'
local held = open and math.max(0, tonumber(r[2] or 0) - now) or 0
if held > 0 and not force then return {'HELD', tostring(held)} end
redis.call('DEL', key)
return {'FORGOTTEN', r[1]}
