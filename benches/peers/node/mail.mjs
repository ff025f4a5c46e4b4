// The main job in Node: sqs-consumer, a claim in Redis by ioredis, a mail by nodemailer's pool, a record, a delete.
//
// Enters: QUEUE_URL, REDIS_URL, SMTP_URL, MAIL_FROM, MAIL_TEMPLATE (a folder: `subject`, `text`, `html`), INSTANCES: each
// has ten mails under way; CONNECTIONS of the pool at most. Runs until it is killed. A mail whose event is claimed by
// another consumer is left in the queue; a mail that failed is let go of, and comes back by the queue.

import { readFileSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Redis } from "ioredis";
import nodemailer from "nodemailer";
import { Consumer } from "sqs-consumer";

const { MAIL_FROM, MAIL_TEMPLATE, QUEUE_URL, REDIS_URL, SMTP_URL } = process.env;
const template = (name) => readFileSync(`${MAIL_TEMPLATE}/${name}`, "utf8");
const [subject, text, html] = ["subject", "text", "html"].map(template);

const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
// As many connections as mails under way, none closed after its hundredth mail: the pool's own settings cost more.
const maxConnections = Number(process.env.CONNECTIONS ?? 40);
const { hostname: host, port, protocol } = new URL(SMTP_URL);
const mailer = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: protocol === "smtps:",
  pool: true,
  maxConnections,
  maxMessages: Infinity,
});

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (value) => value.replace(/[&<>"']/g, (character) => escapes[character]);
const filled = (template, values) => template.replace(/{{ (\w+) }}/g, (_, name) => values[name] ?? "");

function compose({ email, plan, timestamp }) {
  const values = { plan, signed_up_on: timestamp.slice(0, 10) };
  const marked = { ...values, plan: escaped(values.plan) };
  return { from: MAIL_FROM, to: email, subject: filled(subject, values), text: filled(text, values), html: filled(html, marked) };
}

// Answers the message if it may be deleted.
async function handle(message) {
  const event = JSON.parse(JSON.parse(message.Body).Message);
  const key = `mail:${event.userId}`;
  if (!(await redis.set(key, "claimed", "PX", 30_000, "NX"))) {
    return (await redis.get(key)) === "done" ? message : undefined;
  }
  try {
    await mailer.sendMail(compose(event));
  } catch (error) {
    console.error(error);
    await redis.del(key);
    return undefined;
  }
  await redis.set(key, "done", "EX", 45 * 86_400);
  return message;
}

async function handleMessageBatch(messages) {
  const handled = await Promise.all(messages.map(handle));
  return handled.filter((message) => message);
}

// No other consumer here sums up bodies again, so this one need not.
const sqs = new SQSClient({ md5: false });
for (let n = Number(process.env.INSTANCES ?? 16); n > 0; n--) {
  const consumer = Consumer.create({ queueUrl: QUEUE_URL, sqs, batchSize: 10, waitTimeSeconds: 20, handleMessageBatch });
  for (const fault of ["error", "processing_error"]) consumer.on(fault, (error) => console.error(error));
  consumer.start();
}
