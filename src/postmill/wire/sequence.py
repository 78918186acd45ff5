"""The order of commands on one connection (protocol §6.1, §6.8).

Strict is what we send: never anything that leaves a libmilter filter silent. Tolerant is what we take: what
Postfix and Sendmail send in their odd moments (protocol §3.5, §9.9) is in order.
Replies do not belong here, except for their effect on what may follow: ``stop_message``, ``stop_session``.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from postmill.wire.codes import Command, Protocol
from postmill.wire.tables import EVERY_COMMAND, NO_FLAG, SINCE_VERSION

C = Command


class Stage(IntEnum):
    """How far the conversation has come."""

    NEGOTIATION = 0
    IDLE = 1
    ENVELOPE = 2
    DATA = 3
    HEADERS = 4
    EOH = 5
    BODY = 6
    STOPPED = 7  # the filter is out of this message
    OVER = 8  # the filter is out of this SMTP session
    ENDED = 9


_NOMAIL, _NOEOH = int(Protocol.NOMAIL), int(Protocol.NOEOH)
_MACRO, _OPTNEG, _CONNECT, _HELO = int(C.MACRO), int(C.OPTNEG), int(C.CONNECT), int(C.HELO)
_ABORT, _QUIT_NC = int(C.ABORT), int(C.QUIT_NC)
_NEW_MESSAGE = frozenset({C.MAIL, C.ABORT, C.QUIT_NC})
_MESSAGE = frozenset({C.RCPT, C.DATA, C.HEADER, C.EOH, C.BODY, C.BODYEOB})
_CONTENT = frozenset({C.HEADER, C.EOH, C.BODY, C.BODYEOB})
_ALWAYS = EVERY_COMMAND - {C.OPTNEG}
_IN_CONTENT = _ALWAYS - {C.CONNECT, C.HELO, C.RCPT, C.DATA, C.UNKNOWN}

_LEGAL: dict[Stage, frozenset[Command]] = {
    Stage.NEGOTIATION: frozenset({C.OPTNEG}),
    Stage.IDLE: _ALWAYS - _MESSAGE,
    Stage.ENVELOPE: _ALWAYS,
    Stage.DATA: _ALWAYS - {C.UNKNOWN},
    Stage.HEADERS: _IN_CONTENT,
    Stage.EOH: _IN_CONTENT - {C.HEADER, C.EOH},
    Stage.BODY: _IN_CONTENT - {C.HEADER, C.EOH},
    Stage.STOPPED: _ALWAYS - _MESSAGE,
    Stage.OVER: frozenset({C.MACRO, C.ABORT, C.QUIT, C.QUIT_NC}),
    Stage.ENDED: frozenset(),
}

_TOLERATED: dict[Stage, frozenset[Command]] = {
    **_LEGAL,
    Stage.IDLE: _LEGAL[Stage.IDLE] | _CONTENT,  # Postfix, when a filter before this one quarantined at MAIL
    Stage.DATA: _ALWAYS,  # after a refused DATA
    Stage.STOPPED: _ALWAYS,  # sent before our verdict arrived
}
_UNHEARD = _MESSAGE - {C.BODYEOB}
"""What does not bring a filter back that is out of the message."""

_LEADS_TO: dict[int, Stage] = {
    C.OPTNEG: Stage.IDLE,
    C.MAIL: Stage.ENVELOPE,
    C.RCPT: Stage.ENVELOPE,
    C.DATA: Stage.DATA,
    C.HEADER: Stage.HEADERS,
    C.EOH: Stage.EOH,
    C.BODY: Stage.BODY,
    C.BODYEOB: Stage.IDLE,
    C.QUIT: Stage.ENDED,
}
_IT_DEPENDS = frozenset({C.OPTNEG, C.CONNECT})
_STRICTLY_IT_DEPENDS = frozenset({C.QUIT_NC, C.BODY, C.BODYEOB})
"""What needs a second look even where it is legal: it depends on what came before."""
AGREEMENTS = 256
"""How many agreements are remembered: each filter has one, which all its sessions come to."""


@lru_cache(AGREEMENTS)
def unwanted_by(version: int, protocol: int) -> frozenset[int]:
    """Return the commands that are not to be sent after this negotiation (protocol §4.2)."""
    unwanted = {letter for letter, flag in NO_FLAG.items() if protocol & flag}
    return frozenset(unwanted | {letter for letter, since in SINCE_VERSION.items() if since > version})


@lru_cache(AGREEMENTS)
def _plain(strict: bool, version: int, protocol: int) -> tuple[frozenset[int], ...]:
    """Return for each stage what may come whatever came before: nearly all that ever comes."""
    unclear = _IT_DEPENDS | unwanted_by(version, protocol) | (_STRICTLY_IT_DEPENDS if strict else frozenset())
    return tuple((_LEGAL if strict else _TOLERATED)[stage] - unclear for stage in Stage)


_NOTHING_PLAIN = (frozenset[int](),) * len(Stage)


class Sequence:
    """Where one connection stands, and which command may come next."""

    __slots__ = ("_fresh", "_last", "_strict", "message", "plain", "protocol", "stage", "version")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._fresh = True
        self._last = 0
        self.stage = Stage.NEGOTIATION
        self.message = 0
        self.version = 0
        self.protocol = 0
        self.plain = _NOTHING_PLAIN
        """For each stage the commands that are wanted and may come; of others ``problem`` tells."""

    @property
    def in_message(self) -> bool:
        """Whether a message is open, for a filter that has not left it."""
        return Stage.IDLE < self.stage < Stage.STOPPED

    def agreed(self, version: int, protocol: int) -> None:
        """The negotiation came to this."""
        self.version, self.protocol = version, protocol
        self.plain = _plain(self._strict, version, protocol)

    def problem(self, letter: int) -> str:
        """Say why this command may not come now; nothing if it may."""
        if SINCE_VERSION.get(letter, 0) > self.version and self.stage > Stage.NEGOTIATION:
            return f"{Command(letter).name} does not exist in version {self.version}"
        if letter == _CONNECT and not self._fresh:
            return "CONNECT comes once, before every other event"
        if letter not in self._legal():
            return f"{Command(letter).name} has no place in stage {self.stage.name}"
        return self._strict_problem(Command(letter)) if self._strict else ""

    def advance(self, letter: int) -> None:
        """Take note of a command without a problem."""
        if letter == _MACRO:
            return
        if letter in _NEW_MESSAGE:
            self.message += 1
        if letter == _ABORT or (letter == _HELO and self._strict):
            self._reset()
        elif letter == _QUIT_NC:
            self.stage = Stage.IDLE
        elif self.stage is not Stage.STOPPED or letter not in _UNHEARD:
            self.stage = _LEADS_TO.get(letter, self.stage)
        if letter != _OPTNEG:
            self._fresh = letter == _QUIT_NC
            self._last = letter

    def stop_message(self) -> None:
        """The filter is out of the message: nothing of it may be sent any more."""
        self.stage = max(self.stage, Stage.STOPPED)

    def stop_session(self) -> None:
        """The filter is out of the SMTP session."""
        self.stage = max(self.stage, Stage.OVER)

    def _reset(self) -> None:
        if Stage.IDLE < self.stage < Stage.OVER:
            self.stage = Stage.IDLE

    def _legal(self) -> frozenset[Command]:
        if self.stage is Stage.IDLE and self.protocol & _NOMAIL:
            return _ALWAYS
        return (_LEGAL if self._strict else _TOLERATED)[self.stage]

    def _strict_problem(self, command: Command) -> str:
        if command is C.QUIT_NC and self._last not in (C.BODYEOB, C.UNKNOWN):
            return "libmilter heeds QUIT_NC only directly after the end of a message or an UNKNOWN"
        if command in (C.BODY, C.BODYEOB) and self.stage < Stage.EOH and not self.protocol & _NOEOH:
            return f"{command.name} before the EOH that the filter wants leaves libmilter silent"
        return ""
