"""A milter: handlers of nouns. The noun says at which stage a handler is asked, its annotations what it gets.

    app = Milter("house-rules")

    @app.on
    async def members_only(rcpt: Recipient) -> Verdict | None:
        if rcpt.address.domain == "staff.example" and rcpt.sender.user is None:
            return Reject("5.7.1 Authentication required", because="list is internal")
        return None

    @app.on
    async def mark_external(msg: Message, edit: HeaderEdit) -> None:
        if msg.sender.user is None:
            edit.add_header("X-External", "yes")

After the noun, by annotation and in any order: the milter's settings, what ``prepare`` made of them, the
state of the session and of the message, ports, and one of the classes of ``edits``. Handlers of one noun
are asked in their order until one has a verdict. ``async def`` runs on the event loop and must not block it;
``def`` runs in a thread, where ``Store`` and ``Resolver`` cannot be awaited. A handler that raises has
failed: the milter's ``on_error`` decides about this mail, and the next one is judged as if nothing had
happened.

What a milter asks of the MTA follows from its handlers: which events, which edits, and whether it waits for
an answer, which it does not where all handlers are annotated to return None. A handler that only some
settings call for says so; who has not configured it does not pay for the headers and the body it would see:

    @app.on(where=lambda settings: settings.looks_inside)
    async def look_inside(msg: Message, settings: Settings) -> Verdict | None: ...

The same value runs by itself (``postmill serve``), inside the manager (``[[filter]]``) and in a
test (``postmill.testing.deliver``).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import NoneType
from typing import Any, TypeVar, overload

from postmill.api.handlers import Handler, hints_of, read_handler, type_name
from postmill.api.nouns import NOUNS, Noun
from postmill.api.settings import check_settings

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Milter:
    """A milter as a value: its name, its settings' class, its handlers."""

    def __init__(
        self,
        name: str,
        settings: type[Any] | None = None,
        *,
        session: type[Any] | None = None,
        message: type[Any] | None = None,
        order: int | None = None,
    ) -> None:
        """Be a milter without handlers.

        ``settings`` is a frozen dataclass whose fields are declared with ``key`` and ``required``;
        ``session`` and ``message`` are classes that are called without arguments for each connection and
        for each message, to keep what handlers find out; all three are different ones. ``order`` is its usual
        place in the row of milters, on the scale of those that are found (``api.detection``); None: before
        them, as its table in the file. Raises TypeError when something is none of these.
        """
        if not _NAME.fullmatch(name):
            raise TypeError(f"{name!r} is no name for a milter: lower-case words joined by '-'")
        if settings is not None:
            check_settings(settings, f"milter {name}")
        if not all(kind is None or callable(kind) for kind in (session, message)):
            raise TypeError(f"milter {name}: session and message are classes, not objects of them")
        self.name = name
        self.settings = settings
        self.session = session
        self.message = message
        self.order = order
        self._handlers: dict[type[Noun], list[Handler]] = {noun: [] for noun in NOUNS}
        self.preparation: Callable[..., Any] | None = None
        self.prepared: Any = None
        """The type of what ``prepare`` makes."""
        self._on_error: Callable[[Any], str] | None = None
        self._longest: dict[type[Noun], Callable[[Any, Any], float]] = {}
        self._check_own()

    def __repr__(self) -> str:
        return f"<Milter {self.name}>"

    @property
    def doc(self) -> str:
        """What its module says of it: the docstring of its first handler's module."""
        module = inspect.getmodule(self.handlers[0].function) if self.handlers else None
        return inspect.cleandoc(module.__doc__ or "") if module is not None else ""

    @property
    def handlers(self) -> list[Handler]:
        """All handlers, in the order in which they are asked."""
        return [handler for noun in NOUNS for handler in self._handlers[noun]]

    def handlers_with(self, settings: Any, prepared: Any) -> list[Handler]:
        """Return those that are there with these settings, and what ``prepare`` made of them."""
        made = settings if self.preparation is None else prepared
        return [one for one in self.handlers if one.where is None or one.where(made)]

    def make_of(self, settings: Any) -> Any:
        """Return what ``prepare`` makes of settings; raises what it raises, ValueError or OSError."""
        return None if self.preparation is None else self.preparation(settings)

    def prepare(self, function: F) -> F:
        """Have ``function`` make something of the settings, once, when they are loaded.

        It takes the settings, and its return annotation says what it makes: handlers get it by that type.
        What is wrong with the settings it tells by ValueError or OSError. Declare it before the handlers.
        """
        made = self._told(function, hints_of).get("return", NoneType)
        if self.settings is None or made in (NoneType, Any):
            raise TypeError(f"milter {self.name}: prepare takes the settings and says what it returns")
        self.preparation, self.prepared = function, made
        self._check_own()
        return function

    def on_error(self, function: F) -> F:
        """Have ``function`` say what becomes of mail when this milter fails, where its table does not.

        It takes what ``prepare`` made and returns a word for `on_error`, or "" where it has no opinion.
        """
        self._on_error = function
        return function

    def on_error_of(self, prepared: Any) -> str:
        """Return the word for `on_error` that goes with what ``prepare`` made; "" where none does."""
        return "" if self._on_error is None else self._on_error(prepared)

    def longest(self, noun: type[Noun]) -> Callable[[F], F]:
        """Have a function say how many seconds handlers of a noun may wait when all goes wrong.

        It takes the settings and what ``prepare`` made. Who gives it no more time than that is warned.
        """

        def add(function: F) -> F:
            self._longest[noun] = function
            return function

        return add

    def longest_with(self, settings: Any, prepared: Any) -> Mapping[type[Noun], float]:
        """Return how many seconds handlers may wait with these settings, and what was made of them."""
        return {noun: function(settings, prepared) for noun, function in self._longest.items()}

    @overload
    def on(self, function: F) -> F: ...

    @overload
    def on(self, *, where: Callable[[Any], bool]) -> Callable[[F], F]: ...

    def on(self, function: F | None = None, *, where: Callable[[Any], bool] | None = None) -> Any:
        """Add a handler; raises TypeError when its signature is not that of one.

        ``where`` is given what ``prepare`` made, or the settings where nothing is prepared, and tells whether
        the handler is there at all.
        """
        if function is None:
            return partial(self._add, where=where)
        return self._add(function, where=where)

    def _add(self, function: F, *, where: Callable[[Any], bool] | None) -> F:
        handler = self._told(function, partial(read_handler, own=self._own, where=where))
        self._handlers[handler.noun].append(handler)
        return function

    def _told(self, function: Callable[..., Any], read: Callable[[Callable[..., Any]], T]) -> T:
        """Return what is read of a function's signature; a TypeError names the milter and the function."""
        try:
            return read(function)
        except TypeError as error:
            name = getattr(function, "__name__", repr(function))
            raise TypeError(f"milter {self.name}: handler {name}: {error}") from error

    @property
    def _own(self) -> list[Any]:
        """The types of what it has for its handlers."""
        own = (self.settings, self.prepared, self.session, self.message)
        return [kind for kind in own if kind is not None]

    def _check_own(self) -> None:
        """A handler asks by the type: two things of one type could not be told apart."""
        for kind in self._own:
            if self._own.count(kind) > 1:
                words = "settings, session, message and what prepare makes need a class each"
                raise TypeError(f"milter {self.name}: {words}, and {type_name(kind)} is two of them")
