#!lua flags=allow-oom
-- Tells a deed.  ARGV: the deed, how many are kept
-- A hash of numbered fields: each step takes the same time, and the rights are those that records need.
-- Allowed when out of memory: it takes a line a deed of a person, and matters most then.
local key, deed, kept = KEYS[1], ARGV[1], tonumber(ARGV[2])
-- Told once more, for its answer was lost.
if redis.call('HGET', key, redis.call('HGET', key, 'last') or '') == deed then return {} end
local n = redis.call('HINCRBY', key, 'last', 1)
redis.call('HSET', key, string.format('%d', n), deed)
redis.call('HDEL', key, string.format('%d', n - kept))
return {}
