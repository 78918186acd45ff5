"""Asking conditions in tests: settings as in TOML, ports by their type, mail with little to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from postmill.api import Applies, Apply, Client, Clock, Recipient, Resolver, Skip, condition, key, required
from postmill.api.conditions import Answer
from postmill.api.kinds import Duration, Text
from postmill.api.nouns import NOUNS, Envelope
from postmill.testing.conditions import FixedClock, FixedResolver, decide
from postmill.testing.nouns import client, envelope, greeting, head, message, recipient, sender
from postmill.testing.settings import settings_of


@dataclass(frozen=True, slots=True)
class Settings:
    zone: str = required(Text(), "The zone.")
    time: float = key(Duration(), "1s", "A time.")


@condition("late", Settings)
async def late(client: Client, settings: Settings, resolver: Resolver, clock: Clock) -> Applies:
    """Say what it was given."""
    found = await resolver.addresses(settings.zone, ["127.0.0.1"], settings.time)
    return Apply(f"{found} at {clock.now():%H}") if found else Skip("nothing")


@condition("plain")
def plain(noun: Recipient | Envelope) -> Answer:
    """Decide late."""
    return None if isinstance(noun, Recipient) else Skip("no")


NIGHT = FixedClock(datetime(2026, 1, 1, 23, tzinfo=UTC))


def test_settings_and_ports_reach_the_condition() -> None:
    resolver = FixedResolver({"Bl.example.": ["127.0.0.2"]})
    ports = {Resolver: resolver, Clock: NIGHT}
    assert decide(late, client(), ports, zone="bl.EXAMPLE", time="2m") == Apply("('127.0.0.2',) at 23")
    assert decide(late, client(), ports, zone="none.example") == Skip("nothing")
    assert resolver.asked == [
        ("bl.EXAMPLE", ("127.0.0.1",), 120.0),
        ("none.example", ("127.0.0.1",), 1.0),
    ]


def test_a_failure_of_dns_is_raised() -> None:
    ports = {Resolver: FixedResolver({"bl.example": TimeoutError("late")}), Clock: NIGHT}
    with pytest.raises(TimeoutError, match="late"):
        decide(late, client(), ports, zone="bl.example")


def test_an_answer_may_be_that_there_is_none_yet() -> None:
    assert decide(plain, recipient()) is None
    assert decide(plain, envelope()) == Skip("no")


def test_mistakes_in_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"^condition late: zone: must be .*, not 5$"):
        settings_of(late, zone=5)
    with pytest.raises(TypeError, match="condition late has no setting zones"):
        settings_of(late, zones="x")
    with pytest.raises(TypeError, match="condition late needs the setting zone"):
        settings_of(late)
    with pytest.raises(TypeError, match="condition plain has no settings"):
        settings_of(plain, zone="x")
    assert settings_of(plain) is None


def test_mail_needs_nothing_but_what_matters() -> None:
    made = (client(), greeting(), sender(), recipient(), envelope(), head(), message())
    assert tuple(map(type, made)) == NOUNS
    user = sender("<joe@example.org>", user="joe", of=client("2001:db8::1", mta="sendmail", j="mx"))
    mail = message(
        "Subject: hi", "X: y", body=b"hello", of=envelope("a@example.net", "b@example.net", of=user)
    )
    assert (mail.sender.user, str(mail.client.ip), mail.client.macros["j"]) == ("joe", "2001:db8::1", "mx")
    assert [str(one.address) for one in mail.envelope.recipients] == ["a@example.net", "b@example.net"]
    assert (mail.head.all("subject"), mail.body, mail.body_size) == (("hi",), b"hello", 5)
    assert (client(None).ip, sender(of=greeting("me")).greeting.name) == (None, "me")
