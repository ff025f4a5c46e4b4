"""The consumers that are measured: how each is started, and at how many messages.

Enters: nothing. Leaves: CONSUMERS. A part of the messages is enough for a slow one: its rounds would take minutes, and
what is compared is the cost of one message.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"


def rust(name):
    return [str(HERE / name / "target/release" / Path(name).name)]


# name: (command, its own settings, its part of the messages)
CONSUMERS = {
    "user-events": (rust("ours"), {"CONCURRENCY": "80"}, 1.0),
    "bare SDK loop": (rust("sdk"), {"POLLERS": "8"}, 1.0),
    "tuned SDK loop": (rust("sdk-tuned"), {"POLLERS": "8"}, 1.0),
}
