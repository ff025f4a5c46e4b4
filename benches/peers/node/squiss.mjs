// A consumer on squiss-ts: up to a hundred messages at once, deleted by tens.
//
// Enters: QUEUE_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark). Runs until it is killed.

import { Squiss } from "squiss-ts";
import { asked, once } from "./redis.mjs";

const squiss = new Squiss({
  queueUrl: process.env.QUEUE_URL,
  // No other consumer here sums up bodies again, so this one need not.
  awsConfig: { md5: false },
  maxInFlight: 100,
  unwrapSns: asked,
  bodyFormat: asked ? "json" : "plain",
});

squiss.on("message", async (message) => {
  if (asked) await once(message.body);
  message.del();
});
for (const fault of ["error", "delError"]) squiss.on(fault, (error) => console.error(error));
await squiss.start();
