"""Delivering through a milter in a test, and with it what the engine makes of handlers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from postmill.api import (
    Accept,
    BodyEdit,
    Client,
    Clock,
    Discard,
    Edit,
    Envelope,
    Greeting,
    Head,
    HeaderEdit,
    Load,
    Message,
    Milter,
    Quarantine,
    Recipient,
    Reject,
    Resolver,
    Sender,
    Store,
    Tempfail,
    Verdict,
    key,
)
from postmill.api.kinds import Text
from postmill.stores.sqlite import SqliteStore
from postmill.testing import deliver


@dataclass(frozen=True)
class Settings:
    word: str = key(Text(), "spam", "Refused.")


@dataclass
class Counted:
    rcpts: list[str] = field(default_factory=list)


def _rules() -> Milter:
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

    return app


def test_the_example_of_the_design() -> None:
    app = _rules()
    refused = deliver(app, to=["team@staff.example"], body="hi")
    assert refused.verdict == Reject("5.7.1 Authentication required")
    assert (refused.status, refused.reply) == ("reject", "550 5.7.1 Authentication required")
    assert (refused.recipients, refused.headers) == ((), ())
    inside = deliver(app, to=["team@staff.example"], body="hi", user="joe")
    assert (inside.verdict, inside.recipients, inside.all("X-External")) == (
        None,
        ("team@staff.example",),
        (),
    )


def test_one_recipient_of_two_is_refused() -> None:
    done = deliver(_rules(), to=["team@staff.example", "jane@example.org"])
    assert done.verdict is None
    assert done.refused == {"team@staff.example": "550 5.7.1 Authentication required"}
    assert (done.recipients, done.all("x-external")) == (("jane@example.org",), ("yes",))
    assert done.headers[-1].raw == b"X-External: yes"


@pytest.mark.parametrize(
    ("verdict", "status", "reply"),
    [
        (Reject("5.7.1 no"), "reject", "550 5.7.1 no"),
        (Reject(), "reject", "550 5.7.1 Command rejected"),
        (Tempfail("4.7.1 100% later"), "temporary-failure", "451 4.7.1 100% later"),
        (Tempfail("4.7.1 one\ntwo"), "temporary-failure", "451-4.7.1 one\r\n451 4.7.1 two"),
        (Accept(), "accept", ""),
    ],
)
@pytest.mark.parametrize("noun", [Client, Greeting, Sender, Recipient, Envelope, Head, Message])
def test_every_verdict_at_every_stage(noun: type, verdict: Verdict, status: str, reply: str) -> None:
    app = Milter("one")

    async def say(what: object) -> Verdict | None:
        return verdict

    say.__annotations__["what"] = noun
    app.on(say)
    done = deliver(app)
    assert (done.verdict, done.status, done.reply) == (verdict, status, reply)


@pytest.mark.parametrize("noun", [Sender, Recipient, Envelope, Head, Message])
def test_discard(noun: type) -> None:
    app = Milter("one")

    def say(what: object) -> Verdict | None:
        return Discard("not wanted")

    say.__annotations__["what"] = noun
    app.on(say)
    done = deliver(app)
    assert (done.verdict, done.status, done.recipients) == (Discard(), "discard", ())


def test_quarantine_applies_the_edits() -> None:
    app = Milter("one")

    @app.on
    async def hold(msg: Message, edit: Edit) -> Verdict | None:
        edit.insert_header(0, "X-Why", "a\n\tb")
        edit.delete_header("Subject")
        edit.replace_body(b"gone\r\n")
        edit.add_recipient("boss@example.org")
        edit.delete_recipient("jane@example.org")
        edit.change_sender("")
        return Quarantine("looks odd")

    done = deliver(app)
    assert (done.verdict, done.status) == (Quarantine("looks odd"), "quarantine")
    assert [header.raw for header in done.headers] == [
        b"X-Why: a\r\n\tb",
        b"From: joe@example.net",
        b"To: jane@example.org",
    ]
    assert (done.body, done.sender, done.recipients) == (b"gone\r\n", "", ("boss@example.org",))


def test_of_two_bodies_the_last_one_counts() -> None:
    app = Milter("one")

    @app.on
    async def first(msg: Message, edit: Edit) -> None:
        edit.replace_body(b"first\r\n")
        edit.add_header("X-First", "yes")

    @app.on
    async def second(msg: Message, edit: BodyEdit) -> None:
        edit.replace_body(b"second\r\n")

    done = deliver(app)
    assert (done.body, done.all("X-First")) == (b"second\r\n", ("yes",))


def test_quarantine_of_less_than_a_message_is_a_fault() -> None:
    app = Milter("one")

    @app.on
    async def hold(rcpt: Recipient) -> Verdict | None:
        return Quarantine("looks odd")

    with pytest.raises(TypeError, match="handler hold: only a whole message can be held"):
        deliver(app)


@pytest.mark.parametrize("noun", [Client, Greeting])
def test_to_discard_a_connection_is_a_fault(noun: type) -> None:
    app = Milter("one")

    async def drop(what: object) -> Verdict | None:
        return Discard()

    drop.__annotations__["what"] = noun
    app.on(drop)
    with pytest.raises(TypeError, match="handler drop: only a message can be discarded, not a connection"):
        deliver(app)


def test_what_is_no_verdict_is_a_fault() -> None:
    app = Milter("one")

    @app.on
    async def wrong(rcpt: Recipient) -> Verdict | None:
        return "reject"  # type: ignore[return-value]

    with pytest.raises(TypeError, match="handler wrong returned 'reject', which is no verdict"):
        deliver(app)


def test_state_of_a_message_and_edits_of_refused_recipients() -> None:
    app = Milter("one", message=Counted)

    @app.on
    async def count(rcpt: Recipient, seen: Counted, edit: HeaderEdit) -> Verdict | None:
        edit.add_header("X-Rcpt", rcpt.address.text)
        if rcpt.address.local == "bad":
            return Reject("5.1.1 unknown")
        seen.rcpts.append(rcpt.address.text)
        return None

    @app.on
    async def end(msg: Message, seen: Counted, edit: HeaderEdit) -> None:
        edit.add_header("X-Seen", " ".join(seen.rcpts))
        edit.add_header("X-Left", " ".join(rcpt.address.text for rcpt in msg.envelope.recipients))

    done = deliver(app, to=["a@x.example", "bad@x.example", "c@x.example"])
    assert done.all("X-Rcpt") == ("a@x.example", "c@x.example")
    assert done.all("X-Seen") == done.all("X-Left") == ("a@x.example c@x.example",)


def test_settings_ports_and_threads() -> None:
    app = Milter("one", Settings)
    threads: list[threading.Thread] = []

    @app.on
    def look(msg: Message, settings: Settings, clock: Clock) -> Verdict | None:
        threads.append(threading.current_thread())
        assert clock.now().tzinfo is not None
        return Reject("5.7.1 no") if settings.word.encode() in msg.body else None

    assert deliver(app, body="ham\n").verdict is None
    assert deliver(app, body="spam\n").verdict == Reject("5.7.1 no")
    assert deliver(app, body="eggs\n", settings={"word": "eggs"}).verdict == Reject("5.7.1 no")
    assert threading.main_thread() not in threads
    with pytest.raises(TypeError, match="milter one has no setting words"):
        deliver(app, settings={"words": "x"})


def test_settings_that_are_not_allowed_are_told_as_in_a_file() -> None:
    app = Milter("one", Settings)
    with pytest.raises(ValueError, match=r"^milter one: word: must be a string, not 3$"):
        deliver(app, settings={"word": 3})


def test_every_port_is_there() -> None:
    app = Milter("one")
    seen: list[Load] = []

    @app.on
    async def look(rcpt: Recipient, clock: Clock, load: Load, store: Store, resolver: Resolver) -> None:
        seen.append(load)

    deliver(app)
    deliver(app, ports={Load: Load(90, 100)})
    assert seen == [Load(1, 0), Load(90, 100)]


def test_one_text_is_no_list() -> None:
    with pytest.raises(TypeError, match=r"to is a list of texts, not 'jane@example\.org'"):
        deliver(Milter("one"), to="jane@example.org")
    with pytest.raises(TypeError, match="headers is a list of texts, not 'Subject: hello'"):
        deliver(Milter("one"), headers="Subject: hello")


def test_what_prepare_makes_and_what_it_refuses() -> None:
    app = Milter("one", Settings)

    @app.prepare
    def words(settings: Settings) -> Counted:
        if not settings.word:
            raise ValueError("no word")
        return Counted(settings.word.split(","))

    @app.on
    async def refuse(msg: Message, words: Counted) -> Verdict | None:
        return Reject("5.7.1 no") if any(word in msg.head.all("Subject")[0] for word in words.rcpts) else None

    assert deliver(app, settings={"word": "x,hell"}).verdict == Reject("5.7.1 no")
    with pytest.raises(ValueError, match="no word"):
        deliver(app, settings={"word": ""})


def test_the_message_as_bytes() -> None:
    seen: list[bytes] = []
    app = Milter("one")

    @app.on
    async def look(msg: Message) -> None:
        await asyncio.sleep(0)
        assert msg.size == len(msg.raw)
        seen.append(msg.raw)

    raw = b"Subject:no blank\r\nX-Folded:  two\r\n\tlines\r\nX-Latin: gr\xfcn\r\n\r\nBody\r\n"
    deliver(app, message=raw)
    assert seen == [raw]


def test_the_first_verdict_counts_and_a_fault_is_raised() -> None:
    app = Milter("one")
    app.on(_tempfail)
    app.on(_raise)
    assert deliver(app).verdict == Tempfail("4.7.1 first")
    other = Milter("two")
    other.on(_raise)
    other.on(_tempfail)
    with pytest.raises(ZeroDivisionError):
        deliver(other)


async def _tempfail(rcpt: Recipient) -> Verdict | None:
    return Tempfail("4.7.1 first")


async def _raise(rcpt: Recipient) -> Verdict | None:
    raise ZeroDivisionError


def test_sendmail_and_macros() -> None:
    app = Milter("one")
    seen: list[tuple[str, str]] = []

    @app.on
    async def look(envelope: Envelope) -> None:
        seen.append((envelope.client.mta, envelope.sender.macros.get("trusted_domain", "")))

    deliver(app, macros={"M": {"trusted_domain": "yes"}})
    deliver(app, like="sendmail", macros={"M": {"trusted_domain": "no"}})
    assert seen == [("postfix", "yes"), ("sendmail", "no")]


def test_a_handler_waits_for_a_store_in_async_for(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    app = Milter("one")

    @app.on
    async def blocked(rcpt: Recipient, store: Store) -> Verdict | None:
        async for entry, value in store.scan("blocked/"):
            if entry == f"blocked/{rcpt.address}":
                return Reject(value.decode())
        return None

    async def block() -> None:
        await store.put("blocked/jane@example.org", b"5.7.1 not to her", 60)
        await store.close()

    asyncio.run(block())
    done = deliver(app, to=["jane@example.org", "joe@example.org"], ports={Store: store})
    assert done.refused == {"jane@example.org": "550 5.7.1 not to her"}
    assert done.recipients == ("joe@example.org",)
    asyncio.run(store.close())


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    await asyncio.sleep(0)
    yield


async def _values() -> AsyncIterator[int]:
    async with _turn():
        yield 1


async def _in_with(rcpt: Recipient) -> Verdict | None:
    async with _turn():
        return Reject("5.7.1 no")


async def _in_for(rcpt: Recipient) -> Verdict | None:
    async for _ in _values():
        return Reject("5.7.1 no")
    return None


async def _in_comprehension(rcpt: Recipient) -> Verdict | None:
    return Reject("5.7.1 no") if [one async for one in _values()] else None


async def _in_await(rcpt: Recipient) -> Verdict | None:
    await asyncio.sleep(0)
    return Reject("5.7.1 no")


@pytest.mark.parametrize("handler", [_in_with, _in_for, _in_comprehension, _in_await])
def test_a_handler_may_wait_wherever_python_lets_it(handler: Callable[..., Any]) -> None:
    app = Milter("one")
    app.on(handler)
    assert deliver(app).verdict == Reject("5.7.1 no")
