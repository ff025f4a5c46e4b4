"""A consumer on kombu, the library below Celery: receives ten, acknowledges one by one, since it has no other way.

Enters: QUEUE_URL, REDIS_URL, HANDLER (`noop`, or `redis`: unwrap, claim, mark). Runs until it is killed. One call
waits for messages, and nothing waits on the client's side, as its documentation says for speed.
"""

import os

import ledger
import redis
from kombu import Connection, Consumer, Queue

store = redis.Redis.from_url(ledger.URL) if ledger.ASKED else None


def handle(message):
    if store:
        key = ledger.key(message.body)
        if store.set(key, "claimed", nx=True, ex=30):
            store.set(key, "done", ex=86_400)
    message.ack()


queue = {
    "url": os.environ["QUEUE_URL"],
    "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
    "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
}
options = {"predefined_queues": {"q": queue}, "wait_time_seconds": 20, "polling_interval": 0}
with Connection("sqs://", transport_options=options) as connection:
    with Consumer(connection, queues=[Queue("q", no_declare=True)], on_message=handle):
        while True:
            connection.drain_events()
