"""A milter as a value: what signatures say, and those that say nothing."""

from __future__ import annotations

from collections.abc import Callable
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
from postmill.api.kinds import Count


@dataclass(frozen=True)
class Settings:
    limit: int = key(Count(0), 10, "How many.")


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
        (_misspelt, "name 'Clinet' is not defined"),
    ],
)
def test_signatures_that_are_none(handler: Callable[..., Any], words: str) -> None:
    with pytest.raises(TypeError, match=f"milter one: handler {handler.__name__}: .*{words}"):
        _app().on(handler)


def test_names_and_settings_that_are_none() -> None:
    with pytest.raises(TypeError, match="'House Rules' is no name for a milter"):
        Milter("House Rules")
    with pytest.raises(TypeError, match="its settings must be a dataclass"):
        Milter("one", Seen)
    with pytest.raises(TypeError, match="prepare takes the settings and says what it returns"):
        Milter("one").prepare(_client)
