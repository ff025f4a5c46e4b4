// The main job in Node with a mail by nodemailer's pool.
//
// Enters: SMTP_URL, MAIL_FROM, MAIL_TEMPLATE (a folder: `subject`, `text`, `html`), CONNECTIONS of the pool at most; what
// `main_job` asks for.

import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";
import { run } from "./main_job.mjs";

const { MAIL_FROM, MAIL_TEMPLATE, SMTP_URL } = process.env;
const template = (name) => readFileSync(`${MAIL_TEMPLATE}/${name}`, "utf8");
const [subject, text, html] = ["subject", "text", "html"].map(template);

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

run(
  ({ userId }) => `mail:${userId}`,
  (event) => mailer.sendMail(compose(event)),
);
