"""A call of a webhook, as a part of docs/performance.md: what it costs, and which of the bounds are held.

Enters: the suite `webhook` of one run. Leaves: paragraphs and tables; nothing if the suite was not run. Every bound is a
ratio of medians of one run.
"""

from tables import beside, costs, judged, named, only

OURS, NODE = "user-events run crm", "undici"
FLOOR = ["receive and delete", "ready calls"]
RECORD = "claim, begin, commit"
SLOTS = 40


def whole(rows):
    callers = beside([row for row in rows if row["consumer"] not in [*FLOOR, RECORD]], only(rows, OURS), "call")
    says = (
        "What a call cannot do without, each by itself in the same rounds: a bare loop around the SDK, and bare hyper that POSTs ready bytes over connections"
        f" that stay open. The record's three scripts, which keep the call single and are not in the sum, take {only(rows, RECORD)['cpu_us']:.1f} µs.\n"
    )
    return "\n".join([callers, says, costs([only(rows, name) for name in FLOOR], "call")])


def bounds(rows):
    """(what, measured, bound, whether it is at most that)"""
    ours = only(rows, OURS)
    yield "CPU, times that of the SDK loop and a bare POST", ours["cpu_us"] / sum(only(rows, name)["cpu_us"] for name in FLOOR), 1.3, True
    yield "CPU of the better Node consumer, times ours", min(row["cpu_us"] for row in named(rows, NODE)) / ours["cpu_us"], 5, False
    yield "connections made, of slots", ours["connections"] / SLOTS, 1, True


def parts(suites):
    """The section, and the bounds."""
    if "webhook" not in suites:
        return
    rows, rounds = suites["webhook"]["rows"], suites["webhook"]["rounds"]
    says = f"The main job with a POST in the mail's place: receive, claim, sign, call, record, delete; the service's own binary, which needs no code for it, beside what a user would write. All events waiting at once, {SLOTS} calls under way, a receiver on loopback that answers 204 at once, without TLS, one core. Bytes are the body's."
    yield f"### A call of a webhook\n\n{says} Medians of {rounds} rounds.\n\n{whole(rows)}"
    yield f"### What a call may cost\n\nEach a ratio of this run.\n\n{judged(bounds(rows))}"


def front(suites):
    """The same, in the README."""
    if "webhook" not in suites:
        return []
    rows = suites["webhook"]["rows"]
    node = min(named(rows, NODE), key=lambda row: row["cpu_us"])
    return [f"A call of a webhook costs {only(rows, OURS)['cpu_us']:.0f} µs; a consumer on sqs-consumer, ioredis and undici took {node['cpu_us']:,.0f} µs."]
