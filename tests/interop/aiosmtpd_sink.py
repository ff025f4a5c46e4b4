"""aiosmtpd_sink.py PORT_FILE MAILDIR [starttls|tls|auth|ascii]: a mail server that is not ours (aiosmtpd 1.4.6).

Enters: SMTP on a free port of 127.0.0.1; with `starttls` no mail without it, with `tls` from the start,
with `auth` no mail but from `user` with the password `p@ss`; with `ascii` it offers neither 8BITMIME nor SMTPUTF8.
Leaves: the port in PORT_FILE, once it listens; every accepted mail as a file in MAILDIR/new.
Promises: PORT_FILE never holds half a number; it ends on SIGTERM and when stdin closes, so a test
that dies takes it along.
With TLS, PORT_FILE.pem holds the certificate to trust, made for `localhost` at each start.
Does not know: what the mails mean.
"""

import datetime

import os
import secrets
import signal
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult


def certificate(path, host="localhost"):
    """Writes a self-signed certificate for `host` to `path`; returns a server's TLS context."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    # Each has a name of its own: by the same name it would be taken for a trusted one whose signature is broken.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{host} {secrets.token_hex(8)}")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with open(path, "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    with open(f"{path}.key", "wb") as file:
        encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
        file.write(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, f"{path}.key")
    return context


def knows(_server, _session, _envelope, _mechanism, login):
    right = (login.login, login.password) == (b"user", b"p@ss")
    # Without `handled=False` it would leave the reply to us.
    return AuthResult(success=right, handled=right)


class OnAnyPort(Controller):
    """The stock Controller checks itself by connecting to the port it was given, and 0 is none."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["starttls"], ["tls"], ["auth"], ["ascii"]):
        sys.exit("usage: aiosmtpd_sink.py PORT_FILE MAILDIR [starttls|tls|auth|ascii]")
    port_file, maildir, *mode = sys.argv[1:]
    options = {"enable_SMTPUTF8": True}
    if mode == ["tls"]:
        options["ssl_context"] = certificate(f"{port_file}.pem")
    elif mode == ["starttls"]:
        options |= {"tls_context": certificate(f"{port_file}.pem"), "require_starttls": True}
    elif mode == ["auth"]:
        options |= {"authenticator": knows, "auth_required": True, "auth_require_tls": False}
    elif mode == ["ascii"]:
        options = {"enable_SMTPUTF8": False, "decode_data": True}
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    controller = OnAnyPort(Mailbox(maildir), hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        with open(f"{port_file}.tmp", "w", encoding="ascii") as file:
            file.write(str(controller.port))
        os.rename(f"{port_file}.tmp", port_file)

        def until_closed():
            # The descriptor, not sys.stdin: a thread inside the buffered reader breaks the exit.
            while os.read(0, 4096):
                pass
            over.set()

        threading.Thread(target=until_closed, daemon=True).start()
        over.wait()
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
