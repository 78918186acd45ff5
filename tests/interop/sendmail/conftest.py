"""The arrangement: one Sendmail with a listener for each way to reach two scripted children."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.script import Script
from tests.interop.postfix import free_port
from tests.interop.sendmail.scripts import in_first_session
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import running
from tests.stack.dialogue import Client, Mail, converse
from tests.stack.mailbox import Mailbox
from tests.stack.manager import Manager
from tests.stack.outcome import Outcome, as_text, masked
from tests.stack.sendmail import Filter, Listener, Sendmail, private_directory

#: How a queue id of Sendmail looks.
QUEUE_ID = re.compile(r"\b\d[A-X][A-Za-z0-9]{6}\d{6,8}\b")

#: The children.
NAMES = ("first", "second")

#: Events of a filter session that mean something; Q and A come when the MTA sees fit (protocol §9.10).
MEANINGFUL = frozenset("CHMRTLNBEU")


@dataclass(frozen=True)
class Arrangement:
    """A running Sendmail, its children by kind of socket, and where the mail goes."""

    sendmail: Sendmail
    children: Mapping[str, Sequence[ScriptedChild]]
    mailbox: Mailbox

    def play(
        self, way: str, scripts: Sequence[Script], steps: Sequence[Mail | str], sockets: str = "unix"
    ) -> Outcome:
        """Hold a conversation on the listener `way` with these scripts in force."""
        for child, script in zip(self.children[sockets], scripts, strict=True):
            child.script = in_first_session(script)
            child.clear()
        self.sendmail.forget()
        replies = converse(self.sendmail.listeners[way].port, Client(), steps)
        for child in self.children[sockets]:
            child.wait_closed(0)
        originals = self.mailbox.take()
        return Outcome(
            [without_ids(f"{reply.said[:60]} -> {reply.code} {reply.text}") for reply in replies],
            [without_ids(as_text(delivery)) for delivery in originals],
            [quarantine(control) for control in self.sendmail.quarantined()],
            originals,
        )

    def heard(self, sockets: str = "unix") -> list[list[str]]:
        """Return what each child was told in the last conversation, body chunks joined."""
        return [told(child) for child in self.children[sockets]]


def without_ids(text: str) -> str:
    """Return `text` without dates, Sendmail's queue ids and the version that it reports for each session."""
    return QUEUE_ID.sub("(queue-id)", masked(text)).replace(" GMT", " (zone)")


def quarantine(control: str) -> str:
    """Return reason, envelope and headers of a quarantined message from its control file."""
    lines = control.splitlines()
    return without_ids("\n".join(line for line in lines if line[:1] in "qSrRH" or line[:1].isspace()))


def told(child: ScriptedChild) -> list[str]:
    """Return the events of a child as text; a port number or queue id is not part of the comparison."""
    events: list[tuple[str, bytes]] = []
    for event in child.events:
        if event.code == "B" and events and events[-1][0] == "B":
            events[-1] = ("B", events[-1][1] + event.payload)
        elif event.code in MEANINGFUL:
            payload = re.sub(rb"\x004..127", b"\x004(port)127", event.payload, flags=re.S)
            events.append((event.code, payload))
    return [without_ids(code + " " + payload.decode("latin-1")) for code, payload in events]


def children_on(kind: str, directory: Path) -> list[ScriptedChild]:
    """Return two scripted children on `kind` of sockets."""
    if kind == "unix":
        return [ScriptedChild(endpoint=f"unix:{directory}/{name}.sock") for name in NAMES]
    return [ScriptedChild(endpoint="inet:0@127.0.0.1") for _ in range(2)]


def manage(directory: Path, children: Mapping[str, Sequence[ScriptedChild]]) -> dict[str, Manager]:
    """Return the managers before these children, not yet started.

    Their breakers stay closed: in one scenario after the other a child fails on purpose.
    """

    def tables(kind: str = "unix", **settings: object) -> dict[str, dict[str, object]]:
        common = {"breaker": {"failures": 1000}, **settings}
        pairs = zip(NAMES, children[kind], strict=True)
        return {name: {"socket": str(child.endpoint), **common} for name, child in pairs}

    return {
        "behind": Manager(directory, tables(), name="behind"),
        "inturn": Manager(directory, tables(pipeline=False), {"ask": "in-turn"}, "inturn"),
        "lenient": Manager(directory, tables(on_error="accept"), name="lenient"),
        "inet": Manager(directory, tables("inet"), name="inet", listen=[f"inet:{free_port()}@127.0.0.1"]),
    }


def filters_for(
    managers: Mapping[str, Manager], children: Mapping[str, Sequence[ScriptedChild]]
) -> dict[str, Filter]:
    """Return the filters: each manager, and each child by itself, also one that may fail unnoticed."""
    filters = {name: Filter(manager.endpoint) for name, manager in managers.items()}
    filters["inet"] = Filter(str(managers["inet"].settings["listen"][1]))
    for kind, suffix, flag in (("unix", "", "T"), ("inet", "inet", "T"), ("unix", "lenient", "")):
        for name, child in zip(NAMES, children[kind], strict=True):
            filters[name + suffix] = Filter(str(child.endpoint), flag)
    return filters


def serve(directory: Path, box: Box, mailbox: Mailbox, filters: Mapping[str, Filter]) -> Sendmail:
    """Return a Sendmail with a listener for the direct ways and for each manager, not yet started."""
    listeners = {
        f"direct{suffix}": Listener([name + suffix for name in NAMES]) for suffix in ("", "inet", "lenient")
    }
    listeners |= {name: Listener([name]) for name in ("behind", "inturn", "lenient", "inet")}
    return Sendmail(directory, box, mailbox.port, filters, listeners)


@pytest.fixture(scope="package")
def arrangement() -> Iterator[Arrangement]:
    """The whole arrangement, once for all tests of this folder."""
    peers.require()
    directory = private_directory()
    children = {kind: children_on(kind, directory) for kind in ("unix", "inet")}
    with contextlib.ExitStack() as opened:
        opened.callback(shutil.rmtree, directory)
        for child in (*children["unix"], *children["inet"]):
            opened.enter_context(child)
        managers = manage(directory, children)
        opened.enter_context(running(managers.values()))
        box = opened.enter_context(Box(directory / "box", network=False))
        mailbox = opened.enter_context(Mailbox())
        sendmail = serve(directory, box, mailbox, filters_for(managers, children))
        yield Arrangement(opened.enter_context(sendmail), children, mailbox)
