"""One measurement: endpoint and Redis on the first core, consumers on the second, counted by the endpoint.

Enters: which consumer, which handler, what load. Leaves: a row of figures. CPU is user and system time of the
consumer's processes from a fifth of the messages to the last, so that starting and warming up is in nobody's figure; the
endpoint, not the consumer, says when a message is done. Needs: Linux with two cores, Python 3.11, redis-server.
"""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import effects
from consumers import CONSUMERS, FLOOR, SILENT, rust
from places import REDIS_PORT, SINK_PORT, STUB_PORT

LONGEST = 300


@dataclass
class Load:
    """What the consumer meets."""

    messages: int = 100_000
    size: int = 300
    handler: str = "noop"
    # Added to each call, as a region's distance is.
    latency_ms: int = 0
    # Instead of all at once: so many a second.
    rate: float = 0.0
    processes: int = 1
    # A mail for each: `plain` or `tls`, each reply of the mail server so late.
    smtp: str = ""
    smtp_latency_ms: int = 0
    # A call of a webhook for each.
    webhook: bool = False
    # SQS, Redis and the sink are 5 ms away, in each direction.
    wire: bool = False
    settings: dict = field(default_factory=dict)


def call(path, body=None, port=STUB_PORT):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=data, timeout=60) as answer:
        return json.load(answer)


def scripts_run():
    """How many scripts Redis has run since the last reset."""
    with socket.create_connection(("127.0.0.1", REDIS_PORT)) as redis:
        redis.sendall(b"INFO commandstats\r\nQUIT\r\n")
        said = b"".join(iter(lambda: redis.recv(65_536), b"")).decode()
    # Before a script is known there, each that asks for it is told so.
    found = re.search(r"cmdstat_evalsha:calls=(\d+).*?failed_calls=(\d+)", said)
    return int(found[1]) - int(found[2]) if found else 0


def done(name, stats):
    """How many messages this consumer is done with, or, of the floor, with its part of them."""
    counted = {"sink": lambda: call("/stats", port=SINK_PORT)["accepted"], "redis": lambda: scripts_run() // 3}
    return counted[FLOOR[name]]() if name in FLOOR else stats["deleted"]


def tree(pid):
    """The process and all below it."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += task.read_text().split()
        except OSError:
            pass
    return [pid] + [each for child in children for each in tree(int(child))]


def cpu(processes):
    """Seconds of user and system time of all of them and their children so far."""
    total = 0
    for each in (pid for process in processes for pid in tree(process.pid)):
        try:
            # The number of that process's CPU clock, as clock_getcpuclockid(3) makes it: in nanoseconds, where
            # /proc counts hundredths of a second, and ten thousand messages take twenty of them.
            total += time.clock_gettime((~each << 3) | 2)
        except OSError:
            pass
    return total


def memory(processes, line):
    """Megabytes of all of them together, by a line of /proc/PID/status."""
    total = 0
    for each in (pid for process in processes for pid in tree(process.pid)):
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            total += next(int(text.split()[1]) for text in lines if text.startswith(line))
        except (OSError, StopIteration):
            pass
    return total / 1024


def start(command, core, **more):
    return subprocess.Popen(["taskset", "-c", str(core), *command], **more)


@contextmanager
def servers(with_sink=False):
    """The canned endpoint and a Redis that keeps nothing; for effects also the sink and the wire."""
    redis = ["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        commands = [rust("stub") + [str(STUB_PORT)], redis] + (effects.commands(folder) if with_sink else [])
        running = [start(command, 0, stdout=subprocess.DEVNULL) for command in commands]
        try:
            time.sleep(0.5)
            # Somebody else's on the same port would be measured in its place.
            if any(server.poll() is not None for server in running):
                sys.exit("a server did not start: is another run at work on the same ports?")
            yield folder
        finally:
            for server in running:
                server.kill()
                server.wait()


def environment(load, settings, folder=None):
    return dict(
        os.environ,
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{STUB_PORT}",
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        QUEUE_URL=f"http://127.0.0.1:{STUB_PORT}/000000000000/q",
        REDIS_URL=f"redis://127.0.0.1:{REDIS_PORT}/0",
        HANDLER=load.handler,
        RUST_LOG="off",
    ) | (effects.environment(load, folder) if effects.of(load) else {}) | settings | load.settings


def prepare(load, total):
    """Empties the servers, and has the messages there or on their way."""
    for command in (["flushall"], ["config", "resetstat"]):
        subprocess.run(["redis-cli", "-p", str(REDIS_PORT), *command], check=True, stdout=subprocess.DEVNULL)
    if effects.of(load):
        call("/control", {"latency_ms": load.smtp_latency_ms}, SINK_PORT)
    paced = total if load.rate else 0
    asked = {"preload": total - paced, "paced": paced, "rate": load.rate}
    call("/control", asked | {"size": load.size, "latency_ms": load.latency_ms})


def measure(name, load, farewell=signal.SIGKILL, folder=None):
    """One consumer, one round; ended by this signal. `folder`: what `servers` gave, for effects."""
    command, settings, part = CONSUMERS[name]
    # A slow one too keeps a mild pace, and a hundredth of a few effects says nothing.
    total = max(1, int(load.messages * (1.0 if effects.of(load) and load.rate else part)))
    prepare(load, total)
    begun = time.monotonic()
    # A file: a pipe that nobody reads stops a consumer that logs.
    said = tempfile.TemporaryFile()
    env = environment(load, settings, folder) | {"MESSAGES": str(total)}
    more = {"env": env, "stdout": subprocess.DEVNULL, "stderr": said}
    processes = [start(command, 1, **more) for _ in range(load.processes)]
    try:
        first, window = None, None
        while True:
            stats = call("/stats")
            count = done(name, stats)
            if first is None and stats["first_call_ago"] is not None:
                first = time.monotonic() - begun - stats["first_call_ago"]
            if window is None and count >= total / 5:
                window = (time.monotonic(), cpu(processes), count, memory(processes, "VmRSS"))
            if count >= total:
                break
            has_ended = any(process.poll() is not None for process in processes)
            if has_ended or time.monotonic() - begun > LONGEST:
                said.seek(0)
                after = "when it ended" if has_ended else f"after {LONGEST} s"
                sys.exit(f"{name}: {count} of {total} {after}: {said.read().decode()[-2000:]}")
            time.sleep(0.01)
        # A few hundred messages may be done between two looks: then there is no figure, and no fault either.
        seconds, used, counted = time.monotonic() - window[0], cpu(processes) - window[1], max(1, total - window[2])
        stats = call("/stats") | call("/latencies")
        row = {
            "consumer": name,
            "handler": load.handler,
            "messages": total,
            "size": load.size,
            "processes": load.processes,
            "rate": counted / seconds,
            "cpu_us": used / counted * 1e6,
            "core": used / seconds,
            "rss_mb": memory(processes, "VmHWM"),
            "grown_mb": memory(processes, "VmRSS") - window[3],
            "calls": sum(stats["calls"].values()) / total,
            "start_ms": (first or 0.0) * 1000,
            "received_again": stats["received_again"],
            "p50_ms": stats["p50_us"] / 1000,
            "p99_ms": stats["p99_us"] / 1000,
        }
        return row | seen(name, load, total)
    finally:
        for process in processes:
            process.send_signal(farewell)
            process.wait()


def seen(name, load, total):
    """What the sink says of the round, where there were effects."""
    effect = effects.of(load)
    if not effect or name in SILENT:
        return {}
    moments = {} if name in FLOOR else call("/moments")
    stats, accepted = call("/stats", port=SINK_PORT), call("/moments", port=SINK_PORT)["accepted_us"]
    return effects.figures(name, effect.NOUN, total, stats, moments, accepted)


def medians(rows):
    """The rounds of one consumer as one row; figures are medians, each by itself, but of connections there is a limit."""
    keys = [key for key, value in rows[0].items() if isinstance(value, float)]
    spread = {"cpu_us_rounds": sorted(round(row["cpu_us"], 1) for row in rows)}
    most = {key: max(row[key] for row in rows) for key in ("connections", "most_open") if key in rows[0]}
    return rows[0] | {key: statistics.median(row[key] for row in rows) for key in keys} | most | spread


def idle(name, seconds):
    """Receives of one consumer whose queue is empty, a minute."""
    command, settings, _ = CONSUMERS[name]
    call("/control", {"preload": 0})
    process = start(command, 1, env=environment(Load(), settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(seconds)
        return call("/stats")["calls"].get("receive", 0) * 60 / seconds
    finally:
        process.kill()
        process.wait()
