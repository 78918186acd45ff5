"""The order of commands on one connection (protocol §6.1, §6.8).

Strict is what we send: never anything that leaves a libmilter filter silent. Tolerant is what we take: what
Postfix and Sendmail send in their odd moments (protocol §3.5, §9.9) is in order.
Replies do not belong here, except for their effect on what may follow: ``stop_message``, ``stop_session``.
"""

from __future__ import annotations

from enum import IntEnum

from postmill.wire.codes import Command, Protocol
from postmill.wire.tables import EVERY_COMMAND, SINCE_VERSION

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


class Sequence:
    """Where one connection stands, and which command may come next."""

    __slots__ = ("_fresh", "_last", "_strict", "message", "protocol", "stage", "version")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._fresh = True
        self._last = 0
        self.stage = Stage.NEGOTIATION
        self.message = 0
        self.version = 0
        self.protocol = 0

    @property
    def in_message(self) -> bool:
        """Whether a message is open, for a filter that has not left it."""
        return Stage.IDLE < self.stage < Stage.STOPPED

    def problem(self, letter: int) -> str:
        """Say why this command may not come now; nothing if it may."""
        command = Command(letter)
        if SINCE_VERSION.get(letter, 0) > self.version and self.stage > Stage.NEGOTIATION:
            return f"{command.name} does not exist in version {self.version}"
        if command is C.CONNECT and not self._fresh:
            return "CONNECT comes once, before every other event"
        if command not in self._legal():
            return f"{command.name} has no place in stage {self.stage.name}"
        if self._strict:
            return self._strict_problem(command)
        return ""

    def advance(self, letter: int) -> None:
        """Take note of a command without a problem."""
        if letter in (C.MAIL, C.ABORT, C.QUIT_NC):
            self.message += 1
        if letter == C.ABORT or (letter == C.HELO and self._strict):
            self._reset()
        elif letter == C.QUIT_NC:
            self.stage = Stage.IDLE
        elif self.stage is not Stage.STOPPED or letter not in _MESSAGE - {C.BODYEOB}:
            self.stage = _LEADS_TO.get(letter, self.stage)
        if letter not in (C.MACRO, C.OPTNEG):
            self._fresh = letter == C.QUIT_NC
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
        legal = _LEGAL[self.stage]
        if self.stage in (Stage.DATA, Stage.STOPPED) and not self._strict:
            return _ALWAYS  # after a refused DATA, or sent before our verdict arrived
        if self.stage is Stage.IDLE:
            if self.protocol & _NOMAIL:
                return _ALWAYS
            if not self._strict:
                return legal | _CONTENT  # Postfix, when a filter before this one quarantined at MAIL
        return legal

    def _strict_problem(self, command: Command) -> str:
        if command is C.QUIT_NC and self._last not in (C.BODYEOB, C.UNKNOWN):
            return "libmilter heeds QUIT_NC only directly after the end of a message or an UNKNOWN"
        if command in (C.BODY, C.BODYEOB) and self.stage < Stage.EOH and not self.protocol & _NOEOH:
            return f"{command.name} before the EOH that the filter wants leaves libmilter silent"
        return ""
