"""Conditions: whether a milter is to be asked about a mail, decided as soon as enough is known.

A condition is a function of a noun; the noun's type says at which stage it is asked::

    @condition("remote-network", Settings)
    def remote_network(client: Client, settings: Settings) -> Applies:
        if client.ip is not None and any(client.ip in net for net in settings.local):
            return Skip(f"{client.ip} is in a local network")
        return Apply()

Several nouns joined by ``|`` ask it at each of their stages; it answers None where it cannot tell yet. One
that takes ``Recipient | Envelope`` is asked about each recipient, and in the end about all. ``async def`` is
for what waits. Ports come by annotation. One that raises is a failure of its milter: ``on_error`` decides.

``@condition`` makes a value; nothing is registered anywhere. Whoever loads a module collects what it holds.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from postmill.api.nouns import NOUNS, Noun, Recipient
from postmill.api.ports import Clock, Load, Resolver, Verdicts
from postmill.api.settings import check_settings

PORTS: tuple[type[Any], ...] = (Resolver, Clock, Load, Verdicts)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Apply:
    """Ask the milter. ``macros`` are handed to it from this stage on, names without braces."""

    because: str = ""
    macros: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the milter out: of the connection if that is known at its beginning, else of the message."""

    because: str


Applies = Apply | Skip
Answer = Applies | None
"""None: not known yet at this stage."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as a value: its name in the configuration, its settings' class, its function."""

    name: str
    function: Callable[..., Answer | Awaitable[Answer]]
    settings: type[Any] | None
    nouns: tuple[type[Noun], ...]
    """Stages at which it is asked, in order; at the last it must decide."""
    ports: Mapping[str, type[Any]]
    """Parameter name to the port it wants."""
    waits: bool = False
    """It is a coroutine function, so that asking it returns an awaitable."""

    @property
    def doc(self) -> str:
        """What it is for, in the author's words."""
        return inspect.cleandoc(self.function.__doc__ or "")

    def ask(self, noun: Noun, settings: Any, ports: Mapping[type[Any], Any]) -> Answer | Awaitable[Answer]:
        """Call the function; ``ports`` must hold what it wants."""
        wanted = {name: ports[port] for name, port in self.ports.items()}
        if self.settings is not None:
            return self.function(noun, settings, **wanted)
        return self.function(noun, **wanted)


@dataclass(frozen=True, slots=True)
class Use:
    """A condition as one milter uses it: with its settings, or as its opposite."""

    name: str
    """What the configuration calls it here: the condition's own name, or that of a table."""
    condition: Condition
    settings: Any = None
    negated: bool = False

    def __str__(self) -> str:
        return f"not {self.name}" if self.negated else self.name

    def meaning(self, answer: Applies) -> Applies:
        """Return what an answer of the condition means for the milter."""
        if not self.negated:
            return answer
        if isinstance(answer, Skip):
            return Apply(answer.because)
        return Skip(answer.because or f"{self.name} holds")


def condition(
    name: str, settings: type[Any] | None = None
) -> Callable[[Callable[..., Answer | Awaitable[Answer]]], Condition]:
    """Make a condition of a function.

    ``name`` is what the configuration calls it; ``settings`` a frozen dataclass whose fields are declared
    with ``key`` and ``required``. Raises TypeError when name or signature are not those of a condition.
    """
    if not _NAME.fullmatch(name):
        raise TypeError(f"{name!r} is no name for a condition: lower-case words joined by '-'")
    if settings is not None:
        check_settings(settings, f"condition {name}")

    def make(function: Callable[..., Answer | Awaitable[Answer]]) -> Condition:
        nouns, ports = _read_signature(name, function, settings)
        return Condition(name, function, settings, nouns, ports, inspect.iscoroutinefunction(function))

    return make


def _read_signature(
    name: str, function: Callable[..., Any], settings: type[Any] | None
) -> tuple[tuple[type[Noun], ...], Mapping[str, type[Any]]]:
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise TypeError(f"condition {name}: {error} in its annotations") from error
    parameters = list(inspect.signature(function).parameters)
    expected = 1 if settings is None else 2
    if len(parameters) < expected:
        raise TypeError(f"condition {name}: takes {_first_parameters(settings)}, and ports after that")
    nouns = _nouns(hints.get(parameters[0]))
    if not nouns:
        known = ", ".join(noun.__name__ for noun in NOUNS)
        raise TypeError(f"condition {name}: its first parameter must be annotated with one of {known}")
    if nouns[-1] is Recipient:
        raise TypeError(
            f"condition {name}: who asks about recipients must say what holds for all of them in the end: "
            "annotate its first parameter with Recipient | Envelope"
        )
    if settings is not None and hints.get(parameters[1]) is not settings:
        raise TypeError(f"condition {name}: its second parameter must be annotated {settings.__name__}")
    ports: dict[str, type[Any]] = {}
    for parameter in parameters[expected:]:
        port = hints.get(parameter)
        if port not in PORTS:
            known = ", ".join(port.__name__ for port in PORTS)
            raise TypeError(f"condition {name}: parameter {parameter} is no port; there are {known}")
        ports[parameter] = port
    return nouns, ports


def _first_parameters(settings: type[Any] | None) -> str:
    return "a noun" if settings is None else f"a noun and its {settings.__name__}"


def _nouns(hint: Any) -> tuple[type[Noun], ...]:
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in parts or not all(part in NOUNS for part in parts):
        return ()
    return tuple(noun for noun in NOUNS if noun in parts)
