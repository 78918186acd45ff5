"""``@condition`` reads a signature, and says what is wrong with one that is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from postmill.api import Apply, Client, Clock, Envelope, Recipient, Resolver, Sender, Skip, condition, key
from postmill.api.conditions import Applies
from postmill.api.kinds import Flag


@dataclass(frozen=True)
class Settings:
    strict: bool = key(Flag(), False, "Whether it is strict.")


def test_a_signature_becomes_stages_settings_and_ports() -> None:
    @condition("early-or-late", Settings)
    async def early_or_late(
        who: Envelope | Recipient | Client, settings: Settings, clock: Clock, resolver: Resolver
    ) -> Applies:
        """Say when."""
        return Apply()

    assert early_or_late.nouns == (Client, Recipient, Envelope)  # in the order of a session
    assert early_or_late.ports == {"clock": Clock, "resolver": Resolver}
    assert (early_or_late.name, early_or_late.doc) == ("early-or-late", "Say when.")


def test_asking_hands_in_noun_settings_and_the_wanted_ports_only() -> None:
    seen: list[Any] = []

    @condition("x", Settings)
    def x(client: Client, settings: Settings, clock: Clock) -> Applies:
        seen.extend((client, settings, clock))
        return Skip("so")

    client, settings, clock = Client("a.example", None), Settings(strict=True), object()
    assert x.ask(client, settings, {Clock: clock, Resolver: object()}) == Skip("so")
    assert seen == [client, settings, clock]


def test_a_condition_without_settings_or_ports() -> None:
    @condition("y")
    def y(sender: Sender) -> Applies | None:
        return None

    assert (y.settings, y.ports, y.nouns) == (None, {}, (Sender,))


def _no_annotation(client): ...  # type: ignore[no-untyped-def]


def _wrong_noun(client: int) -> Applies: ...  # type: ignore[empty-body]


def _maybe(client: Client | None) -> Applies: ...  # type: ignore[empty-body]


def _no_port(client: Client, settings: Settings, extra: int) -> Applies: ...  # type: ignore[empty-body]


def _no_settings(client: Client) -> Applies: ...  # type: ignore[empty-body]


def _swapped(settings: Settings, client: Client) -> Applies: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (_no_annotation, "takes a noun and its Settings"),
        (_wrong_noun, "takes a noun and its Settings"),
        (_no_settings, "takes a noun and its Settings"),
        (_swapped, "first parameter must be annotated with one of Client, Greeting"),
        (_no_port, "parameter extra is no port; there are Resolver, Clock"),
    ],
)
def test_a_wrong_signature_is_named(function: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        condition("z", Settings)(function)


def test_a_condition_on_recipients_must_decide_about_all_in_the_end() -> None:
    def one(rcpt: Recipient) -> Applies: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match=r"annotate its first parameter with Recipient \| Envelope"):
        condition("z")(one)


def test_none_is_no_stage() -> None:
    with pytest.raises(TypeError, match="first parameter"):
        condition("z")(_maybe)


@pytest.mark.parametrize("name", ["", "Upper", "two words", "-x", "x-", "under_score"])
def test_a_wrong_name_is_named(name: str) -> None:
    with pytest.raises(TypeError, match="is no name for a condition"):
        condition(name)
