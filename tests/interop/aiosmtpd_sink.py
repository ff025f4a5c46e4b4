"""aiosmtpd_sink.py PORT_FILE MAILDIR: a mail server that is not ours (aiosmtpd 1.4.6).

Enters: SMTP on a free port of 127.0.0.1.
Leaves: the port in PORT_FILE, once it listens; every accepted mail as a file in MAILDIR/new.
Promises: PORT_FILE never holds half a number; it ends on SIGTERM and when stdin closes, so a test
that dies takes it along.
Does not know: TLS, AUTH, or what the mails mean.
"""

import os
import signal
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox


class OnAnyPort(Controller):
    """The stock Controller checks itself by connecting to the port it was given, and 0 is none."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: aiosmtpd_sink.py PORT_FILE MAILDIR")
    _, port_file, maildir = sys.argv
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    controller = OnAnyPort(Mailbox(maildir), hostname="127.0.0.1", port=0)
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
