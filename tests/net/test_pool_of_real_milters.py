"""Kept links of real libmilter programs: several sessions on one connection, each judged as on its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, SessionPlan
from tests.interop.postfix import wait_until
from tests.net.hosting import Host
from tests.stack import peers
from tests.stack.component import MilterComponent

pytestmark = pytest.mark.interop


class Counter:
    """Passes bytes between Postmill and a milter, and counts the connections."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self._target = str(target)
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                if server.connect_ex(self._target):
                    server.close()
                    client.close()
                    continue
                self.connections += 1
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass, args=(source, sink), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End all."""
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in (self._listener, *self._sockets):
            sock.close()


SETTINGS = """\
Background no
AutoRestart no
UserID opendkim
UMask 0000
Socket local:{directory}/milter.sock
Mode v
AuthservID mx.test.example
AlwaysAddARHeader yes
"""


class Verifier(MilterComponent):
    """opendkim(8) that only verifies, and tells about each message in a header."""

    name = "verifier"
    user = "opendkim"

    def prepare(self) -> None:
        """Write its configuration."""
        (self.directory / "conf").write_text(SETTINGS.format(directory=self.directory))

    def command(self) -> list[str]:
        """Its command line."""
        return ["/usr/sbin/opendkim", "-f", "-x", str(self.directory / "conf")]


class Unscanned(MilterComponent):
    """spamass-milter(8) without a spamd: it passes all mail, but it is a libmilter program like any other."""

    name = "spamass-milter"

    def command(self) -> list[str]:
        """Its command line."""
        nowhere = ["-U", str(self.directory / "nobody"), "--connect-retries=1"]
        return ["/usr/sbin/spamass-milter", "-p", str(self.socket), "--", *nowhere]


DOMAINS = [f"d{number}.example" for number in range(6)]


@pytest.fixture
def directory() -> Generator[Path, None, None]:
    peers.require()
    path = Path(tempfile.mkdtemp(prefix="pm-pool-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def told(endpoint: str, sender: str) -> str:
    """What the verifier says about a message from this domain."""
    headers = ((b"From", f" a@{sender}".encode()), (b"Date", b" Mon, 1 Jan 2024 00:00:00 +0000"))
    mail = Mail(sender=f"<a@{sender}>".encode(), headers=headers, queue_id=b"Q" + sender[:4].encode())
    report = FakeMta(endpoint).session(SessionPlan(mails=(mail, mail)))
    words = {repr(mail.status) + repr(mail.edits) for mail in report.mails}
    assert len(words) == 1
    return words.pop()


@pytest.mark.skipif(not Path("/usr/sbin/spamass-milter").exists(), reason="spamass-milter is not installed")
def test_spamass_milter_serves_many_sessions_on_one_connection(directory: Path) -> None:
    with Unscanned(directory) as milter, closing(Counter(directory / "front", milter.socket)) as front:
        host = Host()
        plain = host.add({"milter": {"socket": milter.endpoint}})
        pooled = host.add(
            {"milter": {"socket": f"unix:{front.path}", "pool": True, "timeouts": {"command": "3s"}}}
        )
        with host:
            expected = [told(plain, domain) for domain in DOMAINS]
            assert told(pooled, DOMAINS[0]) == expected[0]
            wait_until(lambda: "honours QUIT_NC" in host.log, "the trial", 10)
            assert [told(pooled, domain) for domain in DOMAINS] == expected
            assert front.connections == 3, "the first session's, the trial's, and the one that is kept"
            assert "lost" not in host.log

            milter.kill()
            milter.start()
            wait_until(lambda: told(pooled, DOMAINS[1]) == expected[1], "the milter in use again", 10)


@pytest.mark.skipif(not Path("/usr/sbin/opendkim").exists(), reason="opendkim is not installed")
def test_opendkim_gets_a_connection_for_each_session(directory: Path) -> None:
    """It would forget what it negotiated."""
    with Verifier(directory) as verifier, closing(Counter(directory / "front", verifier.socket)) as front:
        host = Host()
        plain = host.add({"verifier": {"socket": verifier.endpoint}})
        pooled = host.add(
            {"verifier": {"socket": f"unix:{front.path}", "pool": True, "timeouts": {"command": "3s"}}}
        )
        with host:
            expected = [told(plain, domain) for domain in DOMAINS]
            assert "mx.test.example" in expected[0]
            assert [told(pooled, domain) for domain in DOMAINS] == expected
            assert front.connections == len(DOMAINS)
