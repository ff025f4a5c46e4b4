"""A mail server and a webhook's receiver that fail one event in a hundred, once each, and keep a diary of what they took.

Enters: SMTP and HTTP/1.1 on loopback. Leaves: by the event's number, how often it was taken, and when first; how often it was
taken without saying so. An event that failed is taken when it comes again.
"""

import re
import time
from collections import Counter

from faults import http_message


class Diary:
    """What was done for each event: each is to be there, and no more than once but for the answers that were lost."""

    def __init__(self, odds, *kinds):
        self.odds = odds
        self.kinds = kinds
        self.taken = Counter()
        self.unsaid = Counter()
        self.first = {}
        self.met = Counter()
        self.failed = set()

    def fault(self, event):
        """Of this try: the first one of each `odds`th event meets one, in turn."""
        if event % self.odds != self.odds // 2 or event in self.failed:
            return None
        self.failed.add(event)
        kind = self.kinds[event // self.odds % len(self.kinds)]
        self.met[kind] += 1
        return kind

    def take(self, event, said=True):
        self.taken[event] += 1
        self.unsaid[event] += not said
        self.first.setdefault(event, time.time())

    def unexplained(self):
        """Events that were taken more often than once and once for each answer that was lost."""
        return sum(times > 1 + self.unsaid[event] for event, times in self.taken.items())


def mail_server(diary):
    async def conversation(reader, writer):
        async def say(reply):
            writer.write(reply + b"\r\n")
            await writer.drain()

        await say(b"220 soak ESMTP")
        event = fault = None
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                await say(b"250-soak\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb == b"RCPT":
                event = int(re.search(rb"<u(\d+)@", line)[1])
                fault = diary.fault(event)
                await say(b"451 4.3.0 try again later" if fault == "451 at RCPT" else b"250 2.1.5 ok")
            elif verb == b"DATA":
                if fault == "451 at RCPT":
                    await say(b"503 5.5.1 no recipient")
                    continue
                await say(b"354 go on")
                if fault == "closed in the mail":
                    return writer.transport.abort()
                await reader.readuntil(b"\r\n.\r\n")
                if fault == "451 after the mail":
                    await say(b"451 4.3.0 try again later")
                    continue
                diary.take(event, said=fault != "reply lost")
                if fault == "reply lost":
                    return writer.transport.abort()
                await say(b"250 2.0.0 taken")
            elif verb == b"QUIT":
                return await say(b"221 bye")
            else:
                await say(b"250 2.0.0 ok")

    return conversation


def receiver(diary):
    async def conversation(reader, writer):
        while request := await http_message(reader):
            event = int(re.search(rb'"userId": *"u(\d+)"', request[1])[1])
            fault = diary.fault(event)
            if fault == "reset before the call":
                return writer.transport.abort()
            if fault in ("500", "429"):
                writer.write(b"HTTP/1.1 %s No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n" % fault.encode())
                continue
            diary.take(event, said=fault != "answer lost")
            if fault == "answer lost":
                return writer.transport.abort()
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()

    return conversation
