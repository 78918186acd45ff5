"""One message through one milter, whoever runs it: what comparisons with other milters are made of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Recipient, SessionPlan, mail_from_bytes
from tests.interop.postfix import public_directory
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import Component

STRANGER = Client(b"mail.ext.example", b"4", 40025, b"192.0.2.5")


@dataclass(frozen=True)
class Outcome:
    """What a milter made of a message."""

    status: str
    reply: str
    added: tuple[tuple[str, str], ...]
    """Headers that were not there before, name and value."""


def play(endpoint: str, raw: bytes) -> Outcome:
    """Send one message to a milter."""
    mail = mail_from_bytes(raw, sender=b"<ham@ext.example>", recipients=(Recipient(b"<alice@test.example>"),))
    (report,) = FakeMta(endpoint, timeout=60).session(SessionPlan(client=STRANGER, mails=(mail,))).mails
    return outcome(report)


def outcome(report: MailReport) -> Outcome:
    """Return what became of a message."""
    before = list(report.mail.headers)
    added = []
    for header in report.new_headers:
        if header in before:
            before.remove(header)
        else:
            added.append((header[0].decode(), header[1].decode().strip()))
    return Outcome(report.status, report.reply.decode(), tuple(added))


@contextmanager
def a_box(prefix: str, zone: str | None = None) -> Iterator[Box]:
    """Give a box in a directory of its own that daemons of any user may search; with a network if with DNS."""
    peers.require()
    directory = public_directory(prefix)
    try:
        with Box(directory / "box", zone or "", network=zone is not None) as box:
            yield box
    finally:
        shutil.rmtree(directory)


@contextmanager
def started(*components: Component) -> Iterator[None]:
    """Start components one after another; end them in the opposite order."""
    running: list[Component] = []
    try:
        for component in components:
            running.append(component.start())
        yield
    finally:
        for component in reversed(running):
            component.stop()
