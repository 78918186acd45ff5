"""A DNS server on loopback within the test: real packets, and the faults that real servers have.

``name_server`` runs one in the event loop of the test. A name it has no records of does not exist; the names in
``silent`` and ``failing`` get no answer, or SERVFAIL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.example. root.example. 1 3600 600 86400 60"


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    """Answers by its records: name and type, as ``"bl.example A"``, to the values."""

    records: Mapping[str, Sequence[str]]
    ttl: int = 300
    silent: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    address: str = ""
    """Where it listens, as Postmill's settings write it."""
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        host, port = transport.get_extra_info("sockname")[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if name in self.silent:
            return
        answer = dns.message.make_response(query)
        self._fill(answer, question.name, name, dns.rdatatype.to_text(question.rdtype))
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), peer)

    def _fill(self, answer: dns.message.Message, origin: dns.name.Name, name: str, kind: str) -> None:
        values = self.records.get(f"{name} {kind}", ())
        if values:
            answer.answer.append(dns.rrset.from_text(origin, self.ttl, "IN", kind, *values))
        elif name in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        else:
            exists = any(known.startswith(f"{name} ") for known in self.records)
            answer.set_rcode(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
            answer.authority.append(dns.rrset.from_text(dns.name.root, self.ttl, "IN", "SOA", SOA))


@asynccontextmanager
async def name_server(server: NameServer, host: str = "127.0.0.1") -> AsyncIterator[NameServer]:
    """Run the server as long as the block lasts."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(host, 0))
    try:
        yield server
    finally:
        transport.close()
        await asyncio.sleep(0)  # the socket is closed in the loop's next turn
