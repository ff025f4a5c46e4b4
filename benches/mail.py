"""What a mail needs beside queue and Redis: the mail server, the wire, the template, and what they say of a round.

Enters: a load with `smtp`. Leaves: servers and variables for the consumers; figures for the row. The template is the
service's own mail, rendered once, with its values taken out again: so all consumers send the same subject and bodies, each
composed by its own library.
"""

import datetime
import email
import email.policy
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STUB_PORT, REDIS_PORT = 9324, 9399
SMTP_PORT, TLS_PORT, SINK_PORT = 9325, 9326, 9327
# Behind the wire.
FAR = {STUB_PORT: 9424, REDIS_PORT: 9499, SMTP_PORT: 9425, TLS_PORT: 9426}
WIRE_MS = 5
SERVICE = os.environ.get("SERVICE", str(HERE.parent / "target/release/user-events"))
FROM = "Acme <hello@acme.example>"
PLAN = "plan-of-the-event"


def commands(folder):
    """The sink and the wire; the sink's root certificate goes into the folder."""
    programs = HERE / "sink/target/release"
    lines = [f"{far}:{near}" for near, far in FAR.items()]
    ports = [str(port) for port in (SMTP_PORT, TLS_PORT, SINK_PORT)]
    return [[str(programs / "sink"), *ports, f"{folder}/root.pem"], [str(programs / "wire"), str(WIRE_MS), *lines]]


def render(folder):
    """Leaves `subject`, `text`, `html` with `{{ plan }}` and `{{ signed_up_on }}`, and `mail.eml`, ready for the wire."""
    said = [SERVICE, "render", "--eml", "--plan", PLAN]
    mail = subprocess.run(said, env=os.environ | {"MAIL_FROM": FROM}, check=True, capture_output=True).stdout
    message = email.message_from_bytes(mail, policy=email.policy.default)
    parts = {
        "subject": message["Subject"],
        "text": message.get_body(("plain",)).get_content(),
        "html": message.get_body(("html",)).get_content(),
    }
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    for name, text in parts.items():
        text = text.replace(PLAN, "{{ plan }}").replace(today, "{{ signed_up_on }}")
        Path(folder, name).write_text(text)
    lines = mail.replace(b"\r\n", b"\n").replace(PLAN.encode(), b"pro").rstrip(b"\n").split(b"\n")
    dotted = [b"." + line if line.startswith(b".") else line for line in lines]
    Path(folder, "mail.eml").write_bytes(b"\r\n".join(dotted) + b"\r\n")


def environment(load, folder):
    """For every consumer of mails, each reads its own."""
    port = lambda near: FAR[near] if load.wire else near
    queue = f"http://127.0.0.1:{port(STUB_PORT)}/000000000000/q"
    scheme, smtp = {"plain": ("smtp", SMTP_PORT), "tls": ("smtps", TLS_PORT)}[load.smtp]
    root = f"{folder}/root.pem"
    return {
        # The SDKs differ in which of the two they go by.
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port(STUB_PORT)}",
        "QUEUE_URL": queue,
        "EMAIL_QUEUE_URL": queue,
        "REDIS_URL": f"redis://127.0.0.1:{port(REDIS_PORT)}/0",
        "SMTP_URL": f"{scheme}://127.0.0.1:{port(smtp)}",
        "MAIL_FROM": FROM,
        "MAIL_TEMPLATE": str(folder),
        "SSL_CERT_FILE": root,
        "NODE_EXTRA_CA_CERTS": root,
        "HTTP_ADDR": "127.0.0.1:0",
    }


def percentiles(begun, ended, first):
    """Half and 99 % of the mails took at most, in milliseconds, from the message of number `first` on."""
    pairs = list(zip(begun, ended))[first:]
    took = sorted((end - begin) / 1000 for begin, end in pairs)
    return [took[int((len(took) - 1) * part)] for part in (0.5, 0.99)]


def figures(name, total, sink, moments, accepted):
    """Of a round that has ended; ends the run if a mail is missing or was sent twice."""
    missing = total - sum(moment > 0 for moment in accepted[:total])
    if (sink["accepted"], sink["again"], missing) != (total, 0, 0):
        sys.exit(f"{name}: {sink['accepted']} mails for {total} messages, {sink['again']} again, {missing} never")
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
