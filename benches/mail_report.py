"""The main job, as the first part of docs/performance.md: what a mail costs, and which of the bounds are held.

Enters: the suites `mail`, `mail-wire` and `mail-paced` of one run; a suite that was not run is left out, with its bounds.
Leaves: paragraphs and tables. Every bound is a ratio of medians of one run, or a time on a wire of known length.
"""

from places import WIRE_MS
from tables import beside, costs, judged, named, only, table

OURS, NODE, PYTHON = "user-events run email", "nodemailer", "aiosmtplib"
FLOOR = ["receive and delete", "claim, begin, commit", "ready mails"]
SLOTS = 40
# From an event's arrival to the mail's acceptance, in ways along the wire: the receive (two: an event seldom comes while one
# waits, because each answer and the next question are on their way for as long), the claim (two), MAIL, RCPT and DATA together
# (two), the fence (two), the body (one).
WAYS = 9


def full(rows):
    ours, parts = only(rows, OURS, smtp="plain"), [only(rows, name) for name in FLOOR]
    called = lambda row: row["consumer"] + (", TLS" if row["load"]["smtp"] == "tls" else "")
    mailers = beside([row for row in rows if row["consumer"] not in FLOOR], ours, "mail", called)
    says = "What a mail cannot do without, each by itself in the same rounds: a bare loop around the SDK, the record's three scripts, and a client that sends ready bytes, pipelined, over connections that stay open.\n"
    return "\n".join([mailers, says, costs(parts, "mail")])


def front(rows):
    """The main job, in the README."""
    ours = only(rows, OURS, smtp="plain")
    best = lambda part: min(named(rows, part), key=lambda row: row["cpu_us"])
    took = lambda part: f"{best(part)['cpu_us']:,.0f} µs"
    return "\n".join([
        f"A welcome mail (receive, claim, send, record, delete) costs the service {ours['cpu_us']:.0f} µs of one core, over {ours['connections']} kept connections.",
        f"In the same run a consumer on sqs-consumer, ioredis and nodemailer took {took(NODE)}, one on aiobotocore and aiosmtplib {took(PYTHON)},",
        f"a loop around the AWS SDK with lettre and one `SET NX` {took('lettre')}; what no mail can do without is {floor(rows):.0f} µs.",
    ])


def floor(rows):
    return sum(only(rows, name)["cpu_us"] for name in FLOOR)


def wire(rows):
    paced = {row["consumer"]: row for row in rows if row["load"]["rate"]}
    waiting = [row for row in rows if not row["load"]["rate"]]
    times = lambda row, key: f"{row[f'{key}_p50_ms']:.0f} / {row[f'{key}_p99_ms']:.0f} ms"
    both = lambda name: [times(paced[name], key) for key in ("accepted", "handed_out")]
    cells = [[row["consumer"], f"{row['rate']:,.0f}", f"{row['cpu_us']:,.0f}", *both(row["consumer"])] for row in waiting]
    return table(["consumer", "mails/s", "CPU µs a mail", "at 100/s: arrival to accepted", "handed out to accepted"], cells)


def paced(rows):
    times = lambda row, key: f"{row[f'{key}p50_ms']:.1f} / {row[f'{key}p99_ms']:.1f} ms"
    cells = [[row["consumer"], f"{row['cpu_us']:,.0f}", times(row, "accepted_"), times(row, ""), f"{row['calls']:.2f}"] for row in rows]
    return table(["consumer", "CPU µs a mail", "arrival to accepted", "arrival to deleted", "calls"], cells)


SECTIONS = {
    "mail": ("A mail", f"The main job: receive, claim, send, record, delete; the service's own binary beside what a user would write. All events waiting at once, {SLOTS} mails under way, a mail server on loopback that takes each at once, one core.", full),
    "mail-wire": ("A mail on a long wire", f"SQS, Redis and the mail server {WIRE_MS} ms away in each direction, {SLOTS} mails under way. Half and 99 % of the mails take at most, after the first fifth; what arrival has over handing out is a queue that nobody asks at that moment.", wire),
    "mail-paced": ("A mail at a hundred a second", "SQS and the mail server answer 2 ms late. Half and 99 % take at most; accepted: after the first fifth.", paced),
}


def bounds(suites):
    """(what, measured, bound, whether it is at most that)"""
    rows = {name: suites[name]["rows"] for name in SECTIONS if name in suites}
    all_of = rows["mail"]
    ours = only(all_of, OURS, smtp="plain")
    least = lambda part: min(row["cpu_us"] for row in named(all_of, part))
    yield "CPU, times the sum of what it cannot do without", ours["cpu_us"] / floor(all_of), 1.25, True
    yield "CPU of the better Node consumer, times ours", least(NODE) / ours["cpu_us"], 15, False
    yield "CPU of the Python consumer, times ours", least(PYTHON) / ours["cpu_us"], 15, False
    yield "CPU with TLS, times that without", only(all_of, OURS, smtp="tls")["cpu_us"] / ours["cpu_us"], 1.25, True
    yield "connections made, of slots", max(row["connections"] for row in named(all_of, OURS)) / SLOTS, 1, True
    if "mail-wire" in rows:
        best = max(row["rate"] for row in named(rows["mail-wire"], NODE) if not row["load"]["rate"])
        yield "mails/s on the wire, times the better Node consumer's", only(rows["mail-wire"], OURS, rate=0.0)["rate"] / best, 4, False
        took = only(rows["mail-wire"], OURS, rate=100.0)["accepted_p99_ms"]
        yield f"99 % accepted on the wire, times the {WAYS * WIRE_MS} ms of {WAYS} ways along it", took / (WAYS * WIRE_MS), 1.3, True
    if "mail-paced" in rows:
        yield "99 % accepted at 100/s, ms", only(rows["mail-paced"], OURS)["accepted_p99_ms"], 20, True


def parts(suites):
    """The sections that were run, and the bounds."""
    for name, (title, says, make) in SECTIONS.items():
        if name in suites:
            yield f"### {title}\n\n{says} Medians of {suites[name]['rounds']} rounds.\n\n{make(suites[name]['rows'])}"
    yield f"### What a mail may cost\n\nEach a ratio of this run, or a time.\n\n{judged(bounds(suites))}"
