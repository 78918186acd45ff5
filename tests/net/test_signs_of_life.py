"""PROGRESS keeps the MTA waiting while a child is slow (protocol §7.4), and never splits a body (§3.4)."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import CONTINUE, Delay, Rule, Script, Send
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import frame
from tests.net.hosting import Host

NAP = 2.0
INTERVAL = 0.6
"""A third of the nap, so that two signs come in it; and long enough that no answer at once is late on a busy machine."""
STAGES = "CHUMRTLNBE"
MACROS = {
    "postfix": {b"v": b"Postfix 3.7.11"},
    "sendmail": {b"v": b"8.17.1", b"{if_name}": b"mx"},
    "unknown": {b"j": b"mx"},
}
PIECES = tuple(Send(frame(Reply.REPLBODY, bytes((letter,)) * 65535)) for letter in b"abcdefgh")
HALTING = tuple(step for piece in PIECES for step in (piece, Delay(NAP / len(PIECES))))
SCRIPTS = {stage: Script(rules=[Rule(stage, (Delay(NAP), CONTINUE), nth=1)]) for stage in STAGES}
SCRIPTS["halting body"] = Script(rules=[Rule("E", (*HALTING, CONTINUE))])


@pytest.fixture(scope="module")
def endpoints() -> Generator[Mapping[str, str], None, None]:
    """A service for each slow child; the slow one stands behind a quick one."""
    with ExitStack() as stack:
        quick = stack.enter_context(ScriptedChild())
        host = Host()
        endpoints = {}
        for name, script in SCRIPTS.items():
            child = stack.enter_context(ScriptedChild(script))
            milters = {"quick": {"socket": str(quick.endpoint)}, "slow": {"socket": str(child.endpoint)}}
            endpoints[name] = host.add(milters, progress_interval=f"{INTERVAL}s")
        stack.enter_context(host)
        yield endpoints


def letters_heard(endpoint: str, macros: Mapping[bytes, bytes]) -> dict[str, str]:
    """One message; the letters of all packets that came as the answer to each command."""
    heard = {}
    commands = {
        "C": b"host\x004\x12\x34127.0.0.1\0",
        "H": b"client\0",
        "U": b"XYZZY\0",
        "M": b"<s@x>\0",
        "R": b"<r@x>\0",
        "T": b"",
        "E": b"",
    }
    with FakeMta(endpoint) as mta:
        mta.negotiate()
        for command, payload in commands.items():
            if command == "E":
                mta.header(b"Subject", b" slow")
                mta.end_of_headers()
                mta.body(b"text\r\n")
            head = b""
            if command == "C":
                pairs = b"".join(name + b"\0" + value + b"\0" for name, value in macros.items())
                head = frame(Command.MACRO, b"C" + pairs)
            mta.send_raw(head + frame(ord(command), payload))
            heard[command] = ""
            while not heard[command].endswith("c"):
                heard[command] += chr(mta.receive()[0])
        mta.quit()
    return heard


@pytest.mark.parametrize("mta", MACROS)
def test_progress_is_sent_where_the_mta_takes_it(endpoints: Mapping[str, str], mta: str) -> None:
    with ThreadPoolExecutor(len(STAGES)) as pool:
        sessions = dict(
            zip(STAGES, pool.map(lambda at: letters_heard(endpoints[at], MACROS[mta]), STAGES), strict=True)
        )
    for slow_at, heard in sessions.items():
        shown = "E" if slow_at in "LNB" else slow_at
        for command, letters in heard.items():
            if command == shown and (mta == "postfix" or command == "E"):
                assert letters.startswith("pp"), (slow_at, heard)
            else:
                assert letters == "c", (slow_at, heard)


@pytest.mark.parametrize("mta", MACROS)
def test_a_new_body_goes_up_in_one_run(endpoints: Mapping[str, str], mta: str) -> None:
    letters = letters_heard(endpoints["halting body"], MACROS[mta])["E"]
    assert re.fullmatch("pp+b{8,}c", letters)
