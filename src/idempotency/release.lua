#!lua flags=allow-oom
-- Known not to have happened by this owner: give the lease back.  ARGV: tok, gen
-- Never DEL: `gen` must go on growing, or an owner that paused could pass for a later one. A send that
-- an earlier owner may have made stays on the record: then the state stays S.
local key, tok, gen = KEYS[1], ARGV[1], ARGV[2]
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'bg', 'att')
if r[2] ~= tok or r[3] ~= gen or r[1] == 'D' or r[1] == 'X' then return {'LOST'} end
local att = tonumber(r[5] or 0)
if r[4] == gen then att = att - 1 end
redis.call('HSET', key, 'st', att > 0 and 'S' or 'P', 'att', att, 'tok', '', 'dl', 0)
redis.call('HDEL', key, 'bg')
return {'OK'}
