"""The consumers that are measured: how each is started, and at how many messages.

Enters: nothing. Leaves: CONSUMERS: those of messages, those of mails, and those that call a webhook. A part of the messages is
enough for a slow one: its rounds would take minutes, and what is compared is the cost of one message.
"""

import shutil
from pathlib import Path

from places import SERVICE

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"


def rust(name):
    return [str(HERE / name / "target/release" / Path(name).name)]


def node(file):
    return [str(PEERS / "node/node_modules/.bin/node"), str(PEERS / "node" / file)]


def python(file):
    return [str(PEERS / "python/.venv/bin/python"), str(PEERS / "python" / file)]


# name: (command, its own settings, its part of the messages)
MESSAGES = {
    "user-events": ([str(HERE.parent / "target/release/ours")], {"CONCURRENCY": "80"}, 1.0),
    "bare SDK loop": (rust("sdk"), {"POLLERS": "8"}, 1.0),
    "tuned SDK loop": (rust("sdk-tuned"), {"POLLERS": "8"}, 1.0),
    "omniqueue": ([str(PEERS / "omniqueue/target/release/consumer")], {"POLLERS": "8"}, 0.2),
    "sqs-consumer ×16": (node("sqs_consumer.mjs"), {"INSTANCES": "16"}, 0.2),
    "squiss-ts": (node("squiss.mjs"), {}, 0.2),
    "aiobotocore loop": (python("aio_loop.py"), {"POLLERS": "4"}, 0.2),
    "boto3 loop": (python("boto_loop.py"), {"THREADS": "2"}, 0.2),
    "kombu": (python("kombu_consumer.py"), {}, 0.05),
}

# Of the floor, what every effect has below it.
PARTS = {
    "receive and delete": (rust("sdk"), {"POLLERS": "4"}, 1.0),
    "claim, begin, commit": (rust("floor") + ["redis"], {"SLOTS": "40"}, 1.0),
}

# The main job: receive, claim, send, record, delete; with forty mails under way, or as many as are best for it.
MAILS = {
    "user-events run email": ([SERVICE, "run", "email"], {"WORKER_CONCURRENCY": "40"}, 1.0),
    "SDK loop, lettre": (rust("sdk-mail"), {"POLLERS": "4"}, 1.0),
    "sqs-consumer ×16, nodemailer": (node("mail.mjs"), {"INSTANCES": "16"}, 0.2),
    "sqs-consumer ×4, nodemailer": (node("mail.mjs"), {"INSTANCES": "4"}, 0.2),
    "aiobotocore, aiosmtplib": (python("mail_loop.py"), {"POLLERS": "4"}, 0.2),
    # What a mail cannot do without, each by itself.
    **PARTS,
    "ready mails": (rust("floor") + ["smtp"], {"SLOTS": "40"}, 1.0),
}

# The same with a call of a webhook in the mail's place.
WEBHOOKS = {
    "user-events run crm": ([SERVICE, "run", "crm"], {"WORKER_CONCURRENCY": "40"}, 1.0),
    "sqs-consumer ×16, undici": (node("webhook.mjs"), {"INSTANCES": "16"}, 0.2),
    "sqs-consumer ×4, undici": (node("webhook.mjs"), {"INSTANCES": "4"}, 0.2),
    **PARTS,
    "ready calls": (rust("floor") + ["post"], {"SLOTS": "40"}, 1.0),
}

# Who is not counted by the queue, and what counts it instead.
FLOOR = {"claim, begin, commit": "redis", "ready mails": "sink", "ready calls": "sink"}
# Who has no effect.
SILENT = list(PARTS)

CONSUMERS = MESSAGES | MAILS | WEBHOOKS


def lacking(name):
    """How to get a consumer that is not there; None: it is."""
    command = Path(CONSUMERS[name][0][0])
    if shutil.which(command):
        return None
    by = "make release" if str(command) == SERVICE else "benches/build"
    return f"{name}: not there; get it by {'benches/peers/setup' if PEERS in command.parents else by}"
