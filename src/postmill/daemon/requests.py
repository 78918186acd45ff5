"""What may be asked over the control socket (docs/control.md): the commands, their members, the answers.

Here is only the form. Who performs a command is ``operations``; sockets are in ``control`` and ``asking``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from postmill.api.kinds import Choice, Flag, Kind, Text
from postmill.daemon.lines import Message
from postmill.errors import ConfigError, NotPermittedError, PostmillError, RequestError, UnavailableError

ON_BEHALF_OF = Text(r"[^\x00-\x1f\x7f]{0,64}", "a name of at most 64 characters")
"""For whom an operator asks, where that is a program that others use, such as the dashboard."""
VERSION = 1
"""Grows when what is there changes its meaning; new members of answers and new commands leave it alone."""
MOST_BYTES = 4096
"""How long a request may be."""
RESET = "reset"
"""Instead of a log level: the one of the configuration file."""

MODES = Choice(("enforce", "evaluate", "off"))
LEVELS = Choice(("debug", "info", "warning", "error", RESET))


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its members with their kinds, and what they are when absent; one without must be given."""

    members: Mapping[str, Kind]
    defaults: Mapping[str, Any]
    only_looks: bool = False
    """Whoever reaches the socket may use it."""


_WAIT = {"wait": False}
COMMANDS: Mapping[str, Command] = {
    "status": Command({}, {}, only_looks=True),
    "enable": Command({"milter": Text()}, {}),
    "disable": Command({"milter": Text()}, {}),
    "mode": Command({"milter": Text(), "mode": MODES}, {}),
    "reload": Command({"reset": Flag()}, {"reset": False}),
    "log-level": Command({"level": LEVELS}, {}),
    "drain": Command({"wait": Flag()}, _WAIT),
    "stop": Command({"now": Flag(), "wait": Flag()}, {"now": False, **_WAIT}),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request that has its right form."""

    command: str
    values: Mapping[str, Any]
    on_behalf_of: str = ""

    @property
    def only_looks(self) -> bool:
        """Whether it changes nothing."""
        return COMMANDS[self.command].only_looks

    def __str__(self) -> str:
        """The command and its values, as it is logged."""
        given = [name if value is True else str(value) for name, value in self.values.items() if value]
        return " ".join([self.command, *given])


def request_of(message: Message) -> Request:
    """Check a message; raises RequestError, with the nearest spelling."""
    members = dict(message)
    version = members.pop("version", VERSION)
    if version != VERSION:
        raise RequestError(f"version {version!r} of the control protocol: this is version {VERSION}")
    name = members.pop("command", None)
    if not isinstance(name, str) or name not in COMMANDS:
        raise RequestError(f"there is no command {name!r}; {nearest(str(name), COMMANDS)}")
    command = COMMANDS[name]
    on_behalf_of = (
        "" if command.only_looks else _parsed(ON_BEHALF_OF, "on_behalf_of", members.pop("on_behalf_of", ""))
    )
    for member in members:
        if member not in command.members:
            raise RequestError(f"{name} has no member {member!r}; {nearest(member, command.members)}")
    given = {**command.defaults, **members}
    values = {member: _value(name, member, given) for member in command.members}
    return Request(name, values, on_behalf_of)


def _value(name: str, member: str, given: Mapping[str, Any]) -> Any:
    kind = COMMANDS[name].members[member]
    if member not in given:
        raise RequestError(f"{name} needs the member {member!r}: {kind.allowed}")
    return _parsed(kind, member, given[member])


def _parsed(kind: Kind, member: str, raw: Any) -> Any:
    try:
        return kind.parse(raw)
    except ValueError:
        raise RequestError(f"{member} must be {kind.allowed}, not {raw!r}") from None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what somebody may have meant, else what there is."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(words) or 'none'}"


def done(result: Message) -> Message:
    """Return the answer to a request that was carried out."""
    return {"version": VERSION, "ok": True, "result": result}


def refused(error: PostmillError) -> Message:
    """Return the answer to one that was not."""
    return {"version": VERSION, "ok": False, "error": {"status": error.exit_status, "text": str(error)}}


def error_of(answer: Message) -> PostmillError:
    """Return the error that ``refused`` was told of."""
    kinds = {kind.exit_status: kind for kind in (RequestError, NotPermittedError, UnavailableError)}
    status, text = answer["error"]["status"], answer["error"]["text"]
    if status == ConfigError.exit_status:
        return ConfigError(text)
    return kinds.get(status, PostmillError)(text)
