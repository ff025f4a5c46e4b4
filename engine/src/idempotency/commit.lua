#!lua flags=allow-oom
-- The effect has happened: that is a fact, whoever owns the lease now.  ARGV: tok, gen, fp, ff, receipt, retention_ms
-- Allowed when out of memory: without the record, a mail that was sent would surely be sent again.
local key, tok, gen = KEYS[1], ARGV[1], ARGV[2]
local r = redis.call('HMGET', key, 'st', 'tok', 'gen', 'cm', 'dup')
local mine = r[2] == tok and r[3] == gen
if r[1] == 'D' then
  if mine then return {'OK'} end
  local is_count = not r[5] or #r[5] < 15 and string.find(r[5], '^%d+$')
  if is_count then redis.call('HINCRBY', key, 'dup', 1) end
  return {'DUPLICATE'}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', key, 'st', 'D', 'tok', tok, 'gen', gen, 'fp', ARGV[3], 'ff', ARGV[4], 'mid', ARGV[5], 't1', now)
redis.call('HDEL', key, 'dl', 'bg', 'fm', 'fn', 'fh', 'dm', 'dn', 'd0', 'cm', 'k:' .. (r[4] or ''))
redis.call('PEXPIRE', key, ARGV[6])
return {mine and 'OK' or 'STOLEN'}
