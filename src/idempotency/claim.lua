-- May this delivery go on?  ARGV: tok, fp, lease_ms, retention_ms, max_sends
-- Refused when Redis is out of memory, and rightly so: without a record nothing may be sent.
local key, tok, fp = KEYS[1], ARGV[1], ARGV[2]
local lease, retention, max_sends = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'att', 'fp', 'dl')
local st, owner, gen, att = r[1], r[2], tonumber(r[3] or 0), tonumber(r[4] or 0)
local dl = tonumber(r[6] or 0)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

if st and r[5] ~= fp then return {'CONFLICT'} end
if st == 'D' then return {'DONE'} end
if st == 'X' then return {'PARKED'} end

-- The same delivery asks again: its first answer was lost.
local again = st and owner == tok
if st and not again and dl > now then return {'BUSY', tostring(dl - now)} end
if st == 'S' and not again and att >= max_sends then
  redis.call('HSET', key, 'st', 'X', 't1', now)
  return {'PARKED'}
end

if not st then
  redis.call('HSET', key, 'st', 'P', 'att', 0, 'fp', fp, 't0', now)
  redis.call('PEXPIRE', key, retention)
end
if not again then gen = gen + 1 end
redis.call('HSET', key, 'tok', tok, 'gen', gen, 'dl', now + lease)
return {st == 'S' and 'AMBIGUOUS' or 'ACQUIRED', tostring(gen)}
