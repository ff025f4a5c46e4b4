"""The main job in Python: aiobotocore, a claim in Redis by redis.asyncio, a mail by aiosmtplib, a record, a delete.

Enters: QUEUE_URL, REDIS_URL, SMTP_URL, MAIL_FROM, MAIL_TEMPLATE (a folder: `subject`, `text`, `html`), POLLERS: each has
ten mails under way; CONNECTIONS kept open at most. Runs until it is killed. A mail whose event is claimed by another
consumer is left in the queue; a mail that failed is let go of, and comes back by the queue.
"""

import asyncio
import html
import json
import os
import re
import ssl
import sys
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from urllib.parse import urlsplit

import redis.asyncio
from aiobotocore.session import get_session
from aiosmtplib import SMTP

QUEUE, FROM = os.environ["QUEUE_URL"], os.environ["MAIL_FROM"]
TEMPLATE = Path(os.environ["MAIL_TEMPLATE"])
SUBJECT, TEXT, HTML = ((TEMPLATE / name).read_text() for name in ("subject", "text", "html"))
DOMAIN = FROM.rstrip(">").split("@")[-1]


def filled(template, values):
    return re.sub(r"{{ (\w+) }}", lambda found: values.get(found[1], ""), template)


def compose(event):
    values = {"plan": event["plan"], "signed_up_on": event["timestamp"][:10]}
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = FROM, event["email"], filled(SUBJECT, values)
    # Without a domain of its own it asks the resolver for one, for each mail.
    mail["Message-ID"] = make_msgid(domain=DOMAIN)
    mail.set_content(filled(TEXT, values))
    mail.add_alternative(filled(HTML, values | {"plan": html.escape(values["plan"])}), subtype="html")
    return mail


class Connections:
    """Connections that stay open between mails: aiosmtplib brings none."""

    def __init__(self, url, most):
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        self.settings = {"hostname": parts.hostname, "port": parts.port, "use_tls": tls}
        self.settings |= {"tls_context": ssl.create_default_context()} if tls else {"start_tls": False}
        self.idle, self.turns = [], asyncio.Semaphore(most)

    async def send(self, mail):
        async with self.turns:
            if self.idle:
                connection = self.idle.pop()
            else:
                connection = SMTP(**self.settings)
                await connection.connect()
            await connection.send_message(mail)
            self.idle.append(connection)


async def handle(message, store, connections):
    """The message if it may be deleted."""
    event = json.loads(json.loads(message["Body"])["Message"])
    key = f"mail:{event['userId']}"
    if not await store.set(key, "claimed", nx=True, px=30_000):
        return message if await store.get(key) == b"done" else None
    try:
        await connections.send(compose(event))
    except Exception as error:
        print(error, file=sys.stderr)
        await store.delete(key)
        return None
    await store.set(key, "done", ex=45 * 86_400)
    return message


async def poll(sqs, store, connections):
    while True:
        answer = await sqs.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        handled = await asyncio.gather(*(handle(each, store, connections) for each in answer.get("Messages", [])))
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(handled) if each]
        if entries:
            await sqs.delete_message_batch(QueueUrl=QUEUE, Entries=entries)


async def main():
    store = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])
    connections = Connections(os.environ["SMTP_URL"], int(os.environ.get("CONNECTIONS", "40")))
    async with get_session().create_client("sqs") as sqs:
        await asyncio.gather(*(poll(sqs, store, connections) for _ in range(int(os.environ.get("POLLERS", "4")))))


asyncio.run(main())
