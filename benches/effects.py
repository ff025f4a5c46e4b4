"""What an effect needs beside queue and Redis: the sink, the wire, its variables, and what they say of a round.

Enters: a load. Leaves: servers and variables for its consumers; figures for its row. An effect is a module: NOUN, what it is
called; `prepare(folder)`, once; `environment(load, folder, queue)`.
"""

import sys

import mail
import webhook
from places import FAR, HERE, HOOK_PORT, REDIS_PORT, SINK_PORT, SMTP_PORT, STUB_PORT, TLS_PORT, WIRE_MS, port

# By the field of a load that asks for it.
EFFECTS = {"smtp": mail, "webhook": webhook}


def of(load):
    """The effect of each message; `None`: its handler has none."""
    return next((effect for field, effect in EFFECTS.items() if getattr(load, field)), None)


def commands(folder):
    """The sink and the wire; the sink's root certificate goes into the folder."""
    programs = HERE / "sink/target/release"
    lines = [f"{far}:{near}" for near, far in FAR.items()]
    ports = [str(each) for each in (SMTP_PORT, TLS_PORT, HOOK_PORT, SINK_PORT)]
    return [[str(programs / "sink"), *ports, f"{folder}/root.pem"], [str(programs / "wire"), str(WIRE_MS), *lines]]


def environment(load, folder):
    """For every consumer of this load, each reads its own."""
    endpoint = f"http://127.0.0.1:{port(load, STUB_PORT)}"
    queue = f"{endpoint}/000000000000/q"
    return {
        # The SDKs differ in which of the two they go by.
        "AWS_ENDPOINT_URL": endpoint,
        "QUEUE_URL": queue,
        "REDIS_URL": f"redis://127.0.0.1:{port(load, REDIS_PORT)}/0",
        "HTTP_ADDR": "127.0.0.1:0",
    } | of(load).environment(load, folder, queue)


def percentiles(begun, ended, first):
    """Half and 99 % of them took at most, in milliseconds, from the message of number `first` on."""
    pairs = list(zip(begun, ended))[first:]
    took = sorted((end - begin) / 1000 for begin, end in pairs)
    return [took[int((len(took) - 1) * part)] for part in (0.5, 0.99)]


def figures(name, noun, total, sink, moments, accepted):
    """Of a round that has ended; ends the run if an effect is missing or came twice."""
    missing = total - sum(moment > 0 for moment in accepted[:total])
    if (sink["accepted"], sink["again"], missing) != (total, 0, 0):
        sys.exit(f"{name}: {sink['accepted']} {noun} for {total} messages, {sink['again']} again, {missing} never")
    row = {
        "bytes": sink["bytes"] / total,
        "connections": sink["connections"],
        "most_open": sink["most_open"],
    }
    if moments:
        warm = total // 5
        for key, begun in (("accepted", "arrived_us"), ("handed_out", "taken_us")):
            row[f"{key}_p50_ms"], row[f"{key}_p99_ms"] = percentiles(moments[begun], accepted, warm)
    return row
