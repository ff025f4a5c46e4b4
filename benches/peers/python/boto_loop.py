"""A loop around boto3: threads that each receive ten, and delete ten in one call.

Enters: QUEUE_URL, REDIS_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark), THREADS: more than two wait for the
interpreter's lock. Runs until it is killed.
"""

import os
import threading

import boto3
import ledger
import redis

QUEUE = os.environ["QUEUE_URL"]


def poll(sqs, store):
    while True:
        messages = sqs.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages")
        if not messages:
            continue
        if store:
            keys = [ledger.key(message["Body"]) for message in messages]
            claims = ledger.claim(store.pipeline(transaction=False), keys).execute()
            ledger.mark(store.pipeline(transaction=False), keys, claims).execute()
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=QUEUE, Entries=entries)


client = boto3.client("sqs")
connection = redis.Redis.from_url(ledger.URL) if ledger.ASKED else None
threads = int(os.environ.get("THREADS", "2"))
for _ in range(threads):
    threading.Thread(target=poll, args=(client, connection)).start()
