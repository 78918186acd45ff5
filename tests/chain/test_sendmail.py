"""What the chain does otherwise when the MTA is Sendmail (protocol §3.4, §8, §9.7)."""

from __future__ import annotations

import pytest

from postmill.testing.script import CONTINUE, Rule, Script, Send
from postmill.wire.packets import AddHeader, ChangeHeader, ReplaceBody, ReplyPacket, encode
from tests.chain.playbook import Shell

MULTI = ((b"X-Multi", b"one"), (b"X-Multi", b"two"), (b"X-Multi", b"three"))
CONTINUED = ("c", b"")


def edits(*packets: ReplyPacket) -> Script:
    """A child that edits at the end of the message."""
    return Script(rules=[Rule("E", (*(Send(encode(packet)) for packet in packets), CONTINUE))])


def multi(index: int, value: bytes) -> ChangeHeader:
    return ChangeHeader(index, b"X-Multi", value)


def told(shell: Shell, macros: dict[bytes, bytes] | None = None) -> list[tuple[str, bytes]]:
    """Play one message; return what the MTA is told at its end."""
    shell.open(macros)
    shell.envelope()
    return shell.content(MULTI)


def as_told(*packets: ReplyPacket) -> list[tuple[str, bytes]]:
    return [(chr(encode(packet)[4]), encode(packet)[5:]) for packet in packets] + [CONTINUED]


def seen(shell: Shell, child: str) -> list[bytes]:
    """The header values that a child saw."""
    return [payload.split(b"\0")[1] for letter, payload in shell.seen[child][-1] if letter == "L"]


@pytest.mark.parametrize("macros", [{b"v": b"8.17.1.9"}, {b"{if_name}": b"mx.example"}])
def test_indexes_are_those_of_one_session(macros: dict[bytes, bytes]) -> None:
    """To Sendmail the header that child 1 deleted goes on counting; child 2 has never seen it."""
    shell = Shell([edits(multi(1, b"")), edits(multi(1, b"was two"))])
    assert told(shell, macros) == as_told(multi(1, b""), multi(2, b"was two"))
    assert seen(shell, "m2") == [b"two", b"three"]


def test_postfix_gets_indexes_as_they_are() -> None:
    shell = Shell([edits(multi(1, b"")), edits(multi(1, b"was two"))])
    assert told(shell) == as_told(multi(1, b""), multi(1, b"was two"))


def test_an_added_header_stands_before_the_first_of_its_name() -> None:
    added = AddHeader(b"X-Multi", b"zero")
    shell = Shell([edits(added), edits(multi(1, b"changed"))], mta="sendmail")
    assert told(shell) == as_told(added, multi(1, b"changed"))
    assert seen(shell, "m2") == [b"zero", b"one", b"two", b"three"]


def test_a_header_that_an_earlier_child_deleted_is_revived_by_change() -> None:
    shell = Shell([edits(multi(2, b"")), edits(AddHeader(b"X-Multi", b"new"))], mta="sendmail")
    assert told(shell) == as_told(multi(2, b""), multi(2, b"new"))


def test_one_child_speaks_to_sendmail_in_its_own_words() -> None:
    shell = Shell([edits(multi(1, b""), multi(2, b""), multi(1, b"again"))], mta="sendmail")
    assert told(shell) == as_told(multi(1, b""), multi(2, b""), multi(1, b"again"))


def test_a_new_body_may_come_in_parts_between_other_edits() -> None:
    header = AddHeader(b"X-A", b"1")
    script = edits(ReplaceBody(b"one\r\n"), header, ReplaceBody(b"two\r\n"))
    assert told(Shell([script], mta="sendmail")) == as_told(header, ReplaceBody(b"one\r\ntwo\r\n"))
    assert told(Shell([script]))[-1][0] == "y", "Postfix takes it for a configuration error"
