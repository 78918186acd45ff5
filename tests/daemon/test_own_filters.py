"""Filters that somebody has written: what their code does is their own mail's concern, not everybody's."""

from __future__ import annotations

import signal

import pytest

from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Mail, Recipient, SessionPlan
from tests.daemon.running import Daemon
from tests.interop.postfix import wait_until

APPS = """
import threading
from dataclasses import dataclass
from postmill.api import Milter, Reject, Sender, Verdict, key
from postmill.api.kinds import Text

@dataclass(frozen=True)
class Settings:
    word: str = key(Text(), "x", "Some word.")

hanging, innocent = Milter("hanging"), Milter("innocent")

@hanging.on
def hang(sender: Sender) -> Verdict | None:
    if sender.address.local == "hang":
        threading.Event().wait()
    return None

@innocent.on
def judge(sender: Sender) -> Verdict | None:
    return Reject("5.7.1 bad") if sender.address.local == "bad" else None
"""


@pytest.fixture
def daemon() -> Daemon:
    one = Daemon()
    (one.directory / "apps.py").write_text(APPS)
    return one


def use(daemon: Daemon, name: str, **more: object) -> None:
    settings = {"use": f"{daemon.directory / 'apps.py'}:{name}", "on_error": "accept", **more}
    daemon.filters = [*daemon.filters, settings]


def send(daemon: Daemon, sender: str) -> MailReport:
    recipients = (Recipient(b"<jane@example.org>"),)
    plan = SessionPlan(mails=(Mail(f"<{sender}@example.net>".encode(), recipients=recipients),))
    return FakeMta(daemon.endpoint).session(plan).mails[0]


def test_functions_that_hang_are_their_milters_concern(daemon: Daemon) -> None:
    """More of them than asyncio has threads."""
    use(daemon, "hanging", timeouts={"command": "100ms"}, breaker={"failures": 1000})
    use(daemon, "innocent")
    with daemon:
        for _ in range(36):
            assert send(daemon, "hang").status == "accept"
        assert "hanging=lost:timeout" in daemon.log
        assert "innocent=lost" not in daemon.log
        assert send(daemon, "bad").reply == b"550 5.7.1 bad"
        (old,) = daemon.workers
        daemon.reload()
        wait_until(
            lambda: daemon.workers != [old] and len(daemon.workers) == 1, "the end of the old worker", 20
        )
        assert send(daemon, "hang").status == "accept"
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(20) == 0


BROKEN = {
    "prepare": """
class Made: ...
app = Milter("broken", Settings)
@app.prepare
def prepare(settings: Settings) -> Made:
    return {}[settings.word]  # here
""",
    "on_error": """
app = Milter("broken")
app.on_error(lambda made: made.word)  # here
""",
    "where": """
app = Milter("broken")
@app.on(where=lambda settings: settings.word)  # here
async def judge(sender: Sender) -> Verdict | None:
    return None
""",
    "settings": """
@dataclass(frozen=True)
class Own:
    word: str = key(Text(), "x", "Some word.")
    def __post_init__(self) -> None:
        raise KeyError(self.word)  # here
app = Milter("broken", Own)
""",
    "import": """
raise SystemExit("no such thing")  # here
""",
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BROKEN["prepare"], "KeyError: 'x', at {place}"),
        (BROKEN["on_error"], "AttributeError: 'NoneType' object has no attribute 'word', at {place}"),
        (BROKEN["where"], "AttributeError: 'NoneType' object has no attribute 'word', at {place}"),
        (BROKEN["settings"], "KeyError: 'x', at {place}"),
        (BROKEN["import"], "{place}: SystemExit: no such thing"),
    ],
    ids=BROKEN,
)
def test_a_reload_is_refused_whatever_its_code_raises(text: str, told: str, daemon: Daemon) -> None:
    use(daemon, "innocent")
    with daemon:
        broken = daemon.directory / "broken.py"
        lines = [*APPS.split("\n")[1:10], *text.split("\n")]
        broken.write_text("\n".join(lines))
        (at,) = (number for number, line in enumerate(lines, 1) if line.endswith("# here"))
        daemon.filters = [{"use": f"{broken}:app"}]
        daemon.write()
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "reload refused" in daemon.log, "the answer", 20)
        line = next(line for line in daemon.log.splitlines() if "reload refused" in line)
        assert told.format(place=f"{broken}:{at}") in line
        assert "Traceback" not in daemon.log
        assert send(daemon, "bad").reply == b"550 5.7.1 bad"
