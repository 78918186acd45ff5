"""Where Postmill differs from Postfix on purpose: each difference with the scenario that says what it does instead.

Behind Postmill, ``given`` must look as ``like`` looks with the filters listed in Postfix.  So the differences of
docs/differences.md are tested as strictly as the sameness, and nothing hides behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from postmill.wire.codes import Protocol
from tests.interop.differential.dialogues import (
    MANY_HEADERS,
    MESSAGE,
    ONE_MESSAGE,
    QUIT,
    TWO_MESSAGES,
    ehlo,
    transaction,
)
from tests.interop.differential.families import SHORT
from tests.interop.differential.observation import Observation
from tests.interop.differential.plays import (
    CONTINUE,
    add_header,
    change_header,
    insert_header,
    quarantine,
    replace_body,
    reply,
    rule,
)
from tests.interop.differential.scenario import Child, ManagerSettings, Scenario, Step

PLAIN = Child()
UNKNOWN_OUTSIDE = (ONE_MESSAGE[0], ("line", "XYZZY"), *ONE_MESSAGE[1:])


@dataclass(frozen=True)
class Documented:
    """One difference.  ``turned`` if ``like`` lists its filters the other way round."""

    given: Scenario
    like: Scenario
    reason: str
    turned: bool = False
    only_outside: bool = False

    def as_given(self, direct: Observation) -> Observation:
        """What was seen of ``like``, with the filters in the order of ``given``."""
        children = direct.children[::-1] if self.turned else direct.children
        return replace(direct, children=children)


def everything() -> Iterator[Documented]:
    """All of them."""
    for make in (
        _quarantine,
        _lost_edits,
        _shutdown,
        _unknown,
        _reply_texts,
        _sloppy_packets,
        _received,
        _failures,
        _independent,
        _byte_by_byte,
    ):
        yield from make()


def _pair(
    name: str,
    given: tuple[Child, ...],
    like: tuple[Child, ...],
    reason: str,
    client: tuple[Step, ...] = TWO_MESSAGES,
    *,
    turned: bool = False,
    only_outside: bool = False,
    manager: ManagerSettings | None = None,
) -> Documented:
    return Documented(
        Scenario(f"documented-{name}", given, client, manager=manager or ManagerSettings()),
        Scenario(f"documented-{name}-like", like, client),
        reason,
        turned,
        only_outside,
    )


def _at(stage: str, *steps: Step, **more: str) -> Child:
    number = None if stage in "CHU" else 1
    return replace(Child((rule(stage, *steps, nth=1, message=number),)), **more)  # type: ignore[arg-type]


def _quarantine() -> Iterator[Documented]:
    reason = "later filters see a quarantined message all the same"
    holder = _at("E", quarantine(), CONTINUE)
    for stage in "MRTLNBE":
        given = (_at(stage, quarantine(), CONTINUE), PLAIN)
        yield _pair(f"quarantine-{stage}", given, (PLAIN, holder), reason, turned=True)
    refuser = _at("E", reply("r"))
    yield _pair("quarantine-refused", (holder, refuser), (refuser, holder), reason, only_outside=True)
    marker = Child((rule("E", add_header("X-A", "1"), CONTINUE),))
    yield _pair("quarantine-edited", (holder, marker), (marker, holder), reason, only_outside=True)
    always = Child((rule("E", quarantine("default_action"), CONTINUE),))
    for stage in "MRTE":
        dying = _at(stage, ("close",), on_error="quarantine")
        lost = "mail that a lost filter would have held is held, and shown to the others"
        yield _pair(f"quarantine-lost-{stage}", (dying, PLAIN), (PLAIN, always), lost, only_outside=True)


def _lost_edits() -> Iterator[Documented]:
    reason = "a filter that dies before its final answer has edited nothing"
    edits = (add_header("X-A", "1"), replace_body("half"))
    for number in (1, 2):
        given = _at("E", *edits[:number], ("close",), on_error="accept")
        like = _at("E", ("close",), on_error="accept")
        yield _pair(f"lost-edits-{number}", (given, PLAIN), (like, PLAIN), reason)


def _shutdown() -> Iterator[Documented]:
    text = "421 4.7.0 Service unavailable - try again later\0"
    for stage in "LNBE":
        like = (_at(stage, reply("y", text)), PLAIN)
        reason = "SHUTDOWN during the content is a 421 instead of lost mail"
        yield _pair(f"shutdown-{stage}", (_at(stage, reply("4")), PLAIN), like, reason)


def _unknown() -> Iterator[Documented]:
    for letter in "ad":
        given = (_at("U", reply(letter)), PLAIN)
        reason = "outside a message ACCEPT and DISCARD mean CONTINUE at UNKNOWN"
        yield _pair(f"unknown-{letter}", given, (PLAIN, PLAIN), reason, UNKNOWN_OUTSIDE)


MALFORMED_TEXTS = {
    "no-end": "550 5.7.1 no NUL",
    "two-nuls": "550 5.7.1 one\0two\0",
    "other-code": "550-5.7.1 a\r\n450 4.7.1 b\0",
    "bare-lf": "550-5.7.1 a\n550 5.7.1 b\0",
    "no-last-line": "550-5.7.1 a\r\n550-5.7.1 b\0",
    "line-end": "550 5.7.1 a\r\n\0",
}


def _reply_texts() -> Iterator[Documented]:
    for name, text in MALFORMED_TEXTS.items():
        for stage in "RE":
            given = (_at(stage, reply("y", text)), PLAIN)
            like = (_at(stage, reply("y", "999 never\0")), PLAIN)
            reason = "a malformed reply text is a configuration error of the filter"
            yield _pair(f"reply-{name}-{stage}", given, like, reason)


def _sloppy_packets() -> Iterator[Documented]:
    lenient = "data behind a bare reply is ignored"
    for letter in "cards":
        for stage in "ME":
            given = (_at(stage, reply(letter, "extra")), PLAIN)
            yield _pair(f"extra-{letter}-{stage}", given, (_at(stage, reply(letter)), PLAIN), lenient)
    waiting = (_at("M", reply("p", "extra"), CONTINUE), PLAIN)
    yield _pair("extra-p-M", waiting, (PLAIN, PLAIN), lenient)
    surplus = (_at("M", ("raw", "00000001630000000163")), PLAIN)
    closed = (_at("M", ("close",)), PLAIN)
    reason = "a second answer to one event is a fault of the filter"
    yield _pair("two-answers", surplus, closed, reason, only_outside=True)
    nameless = (_at("E", change_header(1, "", "x"), CONTINUE), PLAIN)
    for name, header in (("colon", "X:Y"), ("no-name", "")):
        given = (_at("E", add_header(header, "v"), CONTINUE), PLAIN)
        yield _pair(f"header-{name}", given, nameless, "no header with such a name is written")
    given = (_at("E", add_header("X-A", "one\r\n two"), CONTINUE), PLAIN)
    like = (_at("E", add_header("X-A", "one\n two"), CONTINUE), PLAIN)
    yield _pair("header-crlf", given, like, "line ends in header values become LF", MANY_HEADERS)


def _received() -> Iterator[Documented]:
    """The mail is the same; only what the second filter is shown is not."""
    like_postfix_begins_its_own = insert_header(0, "Received", "from")
    first = _at("E", like_postfix_begins_its_own, change_header(1, "Received", ""), CONTINUE)
    reason = "Postfix takes a Received that is cut off like this for its own"
    yield _pair("received", (first, PLAIN), (first, PLAIN), reason, MANY_HEADERS, only_outside=True)


def _failures() -> Iterator[Documented]:
    """A failed filter refuses from the next command on that some filter wants, with the same words."""
    reason = "Postmill is told only of what some filter wants, so a failure cannot show before"
    no_data, no_mail = int(Protocol.NODATA), int(Protocol.NOMAIL)
    nothing = no_data | no_mail | int(Protocol.NORCPT)
    failing = reply("t")
    recipients = (
        ehlo(),
        *transaction(MESSAGE, "a@example.com", "user1@example.org", "user2@example.org"),
        QUIT,
    )
    given = (Child((rule("R", ("close",), containing="user2"),), protocol=no_data), Child(protocol=no_data))
    refusals = (rule("R", failing, containing="user2"), rule("E", failing))
    like = (Child(refusals, protocol=no_data), Child(protocol=no_data))
    yield _pair("failed-data", given, like, reason, recipients, only_outside=True)
    twice = (ehlo(), *transaction(), *transaction(MESSAGE, "b@example.com", "user2@example.org"), QUIT)
    given = (Child((rule("E", ("close",)),), protocol=no_mail), Child(protocol=no_mail))
    like = (Child((rule("R", failing, containing="user2"), rule("E", failing)), protocol=no_mail), *given[1:])
    yield _pair("failed-mail", given, like, reason, twice, only_outside=True)
    given = (Child((rule("E", ("close",)),), protocol=nothing), Child(protocol=nothing))
    like = (Child((rule("E", failing),), protocol=nothing), Child(protocol=nothing))
    yield _pair("failed-content", given, like, reason, twice, only_outside=True)


def _independent() -> Iterator[Documented]:
    """With ``content = "parallel"`` a filter sees the message as it came, and the edits of all are made in order."""
    manager = ManagerSettings(content="parallel")
    edits = {
        "headers": (add_header("X-A", "1"), insert_header(0, "X-Top", "1"), change_header(1, "Subject", "")),
        "body": (replace_body("one\r\n"),),
    }
    for name, steps in edits.items():
        first = Child((rule("E", *steps, CONTINUE),))
        unseen = "a filter that is independent does not see the edits of those before it"
        yield _pair(
            f"independent-{name}",
            (first, PLAIN),
            (PLAIN, first),
            unseen,
            MANY_HEADERS,
            turned=True,
            manager=manager,
        )
        others = (replace_body("two\r\n"), change_header(4, "X-A", "another"), add_header("X-A", "2"))
        both = (first, Child((rule("E", *others, CONTINUE),)))
        order = "the edits of independent filters are made in configured order"
        yield _pair(
            f"independent-{name}-both", both, both, order, MANY_HEADERS, only_outside=True, manager=manager
        )


def _byte_by_byte() -> Iterator[Documented]:
    """The time limit is for a whole answer; in Postfix each byte starts it anew (protocol §7.1)."""
    for stage in "ME":
        late = (_at(stage, ("trickle", "0000000163", "0.9")), PLAIN)
        never = (_at(stage, ("mute",)), PLAIN)
        pair = _pair(
            f"bytewise-{stage}", late, never, "an answer in pieces has one time limit", only_outside=True
        )
        yield replace(pair, given=replace(pair.given, postfix=SHORT), like=replace(pair.like, postfix=SHORT))
