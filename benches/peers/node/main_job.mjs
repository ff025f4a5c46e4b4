// The main job in Node: sqs-consumer, a claim in Redis by ioredis, an effect, a record, a delete.
//
// Enters: QUEUE_URL, REDIS_URL, INSTANCES: each has ten messages under way; what an event's key is, and its effect. Runs
// until it is killed. A message whose event is claimed by another consumer is left in the queue; one whose effect failed is
// let go of, and comes back by the queue.

import { SQSClient } from "@aws-sdk/client-sqs";
import { Redis } from "ioredis";
import { Consumer } from "sqs-consumer";

const { QUEUE_URL, REDIS_URL } = process.env;
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
const instances = Number(process.env.INSTANCES ?? 16);

export const underWay = instances * 10;

// `keyOf(event)`; `effect(event, text)`, with the event's own text, rejects if it did not happen.
export function run(keyOf, effect) {
  // Answers the message if it may be deleted.
  async function handle(message) {
    const text = JSON.parse(message.Body).Message;
    const event = JSON.parse(text);
    const key = keyOf(event);
    if (!(await redis.set(key, "claimed", "PX", 30_000, "NX"))) {
      return (await redis.get(key)) === "done" ? message : undefined;
    }
    try {
      await effect(event, text);
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
  for (let n = instances; n > 0; n--) {
    const consumer = Consumer.create({ queueUrl: QUEUE_URL, sqs, batchSize: 10, waitTimeSeconds: 20, handleMessageBatch });
    for (const fault of ["error", "processing_error"]) consumer.on(fault, (error) => console.error(error));
    consumer.start();
  }
}
