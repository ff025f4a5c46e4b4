"""What consumers of mails need: where the mail server is, and the template.

Enters: a load with `smtp`. Leaves: files and variables for the consumers. The template is the service's own mail, rendered
once, with its values taken out again: so all consumers send the same subject and bodies, each composed by its own library.
"""

import datetime
import email
import email.policy
import os
import subprocess
from pathlib import Path

from places import SERVICE, SMTP_PORT, TLS_PORT, port

NOUN = "mails"
FROM = "Acme <hello@acme.example>"
PLAN = "plan-of-the-event"


def prepare(folder):
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


def environment(load, folder, queue):
    """For every consumer of mails, each reads its own."""
    scheme, smtp = {"plain": ("smtp", SMTP_PORT), "tls": ("smtps", TLS_PORT)}[load.smtp]
    root = f"{folder}/root.pem"
    return {
        "EMAIL_QUEUE_URL": queue,
        "SMTP_URL": f"{scheme}://127.0.0.1:{port(load, smtp)}",
        "MAIL_FROM": FROM,
        "MAIL_TEMPLATE": str(folder),
        "SSL_CERT_FILE": root,
        "NODE_EXTRA_CA_CERTS": root,
    }
