"""Normal forms of what a filter saw: equal meaning is equal text.

What differs without meaning anything is rewritten on both sides: when an ABORT comes, who closes a connection, and
on how many connections a filter is told the same.  Protocol §6.1, §9.9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile

from tests.interop.differential.observation import ANSWER, Connection, Packet
from tests.interop.differential.scenario import Scenario

ABORT: Packet = ("A", b"")


def aborts_where_they_matter(packets: Sequence[Packet]) -> tuple[Packet, ...]:
    """Keep one ABORT for each message that was cut short, directly before what follows it; drop all others.

    Postfix sends one after finished messages too, two when HELO was given, and keeps them in its buffer until
    the next event (protocol §1.3, §6.1): number and moment of an ABORT say nothing.  That a message which a
    filter has begun and not yet judged ends for it by ABORT before the next one begins: that must be the
    same.
    """
    result: list[Packet] = []
    event = ""
    is_open = aborted = False
    for letter, payload in packets:
        if letter == "A":
            aborted = is_open
        elif letter == ANSWER:
            is_open = is_open and not _ends_message(event, payload)
        else:
            if aborted and letter not in "DH":
                result.append(ABORT)
                is_open = aborted = False
            is_open = is_open or letter in "MRLNBE"
            event = letter if letter != "D" else event
            result.append((letter, payload))
    return tuple(result) + ((ABORT,) if aborted else ())


def _ends_message(event: str, answer: bytes) -> bool:
    """Whether this answer to this event is the filter's last word on the message."""
    if event == "E":
        return answer in (b"c", b"a", b"r", b"t", b"d", b"y", b"s", b"4")
    return answer in b"ad" or (event in "MLNB" and answer in b"rty4")


def without_goodbye(packets: Sequence[Packet]) -> tuple[Packet, ...]:
    """Drop QUIT at the very end: after it or without it the connection closes (protocol §9.9: EOF equals
    QUIT).

    With it goes the ABORT before it: a closing connection ends every message.
    """
    rest = list(packets)
    while rest and rest[-1][0] in "QA":
        rest.pop()
    return tuple(rest)


def normal_form(connection: Connection) -> tuple[Packet, ...]:
    """Apply all normal forms."""
    return without_goodbye(aborts_where_they_matter(connection.packets))


def sessions(scenario: Scenario, connections: Sequence[Connection]) -> list[tuple[Packet, ...]]:
    """What a filter saw, session by session, in normal form."""
    parts = [part for connection in connections for part in _as_if_never_kept(connection)]
    forms = [normal_form(link) for link in _as_if_never_given_up(scenario, parts)]
    return sorted(_messages(forms)) if scenario.concurrent else forms


def _messages(forms: Sequence[tuple[Packet, ...]]) -> Iterator[tuple[Packet, ...]]:
    """Cut sessions before each MAIL: which of those side by side got how many of the messages is left to chance."""
    for form in forms:
        marked = [event_of(packet) == "M" for packet in form]
        cuts = [at for at, (before, here) in enumerate(pairwise((False, *marked))) if here and not before]
        for begin, end in pairwise((0, *cuts, len(form))):
            yield form[begin:end]


def _as_if_never_kept(connection: Connection) -> list[Connection]:
    """Cut where QUIT_NC ended a session (protocol §6.8): the next one is told nothing of the negotiation.

    A filter that does without UNKNOWN may have been told one before.
    """
    packets = list(connection.packets)
    negotiation = packets[
        : next((at for at, each in enumerate(packets) if each[0] not in f"O{ANSWER}"), None)
    ]
    parts: list[list[Packet]] = [[]]
    for packet in packets:
        if packet[0] == "K":
            parts.append(list(negotiation))
        else:
            parts[-1].append(packet)
    *ended, last = parts
    if ended and list(without_goodbye(last)) == negotiation:
        return [Connection(tuple(_without_probe(part))) for part in ended]
    return [Connection(tuple(part)) for part in (*map(_without_probe, ended), last)]


def _without_probe(packets: list[Packet]) -> list[Packet]:
    return packets[:-2] if packets[-2:-1] == [("U", b"XPROBE\0")] else packets


def _as_if_never_given_up(scenario: Scenario, connections: Sequence[Connection]) -> list[Connection]:
    """One CONNECT, and HELO only where it is new.

    ``pipeline``: a filter that is handed a message in one burst may read on behind its verdict, or its SKIP; that link
    is given up then, and the next message comes on a new one.  ``ask`` and ``content``: so is the link of one that was
    asked in vain.
    """
    given_up = scenario.manager.pipeline or "parallel" in (scenario.manager.ask, scenario.manager.content)
    if not given_up or scenario.concurrent:
        return list(connections)
    links = [connection.packets for connection in connections]
    if scenario.manager.pipeline:
        links = [tuple(_without_rest_of_bursts(packets)) for packets in links]
    joined = [*links[0]] if links else []
    for before, packets in pairwise(links):
        joined = [*without_goodbye(joined), ABORT, *_continued(before, packets)]
    return [Connection(tuple(joined))] if joined else []


def _continued(before: Sequence[Packet], packets: Sequence[Packet]) -> list[Packet]:
    """Return what was new on a link after ``before``; what should have been told again, but was not, is named."""
    opening = list(takewhile(lambda packet: event_of(packet) in f"OCH{ANSWER}", packets))
    told = {letter: [packet for packet in before if packet[0] == letter][-1:] for letter in "CH"}
    again = {letter: [packet for packet in opening if packet[0] == letter][:1] for letter in "CH"}
    rest = packets[len(opening) :]
    asked = any(letter not in "AQ" for letter, _ in rest)
    lacking = [(f"(no {letter})", b"") for letter in "CH" if asked and told[letter] and not again[letter]]
    known = opening.index(again["H"][0]) + 1 if again["H"] and again["H"] == told["H"] else 0
    new = [packet for packet in opening[known:] if event_of(packet) == "H"]
    return [*lacking, *new, *rest]


def _without_rest_of_bursts(packets: Sequence[Packet]) -> list[Packet]:
    result: list[Packet] = []
    event = skipped = ""
    over = held = False
    for letter, payload in packets:
        if letter != ANSWER:
            event = event_of((letter, payload))
            if event not in "LNBE":
                over, held, skipped = False, False, ""
        if event in "LNBE" and (over or event == skipped):
            continue
        result.append((letter, payload))
        if letter == ANSWER and event in "LNB":
            over = payload not in (b"c", b"p", b"s", b"q") or (held and payload == b"c")
            held = held or payload == b"q"
            skipped = event if payload == b"s" and event != "N" else skipped
    return result


def event_of(packet: Packet) -> str:
    """The letter of the event that a packet belongs to: macros belong to the one behind them."""
    letter, payload = packet
    return payload[:1].decode("latin-1") if letter == "D" else letter
