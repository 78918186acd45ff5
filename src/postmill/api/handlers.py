"""One handler of a milter: what its signature says, and whether it is that of a handler.

How a milter is put together of handlers is ``api.milter``, and what is said with them there.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from postmill.api.edits import EDITS, Recording
from postmill.api.nouns import NOUNS, Client, Greeting, Message, Noun
from postmill.api.ports import Clock, Load, Resolver, Store
from postmill.api.verdicts import Discard, Quarantine, Verdict

VERDICTS: tuple[type[Verdict], ...] = get_args(Verdict)
PORTS: tuple[type[Any], ...] = (Resolver, Clock, Load, Store)
"""What a handler may ask of the world."""
AWAITED: tuple[type[Any], ...] = (Resolver, Store)
"""Those of them that only a coroutine can ask."""


@dataclass(frozen=True, slots=True)
class Handler:
    """One handler: its function, the noun it is asked about, and the type of each further parameter."""

    function: Callable[..., Any]
    noun: type[Noun]
    wants: Mapping[str, type[Any]]
    waits: bool
    """It is a coroutine function; others run in a thread."""
    at_once: bool
    """It is one that awaits nothing, and so is done as soon as it is begun."""
    edits: type[Recording] | None
    decides: bool = True
    """It may return a verdict; one that is annotated to return None has none, and nobody waits for it."""
    where: Callable[[Any], bool] | None = None
    """Whether it is there at all, by what ``prepare`` made or, without one, by the settings."""

    @property
    def name(self) -> str:
        """What its author called it."""
        return self.function.__name__

    def check(self, verdict: Any) -> None:
        """Raise TypeError, which names the handler, for what it may not return."""
        if not isinstance(verdict, VERDICTS):
            raise TypeError(f"handler {self.name} returned {verdict!r}, which is no verdict")
        if not self.decides:  # nobody may be waiting for it
            raise TypeError(f"handler {self.name} is annotated to return None, and returned {verdict!r}")
        if words := _misplaced(type(verdict), self.noun):
            raise TypeError(f"handler {self.name}: {words}")


def read_handler(
    function: Callable[..., Any], own: Iterable[Any], where: Callable[[Any], bool] | None
) -> Handler:
    """Return the handler that a function is; ``own`` are the types of what the milter has for its handlers.

    Raises TypeError when its signature is not that of one.
    """
    hints = hints_of(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("it returns its verdict, and does not yield")
    first, *others = _parameters(function) or ("",)
    noun = hints.get(first)
    if noun not in NOUNS:
        known = ", ".join(noun.__name__ for noun in NOUNS)
        raise TypeError(f"its first parameter must be annotated with one of {known}")
    returned = _returned(hints, noun)
    offered = [*own, *PORTS, *EDITS]
    wants = {name: _wanted(name, hints.get(name), offered) for name in others}
    waits = inspect.iscoroutinefunction(function)
    if not waits and any(port in AWAITED for port in wants.values()):
        raise TypeError("Resolver and Store are awaited: make it async def")
    return Handler(
        function,
        noun,
        wants,
        waits,
        at_once=_is_done_at_once(function),
        edits=_edits(noun, wants),
        decides=returned != {NoneType},
        where=where,
    )


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what the annotations of a function mean; raises TypeError when one means nothing."""
    try:
        return get_type_hints(function)
    except NameError as error:
        raise TypeError(f"{error} in its annotations") from error


def type_name(kind: Any) -> str:
    """Return a type as it is written, ``dict[str, int]`` say."""
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of its parameters; TypeError unless the first goes by place, the others by name."""
    found = list(inspect.signature(function).parameters.values())
    for parameter in found[:1]:
        if parameter.kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(f"its first parameter {parameter} must not be given by name alone")
    for parameter in found[1:]:
        if parameter.kind not in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
            raise TypeError(f"parameter {parameter} must be one that can be given by name")
    return [parameter.name for parameter in found]


def _returned(hints: Mapping[str, Any], noun: type[Noun]) -> set[Any]:
    """Return the types that a handler is annotated to return; TypeError where one has no place."""
    hint = hints.get("return", Verdict)
    returned = set(get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,))
    if wrong := [kind for kind in returned if kind not in (*VERDICTS, NoneType, Any)]:
        raise TypeError(f"it returns {type_name(wrong[0])}, which is no verdict: annotate Verdict | None")
    for kind in () if returned >= {*VERDICTS} else returned:
        if words := _misplaced(kind, noun):
            raise TypeError(words)
    return returned


def _misplaced(verdict: Any, noun: type[Noun]) -> str:
    """Say why a verdict has no place at a stage; empty where it has."""
    if verdict is Quarantine and noun is not Message:
        return "only a whole message can be held"
    if verdict is Discard and noun in (Client, Greeting):
        return "only a message can be discarded, not a connection"
    return ""


def _wanted(parameter: str, hint: Any, offered: Iterable[Any]) -> type[Any]:
    if hint is None or hint not in offered:
        known = ", ".join(map(type_name, offered))
        raise TypeError(f"parameter {parameter} must be annotated with one of {known}")
    return hint  # type: ignore[no-any-return]


def _edits(noun: type[Noun], wants: Mapping[str, type[Any]]) -> type[Recording] | None:
    edits = [wanted for wanted in wants.values() if wanted in EDITS]
    if edits and noun in (Client, Greeting):
        raise TypeError(f"there is no message to edit yet when a {noun.__name__} is known")
    if len(edits) > 1:
        raise TypeError("one parameter for edits is enough; Edit has all of them")
    return edits[0] if edits else None


def _is_done_at_once(function: Callable[..., Any]) -> bool:
    """Tell whether calling it gives a coroutine that can wait for nothing.

    Only YIELD_VALUE lets one wait: every ``await``, ``async for`` and ``async with`` comes to it. What is no
    plain ``async def``, something compiled say, may do what it will.
    """
    if not (inspect.isfunction(function) and function.__code__.co_flags & inspect.CO_COROUTINE):
        return False
    return all(step.opname != "YIELD_VALUE" for step in dis.get_instructions(function))
