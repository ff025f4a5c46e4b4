// cloud_events.mjs write PREFIX | cloud_events.mjs judge: CloudEvents by the SDK that publishers in Node have.
//
// write: a JSON line {"kind","name","body"} for each form that it can put on the wire: `user` signed up, `order` paid.
// judge: of each line of standard input, whether the SDK takes it as an event: "ok", or what is wrong, a line each.
// Promises: bodies are HTTP.structured's own, byte for byte, but for those without `time`, which the SDK always adds.
// Does not know: queues, workers, or that anything of ours exists.

import { readFileSync } from "node:fs";
import { CloudEvent, HTTP } from "cloudevents";

const structured = (event) => HTTP.structured(new CloudEvent(event)).body;

const withoutTime = (body) => {
  const { time, ...rest } = JSON.parse(body);
  return JSON.stringify(rest);
};

function write(prefix) {
  const bytes = (data) => Buffer.from(JSON.stringify(data));
  // Every way that an event's data may lie in it.
  const forms = {
    object: (data) => ({ data }),
    string: (data) => ({ data: JSON.stringify(data), datacontenttype: "application/json" }),
    binary: (data) => ({ data: bytes(data) }),
    base64: (data) => ({ data_base64: bytes(data).toString("base64") }),
    extended: (data) => ({ data, version: 2, subject: "users", tenant: "t1", urgent: true }),
  };
  const events = [];
  for (const [form, data] of Object.entries(forms)) {
    for (const timed of [true, false]) {
      const name = `${prefix}-${form}-${timed ? "timed" : "untimed"}`;
      const at = timed ? { time: "2026-01-02T03:04:05.678Z" } : {};
      const last = timed ? (body) => body : withoutTime;
      const user = { userId: name, email: `${name}@example.com`, plan: "pro" };
      const signedUp = structured({ type: "user.signed_up", source: "/auth", ...at, ...data(user) });
      events.push({ kind: "user", name, body: last(signedUp) });
      const order = { orderId: name, total: { amount: 12.5, currency: "EUR" } };
      const paid = structured({ type: "order.paid", source: "/shop", ...at, ...data(order) });
      events.push({ kind: "order", name, body: last(paid) });
    }
  }
  for (const event of events) console.log(JSON.stringify(event));
}

function judge() {
  const taken = (body) => {
    try {
      const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body });
      // Of a version that it does not know it validates nothing, and says so by `false`.
      if (!event.validate()) return "no version that is known";
      // toEvent drops what is empty; the constructor judges what was written.
      new CloudEvent(JSON.parse(body));
      return "ok";
    } catch (error) {
      return JSON.stringify(error.errors ?? error.message);
    }
  };
  const lines = readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
  for (const line of lines) console.log(taken(line));
}

const [what, prefix] = process.argv.slice(2);
if (what === "write" && prefix) write(prefix);
else if (what === "judge" && !prefix) judge();
else {
  console.error("usage: cloud_events.mjs write PREFIX | cloud_events.mjs judge");
  process.exit(2);
}
