-- Applies one event to one profile: effect and mark together.
-- ARGV: stamp, fp, user_id, email, plan ('' = the event says nothing of it), occurred_at
-- `email_at` and `plan_at` are the stamps of the events that wrote those fields; `first_at` of the oldest.
-- Stamps are of fixed width and hexadecimal: comparing them as strings compares time, then id.
local key, stamp, fp = KEYS[1], ARGV[1], ARGV[2]
local user_id, email, plan, at = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local r = redis.call('HMGET', key, 'email_at', 'email_fp', 'plan_at', 'plan_fp', 'first_at')
local email_at, plan_at, first_at = r[1] or '', r[3] or '', r[5]

if (stamp == email_at and fp ~= r[2]) or (stamp == plan_at and fp ~= r[4]) then return {'CONFLICT'} end
if stamp == email_at or stamp == plan_at then return {'DONE'} end

local changed = false
if stamp > email_at then
  redis.call('HSET', key, 'user_id', user_id, 'email', email, 'email_at', stamp, 'email_fp', fp)
  changed = true
end
if plan ~= '' and stamp > plan_at then
  redis.call('HSET', key, 'plan', plan, 'plan_at', stamp, 'plan_fp', fp)
  changed = true
end
if not first_at or stamp < first_at then
  redis.call('HSET', key, 'signed_up_at', at, 'first_at', stamp)
  changed = changed or first_at ~= false
end
if not first_at then return {'CREATED'} end
return {changed and 'UPDATED' or 'STALE'}
