"""Large messages: refused above the limit, kept in a file above the threshold, and no room for that file."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import CONTINUE, Rule, Script, Send, StopAnswering
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import frame
from tests.daemon.running import Daemon
from tests.processes import open_files

MEGABYTE = 1 << 20


@pytest.fixture
def child() -> Generator[ScriptedChild, None, None]:
    with ScriptedChild() as child:
        yield child


@pytest.fixture
def daemon(child: ScriptedChild) -> Generator[Daemon, None, None]:
    daemon = Daemon({"milter": {"socket": str(child.endpoint)}})
    yield daemon
    daemon.__exit__()


def begin(mta: FakeMta) -> None:
    mta.negotiate()
    mta.client()


def message(mta: FakeMta, chunks: int, chunk: bytes = bytes(65535)) -> str:
    mta.mail()
    mta.rcpt()
    mta.data()
    mta.header(b"Subject", b"x")
    mta.end_of_headers()
    for _ in range(chunks):
        mta.body(chunk)
    return mta.end_of_message().word


def memory(pid: int, what: str = "VmRSS") -> int:
    """Bytes of memory that a process uses."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def files_in(pid: int, directory: Path) -> list[str]:
    """What a process has open in a directory."""
    return [place for place in open_files(pid).values() if place.startswith(str(directory))]


def test_a_message_above_the_limit_is_refused_at_its_end(daemon: Daemon, child: ScriptedChild) -> None:
    daemon.manager["max_message_size"] = "100kB"
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        assert message(mta, 1) == "continue"
        assert message(mta, 2) == "552 5.3.4 Message size exceeds the limit of the mail filters"
        assert message(mta, 1) == "continue"
        mta.quit()
    child.wait_closed()
    assert [event.message for event in child.events if event.code == "E"] == [1, 3]
    assert [event.message for event in child.events if event.code == "A"] == [2]


def test_a_large_body_is_kept_in_a_file_without_a_name(daemon: Daemon, child: ScriptedChild) -> None:
    spool = daemon.directory / "spool"
    spool.mkdir()
    daemon.manager |= {"spool_threshold": "1MB", "spool_directory": str(spool)}
    daemon.start()
    (worker,) = daemon.workers
    with FakeMta(daemon.endpoint, timeout=30) as mta:
        begin(mta)
        assert message(mta, 2) == "continue"
        before = memory(worker, "VmHWM")
        child.script = Script(rules=[Rule("E", (StopAnswering(),))])
        chunk = os.urandom(65535)
        mta.mail()
        mta.rcpt()
        mta.data()
        mta.end_of_headers()
        for _ in range(320):  # 20 MB
            mta.body(chunk)
        mta.send_raw(frame(Command.BODYEOB))
        child.wait_for(lambda event: event.code == "E" and event.message == 2, 30)
        assert len(files_in(worker, spool)) == 1
        assert list(spool.iterdir()) == []
        assert memory(worker, "VmHWM") - before < 6 * MEGABYTE
        seen = hashlib.sha256()
        for event in child.events:
            if event.code == "B" and event.message == 2:
                seen.update(event.payload)
        assert seen.digest() == hashlib.sha256(chunk * 320).digest()
    child.wait_closed()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        mta.quit()
    assert files_in(worker, spool) == []


def refused_for_now(daemon: Daemon, child: ScriptedChild) -> None:
    """A large message is refused for now, small ones before and after it pass; nobody crashes."""
    (worker,) = daemon.workers
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        assert message(mta, 1, b"small\r\n") == "continue"
        assert message(mta, 40).startswith("452 ")
        assert message(mta, 1, b"small\r\n") == "continue"
        mta.quit()
    assert daemon.workers == [worker]
    assert "defect" not in daemon.log
    child.wait_closed()
    assert {connection.how for connection in child.connections} == {"quit"}


def test_a_spool_directory_that_is_gone(daemon: Daemon, child: ScriptedChild) -> None:
    spool = daemon.directory / "spool"
    spool.mkdir()
    daemon.manager |= {"spool_threshold": "1MB", "spool_directory": str(spool)}
    daemon.start()
    spool.rmdir()
    refused_for_now(daemon, child)


def test_a_new_body_that_cannot_be_kept(daemon: Daemon, child: ScriptedChild) -> None:
    """The second child cannot be shown what the first made of the message, so nobody can judge it now."""
    new_body = tuple(Send(frame(Reply.REPLBODY, bytes(65535))) for _ in range(40))
    child.script = Script(rules=[Rule("E", (*new_body, CONTINUE), message=2)])
    spool = daemon.directory / "spool"
    spool.mkdir()
    daemon.manager |= {"spool_threshold": "1MB", "spool_directory": str(spool)}
    with ScriptedChild() as second:
        daemon.milters["second"] = {"socket": str(second.endpoint)}
        daemon.start()
        spool.rmdir()
        with FakeMta(daemon.endpoint) as mta:
            begin(mta)
            assert message(mta, 1, b"small\r\n") == "continue"
            assert message(mta, 1, b"small\r\n").startswith("452 ")
            assert message(mta, 1, b"small\r\n") == "continue"
            mta.quit()
        assert "defect" not in daemon.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_spool_directory_that_is_full(daemon: Daemon, child: ScriptedChild) -> None:
    spool = daemon.directory / "spool"
    spool.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(spool)]
    probe = subprocess.run(["unshare", "-m", *mount], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no private mounts here")
    daemon.manager |= {"spool_threshold": "64kB", "spool_directory": str(spool)}
    daemon.prefix = ["unshare", "-m", "sh", "-c", f'{" ".join(mount)} && exec "$@"', "sh"]
    daemon.start()
    refused_for_now(daemon, child)
