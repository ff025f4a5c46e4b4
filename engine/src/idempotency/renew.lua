#!lua flags=allow-oom
-- Extends the lease.  ARGV: tok, gen, lease_ms
local key, tok, gen, lease = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local r = redis.call('HMGET', key, 'st', 'tok', 'gen')
if r[1] == 'D' then return {'DONE'} end
if r[2] ~= tok or r[3] ~= gen or r[1] == 'X' then return {'LOST'} end
local t = redis.call('TIME')
redis.call('HSET', key, 'dl', t[1] * 1000 + math.floor(t[2] / 1000) + lease)
return {'OK'}
