-- The fence: only the current owner passes the point of no return.  ARGV: tok, gen, lease_ms
-- `bg` is the generation that has begun. A repeated call (its answer was lost) so counts no second send.
local key, tok, gen, lease = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'bg', 'att')
if r[1] == 'D' then return {'DONE'} end
if r[2] ~= tok or r[3] ~= gen or r[1] == 'X' then return {'LOST'} end
if r[5] and not (#r[5] < 15 and string.find(r[5], '^%d+$')) then return {'BROKEN', 'att'} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if r[4] ~= gen then redis.call('HINCRBY', key, 'att', 1) end
redis.call('HSET', key, 'st', 'S', 'bg', gen, 'dl', now + lease)
return {'GO'}
