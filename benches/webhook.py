"""What consumers that call a webhook need: where it is, the secret, and a body for those that make none.

Enters: a load with `webhook`. Leaves: a file and variables for the consumers.
"""

import json
from pathlib import Path

from places import HOOK_PORT, port

NOUN = "calls"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def prepare(folder):
    """Leaves `event.json`, an event of the queue's, as long as they are."""
    event = {
        "type": "user.signed_up",
        "version": "2",
        "eventId": "e-1-1234",
        "userId": "u-1-1234",
        "email": "u1234@example.com",
        "plan": "pro",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "note": "x" * 100,
    }
    Path(folder, "event.json").write_text(json.dumps(event, separators=(",", ":")))


def environment(load, folder, queue):
    """For every consumer that calls, each reads its own."""
    url = f"http://127.0.0.1:{port(load, HOOK_PORT)}/hook"
    return {
        "CRM_QUEUE_URL": queue,
        "CRM_WEBHOOK_URL": url,
        "CRM_WEBHOOK_ALLOW_PLAINTEXT": "true",
        "CRM_WEBHOOK_SECRET": SECRET,
        "WEBHOOK_URL": url,
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_BODY": f"{folder}/event.json",
    }
