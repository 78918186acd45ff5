"""A container as an administrator has it: Debian's Postfix, Postmill's package, and mail to a user named alice.

What belongs here is what all stories do: installing, the lines for Postfix, mail in and out. What they show, they say.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.packaging.traffic import SERVER
from tests.stack.container import Container

CONFIG = "/etc/postmill/postmill.toml"
SOCKET = "/var/spool/postfix/postmill/postmill.sock"
STRANGER = "203.0.113.9"
#: The lines of docs/install.md, and that a lost Postmill is not passed over.
POSTFIX = ("smtpd_milters = unix:postmill/postmill.sock", "milter_default_action = tempfail")
_CLIENT = ["/usr/bin/python3", "/srv/traffic.py"]


@dataclass
class Flow:
    """Mail that keeps coming; `sent` and `failed` are known when it has ended."""

    sent: int = 0
    failed: list[Any] = field(default_factory=list)


class MailHost:
    """One machine with mail."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def prepare(self) -> None:
        """Make the user, the SMTP client, and Postfix's own name; Postmill is not there yet."""
        self.container.copy(Path(__file__).with_name("traffic.py"), "/srv/traffic.py")
        self.container.shell("useradd --create-home alice")
        self.postconf("myhostname = mx.test.example", "mydestination = localhost")

    def postconf(self, *lines: str) -> None:
        """Change main.cf and let Postfix take it."""
        self.container.run(["postconf", "-e", *lines])
        self.container.run(["systemctl", "reload", "postfix"])

    def connect_postfix(self) -> None:
        """Put Postmill in the place of Postfix's milters."""
        self.postconf(*POSTFIX)

    def install(self, package: Path) -> str:
        """Install a package file as an administrator does; what dpkg printed."""
        place = f"/srv/{package.name}"
        if not self.container.path(place).exists():
            self.container.copy(package, place)
        return self.container.run(["dpkg", "-i", place], timeout=200).stdout

    def configure(self, milters: str) -> None:
        """Write tables of milters below the configuration that the package brought, and use these alone."""
        shipped = self.container.read(CONFIG).partition("\n# --- test ---\n")[0]
        shipped = shipped.replace("\ndetect = true\n", "\ndetect = false\n")
        self.container.write(CONFIG, f"{shipped}\n# --- test ---\n{milters}")

    def add_world(self) -> None:
        """Give the machine an address for SMTP, and one to call it from that is not its own network's."""
        for address in (SERVER, STRANGER):
            self.container.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])

    def send(
        self, text: str = "Subject: lunch\n\nAt noon?\n", sender: str = "bob@example.com", client: str = ""
    ) -> tuple[int, str]:
        """Send a message to alice over SMTP, from another address if need be; code and text of the last answer."""
        command = [*_CLIENT, "send", sender, "alice@localhost", *([client] if client else [])]
        code, answer = json.loads(self.container.run(command, timeout=120, data=text).stdout)
        return code, answer

    @contextlib.contextmanager
    def flow(self) -> Iterator[Flow]:
        """Mail without a pause, from before the block to its end."""
        flow = Flow()
        with self._client("flow", "flowing") as client:
            yield flow
            told = json.loads(client.communicate(timeout=120)[0])
            flow.sent, flow.failed = told["sent"], told["failed"]

    @contextlib.contextmanager
    def held(self) -> Iterator[subprocess.Popen[str]]:
        """A session that has got as far as RCPT; `finish` ends it."""
        with self._client("hold", "held") as client:
            yield client

    def finish(self, client: subprocess.Popen[str]) -> tuple[int, str]:
        """Let a held session give its message; code and text of the answer."""
        code, answer = json.loads(client.communicate("\n", timeout=120)[0])
        return code, answer

    @contextlib.contextmanager
    def _client(self, verb: str, ready: str) -> Iterator[subprocess.Popen[str]]:
        client = self.container.start([*_CLIENT, verb])
        try:
            assert client.stdout is not None
            line = client.stdout.readline().strip()
            if line != ready:
                raise RuntimeError(f"the SMTP client does not begin: {line} {client.stdout.read()}")
            yield client
        finally:
            client.kill()
            client.wait()
            for pipe in filter(None, (client.stdin, client.stdout)):
                pipe.close()

    def mailbox(self) -> str:
        """All that alice has got."""
        path = "/var/mail/alice"
        return self.container.read(path) if self.container.path(path).exists() else ""

    def wait_mail(self, text: str) -> None:
        """Wait until a text is in alice's mailbox."""
        self.container.wait(lambda: text in self.mailbox(), f"{text!r} in the mailbox")

    def lines(self, text: str = "") -> list[dict[str, Any]]:
        """What Postmill has written to the journal, with a text in it."""
        entries = self.container.journal("-u", "postmill", "-t", "postmill")
        return [entry for entry in entries if text in str(entry.get("MESSAGE", ""))]

    def main_pid(self) -> int:
        """The process id of the daemon's parent process, in the container."""
        return int(self.container.show("postmill.service", "MainPID"))
