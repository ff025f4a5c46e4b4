"""Where everything listens, near and behind the wire, and which program is the service."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
STUB_PORT, REDIS_PORT = 9324, 9399
SMTP_PORT, TLS_PORT, SINK_PORT, HOOK_PORT = 9325, 9326, 9327, 9328
# Behind the wire.
FAR = {STUB_PORT: 9424, REDIS_PORT: 9499, SMTP_PORT: 9425, TLS_PORT: 9426, HOOK_PORT: 9428}
WIRE_MS = 5
SERVICE = os.environ.get("SERVICE", str(HERE.parent / "target/release/user-events"))


def port(load, near):
    """Where consumers of this load find it."""
    return FAR[near] if load.wire else near
