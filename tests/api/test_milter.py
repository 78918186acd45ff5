"""A milter as a value: what signatures say, and those that say nothing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from postmill.api import (
    Client,
    Clock,
    Discard,
    Edit,
    HeaderEdit,
    Load,
    Message,
    Milter,
    Quarantine,
    Recipient,
    Reject,
    Store,
    Verdict,
    key,
)
from postmill.api.handlers import type_name
from postmill.api.kinds import Count


@dataclass(frozen=True)
class Settings:
    limit: int = key(Count(0), 10, "How many.")


@dataclass(frozen=True)
class Plain:
    limit: int = 3


class Prepared:
    pass


class Seen:
    pass


def _app() -> Milter:
    return Milter("one", Settings, session=Seen)


def test_a_signature_says_what_a_handler_gets() -> None:
    app = _app()

    @app.prepare
    def prepare(settings: Settings) -> Prepared:
        return Prepared()

    @app.on
    async def first(rcpt: Recipient, clock: Clock, settings: Settings, seen: Seen) -> Verdict | None:
        return None

    @app.on
    def second(message: Message, edit: HeaderEdit, load: Load, prepared: Prepared) -> None:
        return None

    one, two = app.handlers
    assert (one.name, one.noun, one.waits, one.edits) == ("first", Recipient, True, None)
    assert one.wants == {"clock": Clock, "settings": Settings, "seen": Seen}
    assert (two.noun, two.waits, two.edits) == (Message, False, HeaderEdit)
    assert (one.decides, two.decides) == (True, False)
    assert (one.at_once, two.at_once) == (True, False)


def test_some_handlers_are_there_by_what_was_prepared_only() -> None:
    app = _app()

    @app.prepare
    def prepare(settings: Settings) -> Prepared:
        return Prepared()

    known = Prepared()

    @app.on(where=lambda prepared: prepared is known)
    async def first(rcpt: Recipient) -> Verdict | None:
        return None

    @app.on
    async def second(rcpt: Recipient) -> Verdict | None:
        return None

    one, two = app.handlers
    assert app.handlers_with(Settings(), known) == [one, two]
    assert app.handlers_with(Settings(), Prepared()) == [two]


def test_where_nothing_is_prepared_it_goes_by_the_settings() -> None:
    app = _app()

    @app.on(where=lambda settings: settings.limit > 10)
    async def first(rcpt: Recipient) -> Verdict | None:
        return None

    assert app.handlers_with(Settings(11), None) == app.handlers
    assert app.handlers_with(Settings(10), None) == []


def _client(client: Client) -> None:
    return None


def _nothing() -> None:
    return None


def _no_noun(client: int) -> None:
    return None


def _unknown(client: Client, what: int) -> None:
    return None


def _bare(client: Client, what) -> None:  # type: ignore[no-untyped-def]
    return None


def _two_edits(message: Message, edit: Edit, other: HeaderEdit) -> None:
    return None


def _edits_too_early(client: Client, edit: HeaderEdit) -> None:
    return None


def _discards_too_early(client: Client) -> Reject | Discard | None:
    return None


def _holds_too_early(rcpt: Recipient) -> Quarantine:
    return Quarantine("why")


def _cannot_await(rcpt: Recipient, store: Store) -> Verdict | None:
    return Reject("5.7.1 no") if store.get("a coroutine is always true") else None


def _all_the_rest(client: Client, *clocks: Clock) -> None:
    return None


def _by_any_name(client: Client, **clocks: Clock) -> None:
    return None


def _by_place(client: Client, clock: Clock, /) -> None:
    return None


def _by_name(*, client: Client) -> None:
    return None


def _says_yes(client: Client) -> bool:
    return True


def _says_perhaps(client: Client) -> Reject | str | None:
    return None


def _awaits_itself(client: Client) -> Awaitable[Verdict | None]:
    raise NotImplementedError


def _yields(client: Client) -> Verdict | None:  # type: ignore[misc]
    yield Reject("5.7.1 no")


async def _yields_and_waits(client: Client) -> Verdict | None:  # type: ignore[misc]
    yield Reject("5.7.1 no")


def _misspelt(client: "Clinet") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
    return None


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_nothing, "its first parameter must be annotated with one of Client, Greeting"),
        (_no_noun, "its first parameter must be annotated with one of Client, Greeting"),
        (_unknown, "parameter what must be annotated with one of Settings, Seen, Resolver"),
        (_bare, "parameter what must be annotated"),
        (_two_edits, "one parameter for edits is enough"),
        (_edits_too_early, "there is no message to edit yet when a Client is known"),
        (_discards_too_early, "only a message can be discarded, not a connection"),
        (_holds_too_early, "only a whole message can be held"),
        (_cannot_await, "Resolver and Store are awaited: make it async def"),
        (_all_the_rest, r"parameter \*clocks: .* must be one that can be given by name"),
        (_by_any_name, r"parameter \*\*clocks: .* must be one that can be given by name"),
        (_by_place, "parameter clock: .* must be one that can be given by name"),
        (_by_name, "its first parameter client: .* must not be given by name alone"),
        (_says_yes, r"it returns bool, which is no verdict: annotate Verdict \| None"),
        (_says_perhaps, "it returns str, which is no verdict"),
        (_awaits_itself, r"it returns .*Awaitable\[.*, which is no verdict"),
        (_yields, "it returns its verdict, and does not yield"),
        (_yields_and_waits, "it returns its verdict, and does not yield"),
        (_misspelt, "name 'Clinet' is not defined"),
    ],
)
def test_signatures_that_are_none(handler: Callable[..., Any], words: str) -> None:
    with pytest.raises(TypeError, match=f"milter one: handler {handler.__name__}: .*{words}"):
        _app().on(handler)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="milter one: handler 3: "):
        _app().on(3)  # type: ignore[call-overload]


@pytest.mark.parametrize("made", [re.Pattern[str], dict[str, int], frozenset[str], Prepared | None])
def test_what_is_prepared_may_be_of_any_type(made: Any) -> None:
    app = _app()

    def prepare(settings: Settings) -> object:
        return None

    async def look(rcpt: Recipient, settings: Settings, prepared: object) -> Verdict | None:
        return None

    prepare.__annotations__["return"] = look.__annotations__["prepared"] = made
    app.prepare(prepare)
    app.on(look)
    assert app.handlers[0].wants == {"settings": Settings, "prepared": made}
    with pytest.raises(TypeError, match=f"one of Settings, {re.escape(type_name(made))}, Seen, Resolver"):
        app.on(_unknown)


def test_types_that_could_not_be_told_apart() -> None:
    words = "need a class each, and Seen is two of them"
    with pytest.raises(TypeError, match=f"milter one: settings, session, message .* {words}"):
        Milter("one", session=Seen, message=Seen)
    with pytest.raises(TypeError, match="and Settings is two of them"):
        Milter("one", Settings, message=Settings)
    with pytest.raises(TypeError, match=words):

        @_app().prepare
        def prepare(settings: Settings) -> Seen:
            return Seen()


def test_names_and_settings_that_are_none() -> None:
    with pytest.raises(TypeError, match="'House Rules' is no name for a milter"):
        Milter("House Rules")
    with pytest.raises(TypeError, match="its settings must be a dataclass"):
        Milter("one", Seen)
    with pytest.raises(TypeError, match="milter one: its settings must be a dataclass, the class itself"):
        Milter("one", Settings())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"milter one: declare Plain.limit with key\(\) or required\(\)"):
        Milter("one", Plain)
    with pytest.raises(TypeError, match="milter one: session and message are classes, not objects"):
        Milter("one", session=Seen())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="prepare takes the settings and says what it returns"):
        Milter("one").prepare(_client)
