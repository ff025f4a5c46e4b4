#!lua flags=allow-oom
-- This owner surely has not done the effect, or nobody knows ('unknown'): give the lease back.  ARGV: tok, gen, why, message id, outcome
-- Never DEL: `gen` must go on growing, or an owner that paused could be taken for a later one. A send that an earlier
-- owner may have made stays on the record: then the state stays S.
-- BROKEN: a field is not as we write it.
-- `why` says what is counted. A count goes on while the message is the same; a redriven message starts from 0.
-- 'failed', 'unknown': `fm` message, `fn` count, `fh` latest failures; 'deferred': `dm` message, `dn` count, `d0` first time.
local key, tok, gen, why, message, outcome = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'bg', 'att', 'fm', 'fn', 'fh', 'dm', 'dn', 'd0')
if r[2] ~= tok or r[3] ~= gen or r[1] == 'D' or r[1] == 'X' then return {'LOST'} end
-- The counts of this message must be there. Those of an earlier message need only be numbers, if they are there.
local fails, defers = r[6] == message, r[9] == message
for _, f in ipairs({{'att', r[5]}, {'fn', r[7], fails}, {'dn', r[10], defers}, {'d0', r[11], defers}}) do
  local v, is_needed = f[2], f[3]
  if v and not (#v < 15 and string.find(v, '^%d+$')) or is_needed and not v then return {'BROKEN', f[1]} end
end
if fails and not string.find(r[8] or '', '^[%l%d_@ ]+$') then return {'BROKEN', 'fh'} end
local att = tonumber(r[5] or 0)
if r[4] == gen and why ~= 'unknown' then att = att - 1 end
redis.call('HSET', key, 'st', att > 0 and 'S' or 'P', 'att', att, 'tok', '', 'dl', 0)
redis.call('HDEL', key, 'bg')
if why == '' then return {'OK'} end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local failures, history = 0, ''
if fails then failures, history = tonumber(r[7]), r[8] end
local deferrals, first = 0, now
if defers then deferrals, first = tonumber(r[10]), tonumber(r[11]) end
if why == 'failed' or why == 'unknown' then
  local failure = outcome .. '@' .. string.format('%d', now)
  failures, history = failures + 1, failures > 0 and history .. ' ' .. failure or failure
  if #history > 1000 then history = string.sub(history, string.find(history, ' ', 1, true) + 1) end
  redis.call('HSET', key, 'fm', message, 'fn', failures, 'fh', history)
else
  deferrals = deferrals + 1
  redis.call('HSET', key, 'dm', message, 'dn', deferrals, 'd0', first)
end
return {'OK', tostring(failures), history, tostring(deferrals), tostring(math.max(0, now - first))}
