"""What a child negotiated is forgotten when it closes a link; a session that relies on it is not hurt."""

from __future__ import annotations

from postmill.testing.mta import FakeMta
from postmill.testing.script import Close, Default, Delay, Rule, Script
from postmill.wire.codes import Command
from postmill.wire.framing import frame
from tests.net.hosting import NO_BREAKER, chain

ACCEPT = {"on_error": "accept", "breaker": NO_BREAKER}
OFFER = frame(Command.OPTNEG, b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")


def begin(endpoint: str) -> FakeMta:
    mta = FakeMta(endpoint).connect()
    mta.negotiate()
    mta.client()
    return mta


def test_forgotten_while_another_child_is_asked() -> None:
    """The first child answers the offer, then closes another session's link while the second still thinks."""
    first = Script(rules=[Rule("U", (Close(),))])
    second = Script(
        rules=[Rule("U", (Close(),), containing=b"BOTH"), Rule("O", (Delay(0.5), Default()), connection=3)]
    )
    with chain(first, second, settings=[ACCEPT, ACCEPT]) as served:
        one, other = begin(served.endpoint), begin(served.endpoint)
        one.unknown(b"BOTH")
        with FakeMta(served.endpoint) as mta:
            mta.send_raw(OFFER)
            served.children[1].wait_for(lambda event: event.connection == 3 and event.code == "O")
            served.children[0].wait_for(lambda event: event.connection == 3 and event.code == "O")
            other.unknown(b"FIRST")
            assert mta.receive()[0] == Command.OPTNEG
            assert mta.client().word == "continue"
            mta.mail()
            mta.rcpt()
            assert mta.end_of_message().word == "continue"
            mta.quit()
        for left in (one, other):
            left.quit()
        for child in served.settled():
            assert child.letters(3) == "OCMRNEQ"
