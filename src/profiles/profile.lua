-- Applies one event to one profile: effect and mark together.
-- ARGV: stamp, fp, ff, user_id, email, plan ('' = the event says nothing of it), occurred_at
-- `email_at` and `plan_at` are the stamps of the events that wrote those fields; `first_at` is the oldest event's.
-- One stamp with two contents is a conflict. Two contents differ in `fp` (exact bytes) and in `ff` (spelling folded).
-- Older releases wrote only `fp`; then it counts as `ff` too.
-- BROKEN: a stored stamp is not in our form. Compared with it, every event would be too old or too new.
-- Stamps are of fixed width and hexadecimal: comparing them as strings compares time, then id.
local key, stamp, fp, ff = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local user_id, email, plan, at = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local r = redis.call('HMGET', key, 'email_at', 'email_fp', 'email_ff', 'plan_at', 'plan_fp', 'plan_ff', 'first_at')
local email_at, plan_at, first_at = r[1] or '', r[4] or '', r[7]

for name, v in pairs({email_at = r[1], plan_at = r[4], first_at = r[7]}) do
  if v and not (#v == 47 and string.find(v, '^%-?%x+$')) then return {'BROKEN', name} end
end
local function differs(at, exact, folded) return stamp == at and fp ~= exact and ff ~= (folded or exact) end
if differs(email_at, r[2], r[3]) or differs(plan_at, r[5], r[6]) then return {'CONFLICT'} end
if stamp == email_at or stamp == plan_at then return {'DONE'} end

local changed = false
if stamp > email_at then
  redis.call('HSET', key, 'user_id', user_id, 'email', email, 'email_at', stamp, 'email_fp', fp, 'email_ff', ff)
  changed = true
end
if plan ~= '' and stamp > plan_at then
  redis.call('HSET', key, 'plan', plan, 'plan_at', stamp, 'plan_fp', fp, 'plan_ff', ff)
  changed = true
end
if not first_at or stamp < first_at then
  redis.call('HSET', key, 'signed_up_at', at, 'first_at', stamp)
  changed = changed or first_at ~= false
end
if not first_at then return {'CREATED'} end
return {changed and 'UPDATED' or 'STALE'}
