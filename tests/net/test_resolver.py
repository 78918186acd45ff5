"""``DnsResolver`` against a DNS server: answers, faults, and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from postmill.net.resolver import DnsResolver
from tests.net.name_server import NameServer, name_server

RECORDS = {
    "www.example A": ("192.0.2.1", "192.0.2.2"),
    "www.example TXT": ('"v=spf1 " "-all"', '"caf\\195\\169"'),
    "mail.example MX": ("10 www.example.",),
    "alias.example CNAME": ("www.example.",),
}

Body = Callable[[DnsResolver, NameServer], Awaitable[Any]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a body with a resolver and a server, in both kinds of loops: the daemon's is uvloop."""

    def run_body(body: Body, server: NameServer, remembered: int = 100, host: str = "127.0.0.1") -> Any:
        async def within() -> Any:
            async with name_server(server, host):
                return await body(DnsResolver(remembered), server)

        return (uvloop.run if request.param == "uvloop" else asyncio.run)(within())

    return run_body


def test_addresses_and_texts(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> tuple[Any, ...]:
        servers = (server.address,)
        return (
            sorted(await resolver.addresses("www.example", servers)),
            sorted(await resolver.texts("WWW.example.", servers)),
        )

    assert run(body, NameServer(RECORDS)) == (["192.0.2.1", "192.0.2.2"], ["café", "v=spf1 -all"])


def test_a_server_may_have_an_ipv6_address(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> Any:
        assert server.address.startswith("[::1]:")
        return len(await resolver.addresses("www.example", (server.address,)))

    assert run(body, NameServer(RECORDS), host="::1") == 2


@pytest.mark.parametrize(
    "name", ["none.example", "mail.example", "", "a..b", "x" * 64 + ".example", "a." * 130 + "b"]
)
def test_what_is_not_there_is_empty(run: Callable[..., Any], name: str) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> Any:
        return await resolver.addresses(name, (server.address,)), await resolver.texts(
            name, (server.address,)
        )

    assert run(body, NameServer(RECORDS)) == ((), ())


def test_a_failing_server_is_an_error(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        with pytest.raises(OSError, match=r"^the DNS server said SERVFAIL$"):
            await resolver.addresses("broken.example", (server.address,))

    run(body, NameServer({}, failing=("broken.example",)))


def test_a_silent_server_is_an_error_after_the_time(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        with pytest.raises(TimeoutError, match=r"^no answer within 0\.2 s$"):
            await resolver.addresses("slow.example", (server.address,), 0.2)
        assert server.asked

    run(body, NameServer({}, silent=("slow.example",)))


def test_where_nobody_listens_is_an_error(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        async with name_server(NameServer({})) as gone:
            address = gone.address
        with pytest.raises(OSError, match=r"."):
            await resolver.addresses("www.example", (address,), 0.3)

    run(body, NameServer({}))


def test_answers_are_remembered_even_that_there_is_none(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> list[str]:
        for name in ("www.example", "none.example", "mail.example") * 2:
            await resolver.addresses(name, (server.address,))
        return sorted(server.asked)

    assert run(body, NameServer(RECORDS)) == ["mail.example", "none.example", "www.example"]


def test_an_answer_is_not_remembered_longer_than_dns_says(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> int:
        for _ in range(3):
            await resolver.addresses("www.example", (server.address,))
        return len(server.asked)

    assert run(body, NameServer(RECORDS, ttl=0)) == 3


def test_no_more_is_remembered_than_was_said(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> list[str]:
        for name in ("a.example", "b.example", "c.example", "c.example", "a.example"):
            await resolver.addresses(name, (server.address,))
        return server.asked

    records = {f"{letter}.example A": ("192.0.2.1",) for letter in "abc"}
    assert run(body, NameServer(records), remembered=2) == [
        "a.example",
        "b.example",
        "c.example",
        "a.example",
    ]


def test_a_failure_is_not_remembered(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> tuple[str, ...]:
        with pytest.raises(OSError, match="SERVFAIL"):
            await resolver.addresses("www.example", (server.address,))
        server.records = RECORDS
        return await resolver.addresses("www.example", (server.address,))

    assert len(run(body, NameServer({}, failing=("www.example",)))) == 2


def test_each_set_of_servers_has_its_own_memory(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> tuple[Any, ...]:
        async with name_server(NameServer({"www.example A": ("203.0.113.9",)})) as other:
            return tuple(
                [await resolver.addresses("www.example", (one.address,)) for one in (server, other, server)]
            )

    first, second, third = run(body, NameServer({"www.example A": ("192.0.2.1",)}))
    assert (first, second, third) == (("192.0.2.1",), ("203.0.113.9",), ("192.0.2.1",))


def test_many_questions_at_once(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> Any:
        names = [f"h{number}.example" for number in range(50)]
        return await asyncio.gather(*(resolver.addresses(name, (server.address,)) for name in names))

    records = {f"h{number}.example A": (f"192.0.2.{number}",) for number in range(50)}
    assert run(body, NameServer(records)) == [(f"192.0.2.{number}",) for number in range(50)]


def test_what_is_no_address_of_a_server_is_an_error(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        with pytest.raises(OSError, match="does not appear to be an IPv4 or IPv6 address"):
            await resolver.addresses("www.example", ("localhost",))

    run(body, NameServer(RECORDS))


def test_one_address_with_two_ports_is_refused_and_not_taken_for_one(run: Callable[..., Any]) -> None:
    async def body(resolver: DnsResolver, server: NameServer) -> None:
        with pytest.raises(OSError, match=r"127\.0\.0\.1 is named with two ports"):
            await resolver.addresses("www.example", (server.address, "127.0.0.1:1"))

    run(body, NameServer(RECORDS))
