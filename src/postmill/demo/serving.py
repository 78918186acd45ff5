"""One demo filter as a process on a unix socket: ``python -m postmill.demo.serving NAME SOCKET``.

Here belongs the filter's side of the protocol, carried by `wire.states.FilterRole` (protocol §6); what to
answer is the filter's own. The process prints ``ready`` when it listens and ends when its standard input
does, so that it cannot outlive the demo.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

from postmill.demo.filters import FILTERS, DemoFilter, Letter
from postmill.errors import RemoteProtocolError
from postmill.wire.codes import VERSION, Protocol
from postmill.wire.packets import (
    Abort,
    Body,
    BodyEob,
    CommandPacket,
    Continue,
    Header,
    Mail,
    OptNeg,
    Quit,
    Rcpt,
    ReplyPacket,
)
from postmill.wire.states import FilterRole


class Link(asyncio.Protocol):
    """One connection of the MTA, which is Postmill."""

    def __init__(self, demo_filter: DemoFilter) -> None:
        self._filter = demo_filter
        self._role = FilterRole()
        self._letter = Letter()
        self._transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        self._role.receive_data(data)
        try:
            for packet in self._role.events():
                self._take(packet)
                if self._role.owes:
                    self._send(Continue())
        except RemoteProtocolError:
            self._transport.abort()

    def _send(self, *packets: ReplyPacket | OptNeg) -> None:
        self._transport.write(b"".join([self._role.send(packet) for packet in packets]))

    def _take(self, packet: CommandPacket) -> None:
        letter = self._letter
        match packet:
            case OptNeg():
                self._send(self._answer(packet))
            case Mail(address):
                self._letter = Letter(address)
            case Rcpt(address):
                letter.recipients.append(address)
            case Header(name, value):
                letter.headers.append((name, value))
            case Body(data):
                letter.body += data
            case BodyEob():
                self._send(*self._filter.judge(letter))
                self._letter = Letter()
            case Abort():
                self._letter = Letter()
            case Quit():
                self._transport.close()
            case _:
                pass

    def _answer(self, offer: OptNeg) -> OptNeg:
        quiet = Protocol.NR_HDR | Protocol.NR_EOH | Protocol.NR_BODY
        protocol = (self._filter.without | quiet) & offer.protocol
        return OptNeg(min(VERSION, offer.version), self._filter.actions & offer.actions, protocol)


async def serve(demo_filter: DemoFilter, path: str) -> None:
    """Serve until the standard input ends or SIGTERM comes."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    server = await loop.create_unix_server(lambda: Link(demo_filter), path)
    print("ready", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(FILTERS[sys.argv[1]], sys.argv[2]))
