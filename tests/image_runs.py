"""Runs an unpacked image as ECS would and says whether it does what infra/worker.yaml relies on.

    image_runs.py ROOTFS IMAGE DERIVED    ROOTFS: the image's files; IMAGE: what `buildah inspect` says of it
                                          DERIVED: the files of an image made of it, with templates of its own

Enters: REDIS_URL and TEST_SLOWNESS; runc on the PATH. SQS and the mail server are played here, so that what the worker
asks for, and when, is seen at the moment it comes. Leaves: one line a fact; exit code 1 and the first
fact that does not hold. The root is read-only, the user and the command the image's own, there are no
capabilities, and the network is this machine's.
"""

import asyncio
import atexit
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from aiosmtpd.controller import Controller

ROOTFS, IMAGE = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())["Docker"]["config"]
# Seconds for whatever is waited for, by how busy this machine is; the load may come after the look at it.
WITHIN = 100 * max(3, int(os.environ["TEST_SLOWNESS"]))
EVENT = {
    "type": "user.signed_up",
    "version": "2",
    "userId": f"image-{time.time_ns()}",
    "email": "user@example.com",
    "plan": "pro",
}
NONE = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}


def hold(fact, holds, told=""):
    if not holds:
        sys.exit(f"image: does not hold: {fact}\n{told}")
    print(f"image: {fact}", flush=True)


class Container:
    """One start of the image: `runc run` with a bundle of its own."""

    def __init__(self, *arguments, env=None, entrypoint=None, writable_tmp=False, root=ROOTFS, templates=None):
        self.folder = tempfile.TemporaryDirectory()
        self.name = f"user-events-{os.getpid()}-{time.time_ns()}"
        uid, gid = (int(n) for n in IMAGE["User"].split(":"))
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ]
        if writable_tmp:
            mounts.append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]})
        if templates:
            mounts.append({"destination": "/mnt", "type": "bind", "source": templates, "options": ["bind", "ro"]})
        bundle = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": [*(entrypoint or IMAGE["Entrypoint"]), *arguments],
                "env": IMAGE["Env"] + [f"{name}={value}" for name, value in (env or {}).items()],
                "cwd": IMAGE.get("WorkingDir") or "/",
                "noNewPrivileges": True,
                "capabilities": NONE,
            },
            "root": {"path": root, "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
        }
        pathlib.Path(self.folder.name, "config.json").write_text(json.dumps(bundle))
        self.runc = ["runc", "--root", f"{self.folder.name}/state"]
        self.started = time.monotonic()
        command = [*self.runc, "run", "--bundle", self.folder.name, self.name]
        atexit.register(subprocess.run, [*self.runc, "delete", "--force", self.name], stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ended(self):
        """Exit code and output."""
        output, _ = self.process.communicate(timeout=WITHIN)
        return self.process.returncode, output

    def healthy(self):
        return subprocess.run([*self.runc, "exec", self.name, *IMAGE["Entrypoint"], "healthcheck"]).returncode == 0

    def stop(self):
        subprocess.run([*self.runc, "kill", self.name, IMAGE["StopSignal"]], check=True)

    def status(self):
        """/proc's words on the process inside."""
        state = json.loads(subprocess.run([*self.runc, "state", self.name], check=True, capture_output=True).stdout)
        lines = pathlib.Path(f"/proc/{state['pid']}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines)


class Sqs(http.server.ThreadingHTTPServer):
    """A queue with one event in it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.polled, self.polled_at, self.deleted = threading.Event(), 0, []
        self.left = [{"MessageId": "1", "ReceiptHandle": "r", "Body": json.dumps(EVENT), "Attributes": {"ApproximateReceiveCount": "1"}}]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, action, asked):
        if action == "GetQueueAttributes":
            return {"Attributes": {"VisibilityTimeout": "60"}}
        if action == "ReceiveMessage":
            if not self.polled.is_set():
                self.polled_at = time.monotonic()
                self.polled.set()
            if self.left:
                return {"Messages": [self.left.pop()]}
            time.sleep(1)  # the long poll of an empty queue
            return {}
        if action == "DeleteMessageBatch":
            self.deleted += [entry["ReceiptHandle"] for entry in asked["Entries"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in asked.get("Entries", [])], "Failed": []}


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps(self.server.answer(self.headers["x-amz-target"].split(".")[1], asked)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Mail:
    """A mail server that takes its time over a mail, and meanwhile stops the worker."""

    def __init__(self):
        self.arrived, self.told_to_stop, self.taken = threading.Event(), threading.Event(), 0

    async def handle_DATA(self, _server, _session, _envelope):
        self.arrived.set()
        while not self.told_to_stop.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # work that the signal must not cut short
        self.taken += 1
        return "250 OK"


def main():
    sqs, mail = Sqs(), Mail()
    smtp = Controller(mail, hostname="127.0.0.1", port=free_port())
    smtp.start()
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sqs.server_port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "EMAIL_QUEUE_URL": f"http://127.0.0.1:{sqs.server_port}/000000000000/email",
        "REDIS_URL": os.environ["REDIS_URL"],
        "SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "MAIL_FROM": "Welcome <welcome@acme.example>",
        "RECEIVE_WAIT": "1s",
        "HTTP_ADDR": f"127.0.0.1:{free_port()}",
    }
    packages = built_from()
    hold(f"the binary names the {len(packages)} packages it was built from", {"user-events", "tokio"} <= packages)
    if listed := bill_of_materials():
        hold(f"a list beside it names them with licence and checksum, {len(listed)} in all", packages <= listed, packages - listed)
    code, told = Container("config", env=env).ended()
    hold("`config` reads its settings", code == 0 and "EMAIL_QUEUE_URL" in told, told)
    code, told = Container(entrypoint=["/bin/sh", "-c", "true"]).ended()
    hold("there is no shell", code != 0 and "no such file" in told.lower(), told)
    code, told = Container("demo").ended()
    hold("its root cannot be written", code != 0 and "read-only" in told.lower(), told)
    code, told = Container("demo", "--mails", "/tmp/mails", writable_tmp=True).ended()
    hold("`demo` does all that it says", code == 0 and "deliveries were received" in told, told)

    templates_of_ones_own(env)

    took = min(first_poll(env) for _ in range(3))  # what else this machine does is not the image's
    print(f"image: the first poll came {took * 1000:.0f} ms after the start, runc's own included", flush=True)
    worker = Container(*IMAGE["Cmd"], env=env)
    if not mail.arrived.wait(WITHIN):
        worker.stop()
        hold("an event becomes a mail", False, worker.ended()[1])
    hold("`healthcheck` finds it healthy", worker.healthy())
    status = worker.status()
    ids = {*status["Uid"].split(), *status["Gid"].split()}
    hold("it runs as 65532:65532", ids == {"65532"})
    hold("without capabilities", int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0)
    worker.stop()
    mail.told_to_stop.set()
    stopped = time.monotonic()
    code, told = worker.ended()
    drained = code == 0 and mail.taken == 1 and sqs.deleted == ["r"]
    hold(f"{IMAGE['StopSignal']} lets the mail in hand go out, deletes its event, ends with 0 in {time.monotonic() - stopped:.1f} s", drained, told)


def templates_of_ones_own(env):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        pathlib.Path(folder, "welcome.subject").write_text("Grüß Gott")
        pathlib.Path(folder, "welcome.txt").write_text("{{ user_id }} ist da.")
        own = env | {"MAIL_TEMPLATES": "/mnt"}
        code, told = Container("render", env=own, templates=folder).ended()
        hold("a mounted folder of templates is its mail", code == 0 and "Subject: Grüß Gott\n\n123 ist da." in told, told)
        pathlib.Path(folder, "welcome.txt").write_text("{{ userid }}")
        code, told = Container("run", env=own, templates=folder).ended()
        hold("a fault in it is told before anything starts", code == 78 and "welcome.txt:1: `userid`" in told, told)
    code, told = Container("render", env=env | {"MAIL_TEMPLATES": "/templates"}, root=sys.argv[3]).ended()
    hold("templates in an image of one's own are its mail", code == 0 and "Subject: Willkommen" in told, told)


def bill_of_materials():
    """The packages in the image's list that have a licence and, unless they are ours, a checksum; none if the list was not made."""
    bill = json.loads(pathlib.Path(ROOTFS, "user-events.cdx.json").read_text())
    whole = [one for one in bill["components"] if one.get("licenses") and (one.get("hashes") or one["name"] == "user-events-engine")]
    return {one["name"] for one in whole} | ({bill["metadata"]["component"]["name"]} if whole else set())


def built_from():
    """The packages in cargo-auditable's section of the binary, but for those that only built others."""
    with tempfile.TemporaryDirectory() as folder:
        section = pathlib.Path(folder, "section")
        binary = f"{ROOTFS}{IMAGE['Entrypoint'][0]}"
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.dep-v0", "--set-section-flags", ".dep-v0=alloc", binary, section], check=True)
        packed = section.read_bytes()
    all_of_them = json.loads(zlib.decompress(packed))["packages"] if packed else []
    return {package["name"] for package in all_of_them if package.get("kind") != "build"}


def first_poll(env):
    """Seconds from the start of a worker on an empty queue to its first poll."""
    sqs = Sqs()
    sqs.left.clear()
    worker = Container(*IMAGE["Cmd"], env=env | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{sqs.server_port}"})
    polled = sqs.polled.wait(WITHIN)
    worker.stop()
    told = worker.ended()[1]
    if not polled:
        sys.exit(f"image: no poll within {WITHIN} s\n{told}")
    return sqs.polled_at - worker.started


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


main()
