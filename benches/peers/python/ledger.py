"""What the Python consumers do for events with HANDLER=redis: claim them, have an empty handler, mark them.

Enters: bodies as SQS hands them out. Leaves: commands on a pipeline, for whoever runs it. Does not know: queues, and
whether the Redis client is the blocking one or asyncio's. The claims of a batch are one round trip, its marks another.
"""

import json
import os

ASKED = os.environ.get("HANDLER") == "redis"
URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def key(body):
    return "idem:" + json.loads(json.loads(body)["Message"])["eventId"]


def claim(pipeline, keys):
    for each in keys:
        pipeline.set(each, "claimed", nx=True, ex=30)
    return pipeline


def mark(pipeline, keys, claims):
    """Marks what was granted: what was not is someone else's."""
    for each, granted in zip(keys, claims):
        if granted:
            pipeline.set(each, "done", ex=86_400)
    return pipeline
