"""One measurement: endpoint and Redis on the first core, consumers on the second, counted by the endpoint.

Enters: which consumer, which handler, what load. Leaves: a row of figures. CPU is user and system time of the
consumer's processes from a fifth of the messages to the last, so that starting and warming up is in nobody's figure; the
endpoint, not the consumer, says when a message is done. Needs: Linux with two cores, Python 3.11, redis-server.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consumers import CONSUMERS, rust

STUB_PORT, REDIS_PORT = 9324, 9399
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
    settings: dict = field(default_factory=dict)


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{STUB_PORT}{path}", data=data, timeout=60) as answer:
        return json.load(answer)


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
def servers():
    """The canned endpoint and a Redis that keeps nothing."""
    redis = ["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    running = [start(rust("stub") + [str(STUB_PORT)], 0), start(redis, 0, stdout=subprocess.DEVNULL)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for server in running:
            server.kill()
            server.wait()


def environment(load, settings):
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
    ) | settings | load.settings


def measure(name, load, farewell=signal.SIGKILL):
    """One consumer, one round; ended by this signal."""
    command, settings, part = CONSUMERS[name]
    total = max(1, int(load.messages * part))
    subprocess.run(["redis-cli", "-p", str(REDIS_PORT), "flushall"], check=True, stdout=subprocess.DEVNULL)
    paced = total if load.rate else 0
    asked = {"preload": total - paced, "paced": paced, "rate": load.rate}
    call("/control", asked | {"size": load.size, "latency_ms": load.latency_ms})
    begun = time.monotonic()
    # A file: a pipe that nobody reads stops a consumer that logs.
    said = tempfile.TemporaryFile()
    more = {"env": environment(load, settings), "stdout": subprocess.DEVNULL, "stderr": said}
    processes = [start(command, 1, **more) for _ in range(load.processes)]
    try:
        first, window = None, None
        while True:
            stats = call("/stats")
            if first is None and stats["first_call_ago"] is not None:
                first = time.monotonic() - begun - stats["first_call_ago"]
            if window is None and stats["deleted"] >= total / 5:
                window = (time.monotonic(), cpu(processes), stats["deleted"], memory(processes, "VmRSS"))
            if stats["deleted"] >= total:
                break
            for process in processes:
                if process.poll() is not None:
                    said.seek(0)
                    sys.exit(f"{name} ended: {said.read().decode()[-2000:]}")
            if time.monotonic() - begun > LONGEST:
                sys.exit(f"{name}: {stats['deleted']} of {total} after {LONGEST} s")
            time.sleep(0.01)
        seconds, used, count = time.monotonic() - window[0], cpu(processes) - window[1], total - window[2]
        stats = call("/stats") | call("/latencies")
        return {
            "consumer": name,
            "handler": load.handler,
            "messages": total,
            "size": load.size,
            "processes": load.processes,
            "rate": count / seconds,
            "cpu_us": used / count * 1e6,
            "core": used / seconds,
            "rss_mb": memory(processes, "VmHWM"),
            "grown_mb": memory(processes, "VmRSS") - window[3],
            "calls": sum(stats["calls"].values()) / total,
            "start_ms": first * 1000,
            "received_again": stats["received_again"],
            "p50_ms": stats["p50_us"] / 1000,
            "p99_ms": stats["p99_us"] / 1000,
        }
    finally:
        for process in processes:
            process.send_signal(farewell)
            process.wait()


def medians(rows):
    """The rounds of one consumer as one row; figures are medians, each by itself."""
    keys = [key for key, value in rows[0].items() if isinstance(value, float)]
    spread = {"cpu_us_rounds": sorted(round(row["cpu_us"], 1) for row in rows)}
    return rows[0] | {key: statistics.median(row[key] for row in rows) for key in keys} | spread


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
