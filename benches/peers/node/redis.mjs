// What the Node consumers do for one event with HANDLER=redis: claim it, have an empty handler, mark it.
//
// Enters: REDIS_URL, an event. Leaves: `idem:<eventId>` in Redis, `done` for a day. Does not know: queues. Commands of one
// turn of the event loop share a round trip, ioredis's own best setting.

import { Redis } from "ioredis";

export const asked = process.env.HANDLER === "redis";
const redis = asked ? new Redis(process.env.REDIS_URL, { enableAutoPipelining: true }) : undefined;

export async function once({ eventId }) {
  const claim = await redis.set(`idem:${eventId}`, "claimed", "EX", 30, "NX");
  if (claim) await redis.set(`idem:${eventId}`, "done", "EX", 86_400);
}
