#!lua flags=allow-oom
-- Known not to have happened by this owner: give the lease back.  ARGV: tok, gen, message id, outcome
-- Never DEL: `gen` must go on growing, or an owner that paused could pass for a later one. A send that
-- an earlier owner may have made stays on the record: then the state stays S.
-- An outcome says that the handler truly failed: counted (`fn`, `fh`) as long as it is the same message
-- (`fm`), because a redriven one starts anew.
local key, tok, gen, message, outcome = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'bg', 'att', 'fm', 'fn', 'fh')
if r[2] ~= tok or r[3] ~= gen or r[1] == 'D' or r[1] == 'X' then return {'LOST'} end
local att = tonumber(r[5] or 0)
if r[4] == gen then att = att - 1 end
redis.call('HSET', key, 'st', att > 0 and 'S' or 'P', 'att', att, 'tok', '', 'dl', 0)
redis.call('HDEL', key, 'bg')
if outcome == '' then return {'OK', '0', ''} end
local t = redis.call('TIME')
local failure = outcome .. '@' .. string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local count, history = 1, failure
if r[6] == message then
  count, history = tonumber(r[7]) + 1, r[8] .. ' ' .. failure
  if #history > 1000 then history = string.sub(history, string.find(history, ' ', 1, true) + 1) end
end
redis.call('HSET', key, 'fm', message, 'fn', count, 'fh', history)
return {'OK', tostring(count), history}
