// A consumer on sqs-consumer: instances that each receive ten, and delete ten in one call.
//
// Enters: QUEUE_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark), INSTANCES: one takes a batch only when the last is
// deleted, so the library's answer to load is more of them. Runs until it is killed.

import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { asked, once } from "./redis.mjs";

const handle = ({ Body }) => once(JSON.parse(JSON.parse(Body).Message));

async function handleMessageBatch(messages) {
  if (asked) await Promise.all(messages.map(handle));
  return messages;
}

// No other consumer here sums up bodies again, so this one need not.
const sqs = new SQSClient({ md5: false });
for (let n = Number(process.env.INSTANCES ?? 16); n > 0; n--) {
  const queueUrl = process.env.QUEUE_URL;
  const consumer = Consumer.create({ queueUrl, sqs, batchSize: 10, waitTimeSeconds: 20, handleMessageBatch });
  for (const fault of ["error", "processing_error"]) consumer.on(fault, (error) => console.error(error));
  consumer.start();
}
