-- May this delivery go on?
-- ARGV: tok, fp, ff, lease_ms, retention_ms, max_sends, message id, failed_ago_ms, takeovers, insists_ms
-- Redis refuses this script when it is out of memory, and rightly so: without a record nothing may be sent.
-- A claim that ran out without a release counts against its message: `cm` is the message that claimed last,
-- `k:<message>` its count. It does not count if the asker saw this ledger fail (failed_ago_ms; -1: never) so late that
-- the dead claim may have tried to renew itself and could not.
-- BROKEN: a field is not as we write it. Nothing is guessed from such a field.
-- CONFLICT: `fp` (exact) and `ff` (folded) both differ. Older releases write `fp` alone: then it is used for both.
local key, tok, fp, ff = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local lease, retention, max_sends = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local message, failed_ago, takeovers, insists = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'att', 'fp', 'dl', 'cm', 'k:' .. message, 'ff')
local st, owner, gen, att = r[1], r[2], tonumber(r[3] or 0), tonumber(r[4] or 0)
local dl, holder, kills = tonumber(r[6] or 0), r[7] or '', tonumber(r[8] or 0)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

if st and not string.find(st, '^[PSDX]$') then return {'BROKEN', 'st'} end
if st and r[5] ~= fp and (r[9] or r[5]) ~= ff then return {'CONFLICT'} end
if st == 'D' then return {'DONE'} end
if st == 'X' then return {'PARKED'} end
for name, v in pairs({gen = r[3], att = r[4], dl = r[6], k = r[8]}) do
  if v and not (#v < 15 and string.find(v, '^%d+$')) then return {'BROKEN', name} end
end

-- The same delivery asks again: its first answer was lost.
local again = st and owner == tok
if st and not again and dl > now then return {'BUSY', tostring(dl - now)} end
-- The asker saw this ledger fail less than a lease ago: an owner behind the fence could not commit, and may do so soon.
if st == 'S' and not again and owner ~= '' and failed_ago >= 0 and failed_ago < lease and now - dl < insists then
  return {'BUSY', tostring(lease - failed_ago)}
end
if st == 'S' and not again and att >= max_sends then
  redis.call('HSET', key, 'st', 'X', 't1', now)
  return {'PARKED'}
end

if st and not again then
  local taken_over = owner ~= '' and holder ~= ''
  if taken_over and (failed_ago < 0 or failed_ago > now - dl + 2 * lease) then
    local count = redis.call('HINCRBY', key, 'k:' .. holder, 1)
    if holder == message then kills = count end
  end
  if kills >= takeovers then
    -- The record has no owner from here on, so that the next claim does not count this one again.
    redis.call('HSET', key, 'tok', '')
    return {'KILLS'}
  end
end

if not st then
  redis.call('HSET', key, 'st', 'P', 'att', 0, 'fp', fp, 'ff', ff, 't0', now)
  redis.call('PEXPIRE', key, retention)
end
if not again then gen = gen + 1 end
redis.call('HSET', key, 'tok', tok, 'gen', gen, 'dl', now + lease, 'cm', message)
return {st == 'S' and 'AMBIGUOUS' or 'ACQUIRED', tostring(gen)}
