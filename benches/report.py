#!/usr/bin/env python3
"""What was measured, as tables, as a picture, and as a paragraph of the README.

    benches/report.py [--check] [RESULTS.json]

Enters: what `benches/run --out` wrote, by default the committed docs/performance.json. Leaves: the text between the marks in
docs/performance.md and in README.md, and docs/performance.svg. With --check it writes nothing and fails if any would change.
"""

import json
import math
import sys
import textwrap
from pathlib import Path

import mail_report
import webhook_report
from tables import table

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, PICTURE, RESULTS = DOCS / "performance.md", DOCS / "performance.svg", DOCS / "performance.json"
DOOR = DOCS.parent / "README.md"
BEGIN, END = "<!-- measured: written by benches/report.py -->", "<!-- end of what was measured -->"
OURS = "user-events"


def paired(rows):
    """name: {handler: row}"""
    names = dict.fromkeys(row["consumer"] for row in rows)
    return {name: {row["handler"]: row for row in rows if row["consumer"] == name} for name in names}


def peers(rows):
    ours = paired(rows)[OURS]

    def line(name, by):
        noop, redis = by["noop"], by["redis"]
        times = [f"{by[handler]['cpu_us'] / ours[handler]['cpu_us']:.2g}" for handler in ("noop", "redis")]
        figures = [f"{noop['cpu_us']:.1f}", times[0], f"{redis['cpu_us']:.1f}", times[1], f"{noop['rate']:,.0f}", f"{redis['rate']:,.0f}"]
        return [name, *figures, f"{redis['calls']:.2f}", f"{redis['rss_mb']:.0f}", f"{redis['start_ms']:.0f}"]

    head = ["consumer", "empty: µs", "× ours", "Redis: µs", "× ours", "empty: msg/s", "Redis: msg/s", "calls", "RSS MB", "start ms"]
    return table(head, [line(name, by) for name, by in paired(rows).items()])


def sizes(rows):
    all_sizes = sorted({row["size"] for row in rows})
    at = {(row["consumer"], row["size"]): row for row in rows}
    names = dict.fromkeys(row["consumer"] for row in rows)
    cells = lambda name: [f"{at[name, size]['cpu_us']:,.0f} µs, {at[name, size]['rate']:,.0f}/s" for size in all_sizes]
    return table(["consumer", *(f"{size:,} B" for size in all_sizes)], [[name, *cells(name)] for name in names])


def slots(rows):
    cells = [[row["load"]["settings"]["CONCURRENCY"], f"{row['rate']:,.0f}", f"{row['cpu_us']:.1f}", f"{row['calls']:.2f}", f"{row['rss_mb']:.0f}"] for row in rows]
    return table(["WORKER_CONCURRENCY", "msg/s", "CPU µs", "calls a message", "RSS MB"], cells)


def processes(rows):
    one = rows[0]["rate"]
    cells = [[row["processes"], f"{row['rate']:,.0f}", f"{row['rate'] / one:.2f}", f"{row['core']:.2f}"] for row in rows]
    return table(["processes", "msg/s", "× one", "of one core"], cells)


def flat(rows):
    cells = [[f"{row['messages']:,}", f"{row['cpu_us']:.1f}", f"{row['rate']:,.0f}", f"{row['grown_mb']:+.1f}"] for row in rows]
    return table(["messages", "CPU µs a message", "msg/s", "RSS after the first fifth, MB"], cells)


def latency(rows):
    rates = sorted({row["load"]["rate"] for row in rows})
    at = {(row["consumer"], row["load"]["rate"]): row for row in rows}
    names = dict.fromkeys(row["consumer"] for row in rows)
    cell = lambda row: f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f} ms, {row['calls']:.2f} calls"
    return table(["consumer", *(f"{rate:,.0f}/s" for rate in rates)], [[name, *(cell(at[name, rate]) for rate in rates)] for name in names])


SECTIONS = {
    "peers": ("Beside its peers", "Bodies of 300 B, everything waiting at once, one core.", peers),
    "sizes": ("Larger bodies", "With Redis; CPU a message, and messages a second.", sizes),
    "slots": ("More slots", "Each call answered 5 ms late, as from across a region.", slots),
    "processes": ("More processes on one queue", "Each call 20 ms late, ten slots a process: one process waits, and two wait side by side. Without that delay one process fills the one core that consumers have here, and the core is the limit.", processes),
    "flat": ("A million messages", "Empty handler; in each round five runs of ten thousand, one of a million, five of ten thousand.", flat),
    "latency": ("From arrival to confirmed delete", "At a fixed rate, with Redis; half and 99 % of the messages take at most.", latency),
}


def whole(rows):
    """Each process's share of one core, the emulator's under its own name."""

    def line(row):
        shares = [row["core"][name] for name in (row["emulator"], "user-events", "smtp", "redis")]
        return [row["emulator"], f"{row['events']:,}", f"{row['rate']:,}", *(f"{share:.2f}" for share in shares)]

    return table(["emulator", "events", "events/s", "emulator's core", "worker's", "mail server's", "Redis's"], [line(row) for row in rows])


def measured(done):
    machines = [suite["machine"] for suite in done["suites"].values()]
    said = {f"{on['date']}: {on['cpu']}, {on['cores']} cores, Linux {on['kernel']}." for on in machines}
    parts = [" ".join(sorted(said)) + "\n"]
    parts += [*mail_report.parts(done["suites"]), *webhook_report.parts(done["suites"]), f"### A message\n\n{whole_engine(done)}"]
    for name, (title, says, make) in SECTIONS.items():
        suite = done["suites"][name]
        parts.append(f"### {title}\n\n{says} Medians of {suite['rounds']} rounds.\n\n{make(suite['rows'])}")
    says = "Events published, then each a mail and a profile: both reactions in one worker with ten slots each, Redis and an SMTP server. Shares of one core: it is the mail server that is waited for, and the slots. LocalStack writes no metrics of its own here."
    parts.append(f"### The whole system\n\n{says} The middle one of 3 rounds.\n\n{whole(done['whole_system'])}")
    [widest] = done["suites"]["widest"]["rows"]
    parts.append(
        f"With 256 slots and Redis, {widest['messages']:,} messages: {widest['rss_mb']:.1f} MB at the most, {widest['cpu_us']:.1f} µs a message.\n"
        f"Idle: {done['idle_receives_a_minute']:.0f} receives in the first 61 s on an empty queue, one every 20 s.\n"
    )
    return "\n".join(parts)


def front(done):
    """The README's paragraph, whose lines have a hundred characters at most."""
    says = [mail_report.front(done["suites"]["mail"]["rows"]), *webhook_report.front(done["suites"])]
    return textwrap.fill(" ".join(says).replace("\n", " "), 100, break_long_words=False, break_on_hyphens=False)


def whole_engine(done):
    """What a message costs, beside who else carries one."""
    by, flat = paired(done["suites"]["peers"]["rows"]), done["suites"]["flat"]["rows"]
    took = lambda name: tuple(f"{by[name][handler]['cpu_us']:.0f}" for handler in ("noop", "redis"))
    both = lambda name: "{} and {}".format(*took(name))
    apart = abs(flat[1]["cpu_us"] / flat[0]["cpu_us"] - 1)
    return "\n".join([
        "A message costs the whole engine {} µs of one core with an empty handler, {} with unwrapping, claim and commit in Redis,".format(*took(OURS)),
        f"and {by[OURS]['redis']['calls']:.2f} calls. In the same run sqs-consumer took {both('sqs-consumer ×16')}, squiss-ts {both('squiss-ts')},",
        f"aiobotocore {both('aiobotocore loop')}, omniqueue {both('omniqueue')}; a bare loop around the AWS SDK, which opens no body and has no leases,",
        f"{both('bare SDK loop')} (with one `SET NX`), and the same loop tuned {both('tuned SDK loop')}. A million messages cost each",
        f"within {apart:.0%} of what ten thousand do, and memory changes by {flat[1]['grown_mb']:+.1f} MB.\n",
    ])


def between(path, text):
    """The file with this text between its marks."""
    old = path.read_text()
    return f"{old.split(BEGIN)[0]}{BEGIN}\n\n{text}\n{END}{old.split(END)[1]}"


def picture(rows):
    by, left, width, bar = paired(rows), 150, 520, 13
    top = max(row["cpu_us"] for row in rows)
    scale = lambda us: width * math.log10(us / 5) / math.log10(top / 5)
    height = 60 + 38 * len(by)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" role="img" aria-label="CPU a message of each consumer" font-family="sans-serif" font-size="12">',
        "<style>.b{fill:#fff}.t{fill:#1f2328}.n{fill:#0969da}.r{fill:#8250df}.g{stroke:#d0d7de}"
        "@media(prefers-color-scheme:dark){.b{fill:#0d1117}.t{fill:#e6edf3}.n{fill:#4493f8}.r{fill:#ab7df8}.g{stroke:#3d444d}}</style>",
        f'<rect class="b" width="100%" height="100%"/>',
        '<text class="t" x="10" y="20" font-weight="bold">CPU a message, µs (logarithmic; less is better)</text>',
        f'<text class="n" x="{left + 300}" y="20">empty handler</text><text class="r" x="{left + 400}" y="20">unwrap, claim and mark in Redis</text>',
    ]
    for tick in (10, 100, 1000):
        if tick < top:
            x = left + scale(tick)
            lines.append(f'<line class="g" x1="{x:.0f}" y1="30" x2="{x:.0f}" y2="{height - 22}"/><text class="t" x="{x:.0f}" y="{height - 8}" text-anchor="middle">{tick}</text>')
    for n, (name, both) in enumerate(by.items()):
        y = 38 + 38 * n
        weight = ' font-weight="bold"' if name == OURS else ""
        lines.append(f'<text class="t" x="{left - 8}" y="{y + 18}" text-anchor="end"{weight}>{name}</text>')
        for shift, (colour, handler) in enumerate((("n", "noop"), ("r", "redis"))):
            us = both[handler]["cpu_us"]
            long, at = scale(us), y + shift * (bar + 2)
            lines.append(f'<rect class="{colour}" x="{left}" y="{at}" width="{long:.0f}" height="{bar}"/>')
            lines.append(f'<text class="t" x="{left + long + 5:.0f}" y="{at + 11}">{us:,.0f}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    done = json.loads((Path(arguments[0]) if arguments else RESULTS).read_text())
    wanted = {
        PAGE: between(PAGE, measured(done)),
        DOOR: between(DOOR, f"{front(done)}\n"),
        PICTURE: picture(done["suites"]["peers"]["rows"]),
    }
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        sys.exit(f"not what docs/performance.json says: {', '.join(stale)}; run benches/report.py" if stale else 0)
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
