"""What a scripted child does: a pure table from events to steps.

Here belong the steps a filter can take (any bytes, delays, silence, closing …), the rules that choose them
by stage, connection, message and occurrence, and the counting behind those words. No sockets: `child`
carries the steps out, and `postmill milter` uses the same tables. Implements the filter's side of protocol
§2.1 (which command wants a reply), §4.2 (which flag silences it) and §4.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from struct import pack, unpack_from

from postmill.wire.codes import ALL_ACTIONS, VERSION, Command, Reply
from postmill.wire.framing import frame
from postmill.wire.tables import EVENTS, NR_FLAG

ACCEPTED = ord("^")
"""The pseudo event "a connection was accepted, nothing has been read yet"."""

MESSAGE_LETTERS = frozenset(b"MRTLNBE")


@dataclass(frozen=True, slots=True)
class Event:
    """One packet from the MTA, with its place in the conversation.

    `connection` counts from 1 over the life of the child, `message` from 1 within the connection (0 before
    the first MAIL), `nth` from 1 among the events of this letter in the message (outside a message: in the
    connection). `no_reply` is set when the negotiated flags say that this event is not answered.
    """

    connection: int
    message: int
    nth: int
    letter: int
    payload: bytes
    no_reply: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, whatever they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait this many seconds before the next step; packets that arrive meanwhile wait too."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Trickle:
    """Write these bytes one by one, pausing before each."""

    data: bytes
    per_byte_delay: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after what was written has gone out."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Close our writing side only: the MTA sees the end of the stream, we go on reading."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop the connection at once (RST on TCP), losing what was not yet written."""


@dataclass(frozen=True, slots=True)
class StopAnswering:
    """Keep reading and recording on this connection, but never write again."""


@dataclass(frozen=True, slots=True)
class StopReading:
    """Leave the connection open but read nothing more, so that the MTA's writes fill up."""


@dataclass(frozen=True, slots=True)
class Default:
    """What a well-behaved filter without opinions does at this event: `c`, nothing, or close after QUIT."""


Step = Send | Delay | Trickle | Close | HalfClose | Reset | StopAnswering | StopReading | Default
Steps = tuple[Step, ...]
Choice = Steps | Callable[[Event], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class Rule:
    """When `at`, do `steps`. Unset conditions match everything; the first matching rule of a script wins.

    `at` holds command letters (``"M"``, ``"MR"``), ``"^"`` for a fresh connection or ``"*"`` for every
    event that wants a reply. `nth`, `message` and `connection` compare with the counters of `Event`;
    `containing` must occur in the payload. `every` matches each k-th connection, `share` this share (0 to
    1) of them, evenly spread. `steps` may be a function of the event. `forced` sends replies even where a
    no-reply flag was negotiated: a broken filter.
    """

    at: str
    steps: Choice
    nth: int | None = None
    message: int | None = None
    connection: int | None = None
    every: int | None = None
    share: float | None = None
    containing: bytes | None = None
    forced: bool = False

    def matches(self, event: Event) -> bool:
        """Tell whether this rule speaks about `event`."""
        if self.at == "*":
            if event.letter not in EVENTS:
                return False
        elif chr(event.letter) not in self.at:
            return False
        wanted = ((self.nth, event.nth), (self.message, event.message), (self.connection, event.connection))
        if any(want is not None and want != have for want, have in wanted):
            return False
        if self.every is not None and event.connection % self.every:
            return False
        if self.share is not None and not _in_share(event.connection, self.share):
            return False
        return self.containing is None or self.containing in event.payload

    def steps_for(self, event: Event) -> Steps:
        """The steps of this rule at `event`, without replies where a well-behaved filter stays silent."""
        steps = self.steps if isinstance(self.steps, tuple) else tuple(self.steps(event))
        if event.no_reply and not self.forced:
            return tuple(step for step in steps if not isinstance(step, Send | Trickle))
        return steps


def _in_share(connection: int, share: float) -> bool:
    """Whether this is one of the connections that a share, evenly spread, falls on."""
    return floor(connection * share + 1e-9) > floor((connection - 1) * share + 1e-9)


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The answer to the MTA's offer.

    With `fit` (the default) version, actions and protocol are cut down to what was offered, as libmilter
    does; without it they go out as they stand. `extra` is appended to the payload as it is. `steps`
    replaces the whole answer (raw bytes, close, silence).
    """

    version: int = VERSION
    actions: int = ALL_ACTIONS
    protocol: int = 0
    symlists: tuple[tuple[int, bytes], ...] = ()
    fit: bool = True
    extra: bytes = b""
    steps: Steps | None = None

    def answer(self, offer: bytes) -> tuple[Steps, int]:
        """The steps that answer `offer` (the payload of the MTA's `O`), and the protocol flags then in
        force.
        """
        version, actions, protocol = self.version, self.actions, self.protocol
        if self.fit and len(offer) >= 12:
            offered = unpack_from(">III", offer)
            version, actions, protocol = min(version, offered[0]), actions & offered[1], protocol & offered[2]
        if self.steps is not None:
            return self.steps, protocol
        lists = b"".join(pack(">I", stage) + names + b"\0" for stage, names in self.symlists)
        head = pack(">III", version & 0xFFFFFFFF, actions & 0xFFFFFFFF, protocol & 0xFFFFFFFF)
        return (Send(frame(Command.OPTNEG, head + lists + self.extra)),), protocol


CONTINUE = Send(frame(Reply.CONTINUE))


@dataclass(frozen=True, slots=True)
class Script:
    """A scripted child: how it negotiates and, by rules, what it does at each event. Immutable; share it
    freely.

    Without a matching rule every event is answered with CONTINUE, or not at all where a no-reply flag was
    negotiated.
    """

    negotiate: Negotiation = field(default_factory=Negotiation)
    rules: Sequence[Rule] = ()

    def steps_for(self, event: Event) -> Steps:
        """What to do at `event` (not for the OPTNEG exchange without a rule: see `Negotiation.answer`)."""
        for rule in self.rules:
            if rule.matches(event):
                return rule.steps_for(event)
        return (Default(),)

    def with_rules(self, *rules: Rule) -> Script:
        """A copy whose first rules are these."""
        return replace(self, rules=(*rules, *self.rules))


def default_steps(event: Event) -> Steps:
    """What `Default` means at `event`."""
    if event.letter in EVENTS:
        return () if event.no_reply else (CONTINUE,)
    if event.letter in b"DAKO^":
        return ()
    return (Close(),)


class Counter:
    """Numbers the events of one connection and remembers the negotiated flags."""

    def __init__(self, connection: int) -> None:
        self.connection = connection
        self.message = 0
        self.protocol = 0
        self._open = False
        self._seen: dict[int, int] = {}
        self._seen_in_message: dict[int, int] = {}

    def event(self, letter: int, payload: bytes) -> Event:
        """Count this packet and say where it stands."""
        if letter in MESSAGE_LETTERS and (letter == Command.MAIL or not self._open):
            self.message += 1
            self._open = True
            self._seen_in_message = {}
        seen = self._seen_in_message if self._open and letter != Command.MACRO else self._seen
        nth = seen[letter] = seen.get(letter, 0) + 1
        if letter in (Command.BODYEOB, Command.ABORT):
            self._open = False
        if letter == Command.QUIT_NC:
            self.message, self._open, self._seen = 0, False, {}
        no_reply = bool(self.protocol & NR_FLAG.get(letter, 0))
        return Event(self.connection, self.message, nth, letter, payload, no_reply)


__all__ = [
    "ACCEPTED",
    "CONTINUE",
    "Close",
    "Counter",
    "Default",
    "Delay",
    "Event",
    "HalfClose",
    "Negotiation",
    "Reset",
    "Rule",
    "Script",
    "Send",
    "Step",
    "Steps",
    "StopAnswering",
    "StopReading",
    "Trickle",
    "default_steps",
]
