"""The differences between N filters in Postfix and N filters behind one manager that are allowed, each with
its reason.

Each *excuse* explains one connection of the behind side against the direct one, under a condition that is
checked; both are in normal form (``normal``). Whatever is not listed here is a fault.  Protocol §9.10, §6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from postmill.wire.codes import Action, Protocol
from postmill.wire.tables import NO_FLAG
from tests.interop.differential.normal import ABORT, event_of
from tests.interop.differential.observation import Packet
from tests.interop.differential.scenario import Child, Scenario, Step

REFUSING = "rty4"
ASKED_TOGETHER = "CHMT"
CONTENT_EDITS = Action.ADDHDRS | Action.CHGHDRS | Action.CHGBODY


@dataclass(frozen=True)
class Case:
    """What an excuse may look at: the scenario, which child (0-based), and its connection on both sides."""

    scenario: Scenario
    position: int
    direct: tuple[Packet, ...]
    behind: tuple[Packet, ...]


def negotiated_but_never_used(case: Case) -> bool:
    """Postmill negotiates with every child when the MTA does; Postfix reaches child k only at its CONNECT
    (§9.10).
    """
    return not case.direct and {letter for letter, _ in case.behind} <= {"O"}


def told_less_of_a_refused_connection(case: Case) -> bool:
    """When some child refuses the connection, Postfix closes the manager's socket, so the others hear no more
    (§9.10).

    With filters of its own it goes on telling the ones before it of HELO and MAIL, and repeats the refusal.
    A child that failed earlier refuses the connection when HELO comes again (§9.8).
    """
    others = [child for place, child in enumerate(case.scenario.children) if place != case.position]
    refused = any(_may_refuse_connection(child) for child in others)
    failed = any(may_fail(child) and child.on_error != "accept" for child in others)
    if not refused and not (failed and _says_helo_again(case.scenario)):
        return False
    return case.direct[: len(case.behind)] == case.behind


def asked_at_the_same_time(case: Case) -> bool:
    """With ``ask = "parallel"`` a child hears an event that an earlier child refuses at that very moment.

    So it does with the content, if the earlier one cannot edit, and with ``content = "parallel"``.
    """
    earlier, manager = case.scenario.children[: case.position], case.scenario.manager
    if not earlier or "parallel" not in (manager.ask, manager.content):
        return False
    together = ASKED_TOGETHER * (manager.ask == "parallel")
    no_edits = manager.ask == "parallel" and any(not child.actions & CONTENT_EDITS for child in earlier)
    together += "LNBE" * (no_edits or manager.content == "parallel")
    direct, behind = case.direct, case.behind
    if _omits_the_greeting(
        case.scenario
    ):  # a later session without HELO is no link made anew without telling it
        direct, behind = (tuple(each for each in side if each[0] != "(no H)") for side in (direct, behind))
    return _equal_but_for_needless(direct, behind, together)


def _omits_the_greeting(scenario: Scenario) -> bool:
    """Whether some session of the client begins with another command than HELO or EHLO."""
    begins = [step for before, step in pairwise((("connect",), *scenario.client)) if before[0] == "connect"]
    return any(step[0] == "line" and step[1][:4].upper() not in ("HELO", "EHLO") for step in begins)


def quarantined_before_the_content(case: Case) -> bool:
    """After a quarantine before the content Postfix tells filters less of the envelope, but shows them the content.

    Content without MAIL: a libmilter filter does not answer that, so it is not copied (protocol §3.5, §9.9).
    What becomes of the mail is the same, and compared.
    """
    return any(_holds_early(child) for child in case.scenario.children)


def not_connected_before_needed(case: Case) -> bool:
    """A filter that wants no CONNECT is connected when there is something for it.

    What it would have got before is macros only, those of events it does without, and the latest ones it still gets.
    With ``pipeline`` a link that was given up is made anew only then, too.
    """
    flags = case.scenario.children[case.position].protocol
    if not flags & Protocol.NOCONNECT and not case.scenario.manager.pipeline:
        return False
    unwanted = {chr(letter) for letter, flag in NO_FLAG.items() if flags & flag}
    wanted = [
        [each for each in side if event_of(each) not in unwanted] for side in (case.direct, case.behind)
    ]
    return wanted[0] == wanted[1]


def told_nothing_after_a_discard(case: Case) -> bool:
    """Once a filter discards a message, Postfix says nothing more of it to the manager.

    Filters of its own that did not discard hear of unknown commands, and HELO, in what is left of the transaction.
    """
    if not any(_discards(child) for child in case.scenario.children):
        return False
    rest = [tuple(each for each in side if event_of(each) not in "UH") for side in (case.direct, case.behind)]
    told = len(case.behind) - len(rest[1]) <= len(case.direct) - len(rest[0])
    together = case.scenario.manager.ask == "parallel" and case.position > 0
    return told and (
        rest[0] == rest[1] or (together and _equal_but_for_needless(rest[0], rest[1], ASKED_TOGETHER))
    )


def skip_not_taken_beyond_the_event(case: Case) -> bool:
    """After SKIP Postfix leaves out all that follows of the same kind: after one at MAIL, the next message's MAIL too.

    Only RCPT, HEADER and BODY come in rows; Postmill takes the others' SKIP for CONTINUE (protocol §3.2).
    """
    rules = case.scenario.children[case.position].rules
    skipped = {letter for rule in rules for letter in rule.at if ("reply", "s", "") in rule.do} & set("HMTU")
    sides = ((each for each in side if event_of(each) not in skipped) for side in (case.direct, case.behind))
    direct, behind = ([each for each in side if each != ABORT] for side in sides)
    return bool(skipped) and len(case.direct) < len(case.behind) and direct == behind


EXCUSES: tuple[Callable[[Case], bool], ...] = (
    negotiated_but_never_used,
    told_less_of_a_refused_connection,
    asked_at_the_same_time,
    quarantined_before_the_content,
    not_connected_before_needed,
    told_nothing_after_a_discard,
    skip_not_taken_beyond_the_event,
)


def failed_filter_not_asked(
    scenario: Scenario, said: str, direct: bytes | None, behind: bytes | None
) -> bool:
    """While a filter is in a failed state, Postfix refuses commands of which no filter is told (§9.10).

    VRFY, ETRN, AUTH and STARTTLS, and unknown ones if no filter wants them.  Postmill hears nothing of these; they
    change nothing in the transaction.
    """
    untold = said.partition(" ")[0].upper() in ("VRFY", "ETRN", "AUTH", "STARTTLS")
    if (behind or b"").startswith(b"500 "):
        old = scenario.postfix.protocol.startswith("2")
        untold = old or all(
            child.version < 3 or child.protocol & Protocol.NOUNKNOWN for child in scenario.children
        )
    failing = any(map(may_fail, scenario.children))
    return untold and failing and (direct or b"")[:1] in (b"4", b"5")


def excuse_reply(scenario: Scenario, said: str, direct: bytes | None, behind: bytes | None) -> str | None:
    """The name of the excuse that covers this different SMTP reply, if one does."""
    return "failed_filter_not_asked" if failed_filter_not_asked(scenario, said, direct, behind) else None


def excuse(case: Case) -> str | None:
    """The name of the excuse that covers this difference, if one does."""
    return next((allowed.__name__ for allowed in EXCUSES if allowed(case)), None)


def edits_content(child: Child) -> bool:
    """Whether this filter edits what later ones see."""
    return any(is_content_edit(step) for rule in child.rules for step in rule.do)


def is_content_edit(step: Step) -> bool:
    """Whether this answer edits headers or body."""
    return step[0] == "reply" and step[1] in "himb"


def _holds_early(child: Child) -> bool:
    if child.on_error == "quarantine":
        return True
    early = [rule for rule in child.rules if set(rule.at) & set("CHMRTU")]
    return any(step[:2] == ("reply", "q") for rule in early for step in rule.do)


def _says_helo_again(scenario: Scenario) -> bool:
    words = [step[1][:4].upper() for step in scenario.client if step[0] == "line"]
    return "MAIL" in words and any(word in ("HELO", "EHLO") for word in words[words.index("MAIL") :])


def _may_refuse_connection(child: Child) -> bool:
    """Whether this filter refuses, or fails, at OPTNEG, CONNECT or HELO."""
    if child.absent or child.negotiate is not None or child.extra or not child.fit:
        return child.on_error != "accept"
    early = [rule for rule in child.rules if set(rule.at) & set("^OCH*")]
    return any(_refuses(step, child) for rule in early for step in rule.do)


def _discards(child: Child) -> bool:
    return any(step[:2] == ("reply", "d") for rule in child.rules for step in rule.do)


def may_fail(child: Child) -> bool:
    """Whether this filter may come into Postfix's failed state: by closing, or by what is no legal answer."""
    irregular = child.absent or child.negotiate is not None or bool(child.extra) or not child.fit
    legal = {("reply", letter) for letter in "cartdsyphim+-2eqb4"}
    return irregular or any(step[:2] not in legal for rule in child.rules for step in rule.do)


def _refuses(step: Step, child: Child) -> bool:
    if step[0] == "reply" and step[1] in "cadsp":
        return bool(step[2]) and child.on_error != "accept"
    return (step[0] == "reply" and step[1] in REFUSING) or child.on_error != "accept"


def _equal_but_for_needless(direct: tuple[Packet, ...], behind: tuple[Packet, ...], needless: str) -> bool:
    """Whether ``behind`` is ``direct`` with needless events inserted, each with its macros.

    After a needless event in a transaction that goes on comes ABORT, and then MAIL and RCPT are told again: nothing
    new.  ABORTs are compared no more, since a needless MAIL needs one.
    """
    left = [packet for packet in direct if packet[0] != "A"]
    right = [packet for packet in behind if packet[0] != "A"]
    place = 0
    told: set[Packet] = set()
    for packet in right:
        if place < len(left) and packet == left[place]:
            place += 1
            told.add(packet)
        elif event_of(packet) not in needless + "O" and not (event_of(packet) == "R" and packet in told):
            return False
    return place == len(left)
