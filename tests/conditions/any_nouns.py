"""Hypothesis strategies for nouns and ports: likely mail, and whatever a client may send instead."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

from postmill.api import (
    Address,
    Client,
    Clock,
    Envelope,
    Greeting,
    Head,
    Header,
    Load,
    Message,
    Recipient,
    Resolver,
    Sender,
    Verdicts,
)
from postmill.api.nouns import Noun
from postmill.testing.conditions import FixedClock, FixedResolver

NAMES = [
    "unknown",
    "[192.0.2.5]",
    "localhost",
    "mail.example.net",
    "a-1-2.dsl.example.net",
    "1.2.3.4.5",
    "..",
    ".",
]
ADDRESSES = [
    "",
    "joe@example.org",
    '"a@b"@x',
    "@",
    "a@",
    "joe+x@Bücher.example.",
    "a@[192.0.2.1]",
    "\\x00\\udcff@é",
]
VALUES = [
    "",
    " hello",
    " =?utf-8?q?caf=C3=A9?=",
    " =?utf-8?b?!?=",
    " =?x-none?q?a?= =?",
    " a\r\n\tb",
    "=?=?=?=?=",
]
WORDS = ["continue", "accept", "reject", "tempfail", "discard", "quarantine", "shutdown", "skipped", "lost"]

macros = st.dictionaries(
    st.sampled_from(
        [
            "i",
            "j",
            "v",
            "_",
            "auth_type",
            "auth_authen",
            "rcpt_mailer",
            "daemon_addr",
            "daemon_port",
            "if_addr",
            "if_name",
        ]
    ),
    st.sampled_from(["", "error", "127.0.0.1", "IPv6:2001:db8::1", "2001:db8::1", "unix"]) | st.text(),
    max_size=4,
)
addresses = st.builds(Address, st.sampled_from(ADDRESSES) | st.text())
arguments = st.lists(
    st.sampled_from(["SIZE=100", "SIZE=", "SIZE=²", "SIZE=" + "9" * 30]) | st.text(), max_size=2
)
clients = st.builds(
    Client,
    st.sampled_from(NAMES) | st.text(),
    st.none() | st.ip_addresses() | st.just(ip_address("::ffff:10.0.0.1")),
    st.integers(0, 65535),
    st.sampled_from(["", "postfix", "sendmail"]),
    macros,
)
greetings = st.builds(Greeting, clients, st.sampled_from(NAMES) | st.text(), macros)
senders = st.builds(Sender, greetings, addresses, arguments.map(tuple), macros)
recipients = st.builds(Recipient, senders, addresses, arguments.map(tuple), macros)
envelopes = st.builds(Envelope, senders, st.lists(recipients, max_size=2).map(tuple), macros)
headers = st.builds(
    Header, st.sampled_from(["Subject", "X-Spam", ""]) | st.text(), st.sampled_from(VALUES) | st.text()
)
heads = st.builds(Head, envelopes, st.lists(headers, max_size=3).map(tuple))
messages = st.builds(Message, heads, st.integers(0, 2**40), st.just(lambda: b""))

OF_TYPE: dict[type[Noun], st.SearchStrategy[Any]] = {
    Client: clients,
    Greeting: greetings,
    Sender: senders,
    Recipient: recipients,
    Envelope: envelopes,
    Head: heads,
    Message: messages,
}


class AnyResolver(FixedResolver):
    """Gives the same answer to every question."""

    def __init__(self, answer: tuple[str, ...] | OSError) -> None:
        super().__init__({})
        self.answer = answer

    async def addresses(self, *question: Any, **more: Any) -> tuple[str, ...]:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


answers = st.lists(st.ip_addresses(v=4).map(str) | st.just("127.0.0.2"), max_size=3).map(tuple)
ports = st.fixed_dictionaries(
    {
        Clock: st.builds(
            FixedClock, st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
        ),
        Load: st.builds(Load, st.integers(0, 10_000), st.integers(0, 1_000)),
        Resolver: st.builds(AnyResolver, answers | st.just(OSError("no answer within 5 s"))),
        Verdicts: st.builds(
            Verdicts,
            st.dictionaries(st.sampled_from(["rspamd", "other"]), st.sampled_from(WORDS)),
            st.dictionaries(st.sampled_from(["rspamd", "other"]), st.just(("X-Spam",))),
        ),
    }
)
