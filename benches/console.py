#!/usr/bin/env python3
"""Measures the console's pages: twelve reactions, ten thousand dead letters.

    benches/console.py [--letters N] [--rounds N] [--service PATH] [--stub PATH]

Enters: the service, and the canned endpoint that `benches/build` builds. Leaves: for each page the median and the longest of
its rounds, in milliseconds; the first list has the look at every letter in it. Every reaction's queues are the endpoint's one
queue, in memory on loopback, so that what is measured is the console.
"""

import argparse
import http.cookiejar
import json
import os
import re
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
PORT = 9324
NAMES = ["email", "profile"] + [f"hook{n}" for n in range(1, 11)]


def environment():
    queue = f"http://127.0.0.1:{PORT}/000000000000/q"
    own = {f"{name.upper()}_DLQ_URL": f"{queue}-{name}-dlq" for name in NAMES}
    own |= {f"{name.upper()}_QUEUE_URL": f"{queue}-{name}" for name in NAMES}
    own |= {f"{name.upper()}_WEBHOOK_URL": f"http://127.0.0.1:1/{name}" for name in NAMES[2:]}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    return keys | own | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}", "USER": "bench"}


def timed(browser, address):
    began = time.perf_counter()
    with browser.open(address, timeout=60) as answer:
        text = answer.read().decode().replace("&#x2f;", "/")
    return (time.perf_counter() - began) * 1000, text


def whole_list(browser, address):
    """Opens the list until the look is over, as a person's browser does."""
    began = time.perf_counter()
    while True:
        _, text = timed(browser, address)
        if "Looked at " in text:
            return (time.perf_counter() - began) * 1000
        time.sleep(0.05)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--letters", type=int, default=10_000)
    words.add_argument("--rounds", type=int, default=20)
    words.add_argument("--service", default=HERE.parent / "target/release/user-events")
    words.add_argument("--stub", default=HERE / "stub/target/release/stub")
    told = words.parse_args()
    stub = subprocess.Popen([told.stub, str(PORT)])
    console = None
    try:
        time.sleep(0.5)
        preload = json.dumps({"preload": told.letters, "size": 600}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/control", data=preload).read()
        command = [told.service, "console", "--listen", "127.0.0.1:0", "--write"]
        console = subprocess.Popen(command, env=environment() | {"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, text=True)
        link = console.stdout.readline().strip()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        timed(browser, link)
        base = link.split("/?")[0]
        first = whole_list(browser, f"{base}/letters/email")
        print(f"{'first list, with its look':32} {first:8.0f} ms")
        _, text = timed(browser, f"{base}/letters/email")
        letter = re.search(r'href="(/letters/email/[^"?]{20,})"', text).group(1)
        pages = {
            "overview": "/",
            "dead letters, each reaction": "/letters",
            "list, first page": "/letters/email",
            "list, last page": f"/letters/email?page={told.letters // 50}",
            "list, by subject's hash": "/letters/email?subject=ab&age=9999d&detail=",
            "confirmation of all": "/letters/email/redrive",
            "letter": letter,
        }
        for name, path in pages.items():
            took = [timed(browser, base + path)[0] for _ in range(told.rounds)]
            print(f"{name:32} {statistics.median(took):8.1f} ms, {max(took):8.1f} at most")
    finally:
        for process in filter(None, [console, stub]):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
