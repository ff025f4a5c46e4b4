"""What stands between the workers and the rest of the world: one call in a hundred goes wrong, each by another way.

Enters: connections of the workers. Leaves: the same calls, counts of the faults. A fault falls before a call is passed on, or
after it was carried out: then the answer is lost, which is the one that repeats things in other systems.
"""

import asyncio
import itertools
from collections import Counter


class Faults:
    """One call in `odds` meets the next of these faults."""

    def __init__(self, odds, *kinds):
        self.odds = odds
        self.calls = 0
        self.met = Counter()
        self.next = itertools.cycle(kinds)

    def of_this_call(self):
        self.calls += 1
        if self.calls % self.odds:
            return None
        kind = next(self.next)
        self.met[kind] += 1
        return kind


async def serve(conversation):
    """A server on a free port of loopback; each connection is a conversation that may end at any time."""

    async def accept(reader, writer):
        try:
            await conversation(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**21)
    return server.sockets[0].getsockname()[1]


async def http_message(reader):
    """Head and body of a request or an answer; `None`: the other side has left."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        chunks = []
        while not chunks or chunks[-1] != b"0\r\n\r\n":
            size = await reader.readuntil(b"\r\n")
            chunks.append(size + await reader.readexactly(int(size, 16) + 2))
        return head, b"".join(chunks)
    return head, await reader.readexactly(int(fields.get(b"content-length", 0)))


def in_front_of_sqs(port, faults):
    """503s, connections reset before a call, and answers that never come."""
    sorry = b'{"__type":"ServiceUnavailable"}'
    refused = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n%s"

    async def conversation(reader, writer):
        there_reader, there = await asyncio.open_connection("127.0.0.1", port, limit=2**21)
        try:
            while request := await http_message(reader):
                fault = faults.of_this_call()
                if fault == "reset before the call":
                    return writer.transport.abort()
                if fault == "503":
                    writer.write(refused % (len(sorry), sorry))
                    continue
                there.writelines(request)
                answer = await http_message(there_reader)
                if answer is None or fault == "answer lost":
                    return writer.transport.abort()
                writer.writelines(answer)
                await writer.drain()
        finally:
            there.close()

    return conversation


def in_front_of_redis(port, faults):
    """Connections cut before commands arrive, and after they were carried out. A call is what came in one packet."""

    async def conversation(reader, writer):
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        deaf = False

        async def answers():
            while data := await there_reader.read(65_536):
                if deaf:
                    break
                writer.write(data)
                await writer.drain()
            writer.transport.abort()

        back = asyncio.create_task(answers())
        try:
            while data := await reader.read(65_536):
                fault = faults.of_this_call()
                if fault == "cut before the call":
                    break
                deaf = fault == "answer lost"
                there.write(data)
                await there.drain()
        finally:
            if not deaf:
                back.cancel()
            await asyncio.wait([back])
            there.close()

    return conversation
