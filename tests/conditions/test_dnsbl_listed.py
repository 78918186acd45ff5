"""``dnsbl-listed``, and with it what ``not-dnsbl-listed`` shares: zones, answers, failures.

With a fixed resolver for every case, and with the daemon's own resolver against a DNS server for the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from postmill.api import Apply, Resolver, Skip
from postmill.conditions._dnsbl import Zones, question
from postmill.conditions.dnsbl_listed import dnsbl_listed
from postmill.net.resolver import DnsResolver
from postmill.testing.conditions import FixedResolver, decide
from postmill.testing.nouns import client
from postmill.testing.settings import settings_of
from tests.net.name_server import NameServer, name_server

ZONES = {"bl.example": [], "zen.example": ["127.0.0.2", "127.0.0.4/30", "127.0.0.10/255.255.255.254"]}
SETTINGS: list[dict[str, Any]] = [
    {"zones": ZONES},
    {
        "zones": {"bl.example": []},
        "servers": ["127.0.0.1:5353", "::1"],
        "timeout": "500ms",
        "on_failure": "listed",
    },
]
V6 = "2001:db8:1:2::567:89ab"
V6_NAME = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"


def ask(answers: Mapping[str, Sequence[str] | OSError], ip: str | None = "192.0.2.5", **settings: Any) -> Any:
    resolver = FixedResolver(answers)
    return decide(dnsbl_listed, client(ip), {Resolver: resolver}, **{"zones": ZONES, **settings})


@pytest.mark.parametrize(
    ("zone", "answer", "listed"),
    [
        ("bl", "127.0.0.2", True),
        ("bl", "127.0.0.1", True),
        ("bl", "127.9.9.9", True),
        ("bl", "203.0.113.7", False),  # the parked domain of a dead list
        ("bl", "127.255.255.254", False),
        ("zen", "127.0.0.2", True),
        ("zen", "127.0.0.3", False),
        ("zen", "127.0.0.4", True),
        ("zen", "127.0.0.7", True),
        ("zen", "127.0.0.8", False),
        ("zen", "127.0.0.11", True),
        ("zen", "127.0.0.12", False),
    ],
)
def test_which_answers_count(zone: str, answer: str, listed: bool) -> None:
    said = ask({f"5.2.0.192.{zone}.example": [answer]})
    assert isinstance(said, Apply if listed else Skip)
    if listed:
        assert said == Apply(f"192.0.2.5 is listed in {zone}.example ({answer})")


def test_all_answers_that_count_are_named_and_no_other() -> None:
    answers = {"5.2.0.192.zen.example": ["127.0.0.4", "127.0.0.99", "127.0.0.10"]}
    assert ask(answers) == Apply("192.0.2.5 is listed in zen.example (127.0.0.4, 127.0.0.10)")


def test_listed_nowhere() -> None:
    assert ask({}) == Skip("192.0.2.5 is not listed in bl.example, zen.example")


def test_ipv6_is_asked_by_nibbles() -> None:
    assert question(ip_address(V6), "bl.example") == f"{V6_NAME}.bl.example"
    assert ask({f"{V6_NAME}.bl.example": ["127.0.0.2"]}, V6) == Apply(
        f"{V6} is listed in bl.example (127.0.0.2)"
    )


def test_a_submission_on_the_host_is_asked_about_nowhere() -> None:
    resolver = FixedResolver({})
    said = decide(dnsbl_listed, client(None), {Resolver: resolver}, zones=ZONES)
    assert said == Skip("the client has no network address, so no list has it")
    assert resolver.asked == []


@pytest.mark.parametrize(("on_failure", "kind"), [("not-listed", Skip), ("listed", Apply)])
def test_a_failure_counts_as_configured_and_is_told(on_failure: str, kind: type[Apply] | type[Skip]) -> None:
    answers = {"5.2.0.192.bl.example": TimeoutError("no answer within 5 s")}
    because = (
        f"192.0.2.5 is taken as {on_failure.replace('-', ' ')}: "
        "bl.example gave no answer (no answer within 5 s)"
    )
    assert ask(answers, on_failure=on_failure) == kind(because)


def test_a_refusal_is_a_failure() -> None:
    assert ask({"5.2.0.192.bl.example": ["127.255.255.254"]}) == Skip(
        "192.0.2.5 is taken as not listed: bl.example refused to answer (127.255.255.254)"
    )


def test_a_list_that_has_the_client_outweighs_one_that_fails() -> None:
    answers: dict[str, Sequence[str] | OSError] = {
        "5.2.0.192.bl.example": OSError("x"),
        "5.2.0.192.zen.example": ["127.0.0.2"],
    }
    assert isinstance(ask(answers), Apply)


def test_servers_and_time_are_handed_on() -> None:
    resolver = FixedResolver({})
    decide(dnsbl_listed, client(), {Resolver: resolver}, **SETTINGS[1])
    assert resolver.asked == [("5.2.0.192.bl.example", ("127.0.0.1:5353", "::1"), 0.5)]


class Waiting(FixedResolver):
    """Answers about one zone; about others never."""

    async def addresses(self, name: str, *rest: Any) -> tuple[str, ...]:
        if not name.endswith(".zen.example"):
            try:
                await asyncio.Event().wait()
            finally:
                self.asked.append((f"given up: {name}", (), 0))
        return await super().addresses(name, *rest)


def test_all_zones_are_asked_at_once_and_the_first_that_has_it_ends_the_search() -> None:
    resolver = Waiting({"5.2.0.192.zen.example": ["127.0.0.2"]})

    async def ask_it() -> Any:
        answer = await dnsbl_listed.ask(
            client(), settings_of(dnsbl_listed, zones=ZONES), {Resolver: resolver}
        )  # type: ignore[misc]
        await asyncio.sleep(0)
        return answer, len(resolver.asked)

    assert asyncio.run(ask_it()) == (Apply("192.0.2.5 is listed in zen.example (127.0.0.2)"), 2)
    assert [name for name, *_ in resolver.asked] == [
        "5.2.0.192.zen.example",
        "given up: 5.2.0.192.bl.example",
    ]


RECORDS = {
    "5.2.0.192.bl.example A": ("127.0.0.2",),
    f"{V6_NAME}.zen.example A": ("127.0.0.4",),
    "9.2.0.192.bl.example A": ("127.255.255.252",),
}


def test_against_a_dns_server() -> None:
    async def asked_twice() -> tuple[list[Any], int]:
        async with name_server(NameServer(RECORDS, failing=("7.2.0.192.bl.example",))) as server:
            settings = settings_of(dnsbl_listed, zones=ZONES, servers=[server.address])
            resolver, said = DnsResolver(), []
            for ip in ("192.0.2.5", V6, "192.0.2.6", "192.0.2.7", "192.0.2.9", "192.0.2.6"):
                answer = dnsbl_listed.ask(client(ip), settings, {Resolver: resolver})
                assert not isinstance(answer, Apply | Skip | None)
                said.append(await answer)
            return said, server.asked.count("6.2.0.192.bl.example")

    said, times = asyncio.run(asked_twice())
    assert said == [
        Apply("192.0.2.5 is listed in bl.example (127.0.0.2)"),
        Apply(f"{V6} is listed in zen.example (127.0.0.4)"),
        Skip("192.0.2.6 is not listed in bl.example, zen.example"),
        Skip("192.0.2.7 is taken as not listed: bl.example gave no answer (the DNS server said SERVFAIL)"),
        Skip("192.0.2.9 is taken as not listed: bl.example refused to answer (127.255.255.252)"),
        Skip("192.0.2.6 is not listed in bl.example, zen.example"),
    ]
    assert times == 1, "answers are remembered"


def test_a_dns_server_that_is_silent() -> None:
    async def ask_it() -> Any:
        async with name_server(NameServer({}, silent=("5.2.0.192.bl.example",))) as server:
            settings = settings_of(dnsbl_listed, zones=ZONES, servers=[server.address], timeout="1s")
            return await dnsbl_listed.ask(client(), settings, {Resolver: DnsResolver()})  # type: ignore[misc]

    assert asyncio.run(ask_it()) == Skip(
        "192.0.2.5 is taken as not listed: bl.example gave no answer (no answer within 1 s)"
    )


def test_no_zone_is_built_in() -> None:
    with pytest.raises(TypeError, match="zones"):
        settings_of(dnsbl_listed)


def test_zones_are_shown_as_they_are_written() -> None:
    value = Zones().parse({"BL.example.": [], "zen.example": ["127.0.0.2", "127.0.0.4/30"]})
    assert Zones().show(value) == '{ "bl.example" = [], "zen.example" = ["127.0.0.2", "127.0.0.4/30"] }'


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ({}, "^$"),
        ([], "^$"),
        ({"a b": []}, r'^"a b" is no zone'),
        ({"": []}, r'^"" is no zone'),
        ({".example": []}, "is no zone"),
        ({"bl.example": "127.0.0.2"}, r"^the answers of bl\.example must be a list"),
        ({"bl.example": [2]}, r"^the answers of bl\.example must be a list"),
        ({"bl.example": ["127.0.0.5/30"]}, r"^the answers of bl\.example must be a list"),
        ({"bl.example": [], "BL.example.": []}, "^a zone is named twice$"),
        ({"bl.example": ["::1"]}, r"^the answers of bl\.example must be a list"),
    ],
)
def test_what_are_no_zones(raw: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Zones().parse(raw)
