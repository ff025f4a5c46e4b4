// The main job in Node with a call of a webhook by undici's pool, signed by Standard Webhooks.
//
// Enters: WEBHOOK_URL, WEBHOOK_SECRET; what `main_job` asks for. Connections are kept, as many as calls under way. The
// signature is made by node:crypto: the package `standardwebhooks` makes the same one in JavaScript, and takes longer.

import { createHmac } from "node:crypto";
import { Pool } from "undici";
import { run, underWay } from "./main_job.mjs";

const { WEBHOOK_SECRET, WEBHOOK_URL } = process.env;
const { origin, pathname: path } = new URL(WEBHOOK_URL);
const secret = Buffer.from(WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const service = new Pool(origin, { connections: underWay });

async function call({ eventId }, body) {
  const seconds = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", secret).update(`${eventId}.${seconds}.${body}`).digest("base64");
  const headers = {
    "content-type": "application/json",
    "webhook-id": eventId,
    "webhook-timestamp": String(seconds),
    "webhook-signature": `v1,${signature}`,
    "idempotency-key": eventId,
  };
  const answer = await service.request({ method: "POST", path, headers, body });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`answered ${answer.statusCode}`);
}

run(({ eventId }) => `webhook:${eventId}`, call);
