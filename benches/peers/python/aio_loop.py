"""A loop around aiobotocore: pollers on one event loop that each receive ten, and delete ten in one call.

Enters: QUEUE_URL, REDIS_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark), POLLERS. Runs until it is killed.
"""

import asyncio
import os

import ledger
import redis.asyncio
from aiobotocore.session import get_session

QUEUE = os.environ["QUEUE_URL"]


async def poll(sqs, store):
    while True:
        answer = await sqs.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = answer.get("Messages")
        if not messages:
            continue
        if store:
            keys = [ledger.key(message["Body"]) for message in messages]
            claims = await ledger.claim(store.pipeline(transaction=False), keys).execute()
            await ledger.mark(store.pipeline(transaction=False), keys, claims).execute()
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        await sqs.delete_message_batch(QueueUrl=QUEUE, Entries=entries)


async def main():
    store = redis.asyncio.Redis.from_url(ledger.URL) if ledger.ASKED else None
    async with get_session().create_client("sqs") as sqs:
        await asyncio.gather(*(poll(sqs, store) for _ in range(int(os.environ.get("POLLERS", "4")))))


asyncio.run(main())
