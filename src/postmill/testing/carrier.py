"""One connection to a filter on an event loop: opened, negotiated, then carrying what a conversation says.

Here belong the transport of everything that plays an MTA on an event loop, and its time-outs (protocol §7.1,
§7.2). Whole sessions by plan are `sender`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast

from postmill.errors import PostmillError, RemoteProtocolError
from postmill.testing.conversation import Conversation, Say
from postmill.testing.outcome import Outcome
from postmill.testing.plan import Offer
from postmill.wire.codes import Command
from postmill.wire.endpoint import Endpoint
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, decode_reply, encode

Result = TypeVar("Result")

Trace = Callable[[Literal[">", "<"], int, bytes], None]
"""Called with the direction (``>`` to the filter), letter and payload of every packet."""

ErrorKind = Literal["connect", "timeout", "lost", "protocol"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; 0 means no limit.

    `read` is the longest silence while a reply is due (every packet restarts it), except at the end of the
    message: there `end_of_message` is the whole time up to the verdict. `overall` is for the session.
    """

    connect: float = 300.0
    read: float = 10.0
    write: float = 10.0
    end_of_message: float = 300.0
    overall: float = 0.0


class SessionError(PostmillError):
    """A session cannot go on; `kind` tells why."""

    def __init__(self, kind: ErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind: ErrorKind = kind


class _Line(asyncio.Protocol):
    """The connection to the filter: packets in, bytes out, and one waiter for either."""

    def __init__(self, trace: Trace | None) -> None:
        self.packets: deque[tuple[int, bytes]] = deque()
        self.failure: SessionError | None = None
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._trace = trace
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            packets = self._reader.feed(data)
        except RemoteProtocolError as fault:
            self._fail("protocol", str(fault))
            return
        if self._trace is not None:
            for letter, payload in packets:
                self._trace("<", letter, payload)
        self.packets.extend(packets)
        if packets:
            self._wake()

    def eof_received(self) -> None:
        self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc)
        if not self._gone.done():
            self._gone.set_result(None)

    def _lost(self, exc: Exception | None) -> None:
        text = f"the filter closed the connection{f' ({exc})' if exc else ''}"
        if self._reader.pending:
            text += f" inside a packet, after {self._reader.pending} of its bytes"
        self._fail("lost", text)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def _fail(self, kind: ErrorKind, text: str) -> None:
        self.failure = self.failure or SessionError(kind, text)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, seconds: float, what: str, limit: float = 0) -> None:
        """Wait until woken; SessionError after `seconds` (0: never), which are the rest of `limit` if
        given.
        """
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._waiter.cancel) if seconds else None
        waiter = self._waiter
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() or cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                raise
            raise SessionError("timeout", f"no {what} within {limit or seconds:g} s") from None
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def write(self, data: bytes, seconds: float) -> None:
        """Hand bytes to the filter; waits while its buffers are full."""
        if self.failure is not None:
            raise self.failure
        if self._trace is not None:
            for letter, payload in FrameReader().feed(data):
                self._trace(">", letter, payload)
        self._transport.write(data)
        while self._paused and self.failure is None:
            await self._wait(seconds, "room for writing")

    async def receive(self, seconds: float, what: str, limit: float = 0) -> tuple[int, bytes]:
        """The next packet, within `seconds` (the rest of `limit`, if given)."""
        while not self.packets:
            if self.failure is not None:
                raise self.failure
            await self._wait(seconds, what, limit)
        return self.packets.popleft()

    async def close(self, seconds: float) -> None:
        """Close when what was written has gone out, or after this long; at once after a failure."""
        if self.failure is None and seconds:
            self._transport.close()
            await asyncio.wait([self._gone], timeout=seconds)
        self._transport.abort()
        await self._gone


class Carrier:
    """A connection to a filter. Every method raises SessionError (or another PostmillError) when the filter
    fails; `doing` then names the step it failed at.
    """

    def __init__(
        self, endpoint: Endpoint, timeouts: Timeouts | None = None, trace: Trace | None = None
    ) -> None:
        self.doing = "connect"
        self._endpoint = endpoint
        self._timeouts = timeouts or Timeouts()
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._line: _Line | None = None

    @property
    def line(self) -> _Line:
        """The open connection."""
        assert self._line is not None, "not connected"
        return self._line

    async def connect(self) -> None:
        """Open the connection."""
        limit = self._timeouts.connect
        try:
            async with asyncio.timeout(limit or None):
                self._line = await self._open()
        except TimeoutError:
            raise SessionError("timeout", f"no connection to {self._endpoint} within {limit:g} s") from None
        except OSError as error:
            raise SessionError(
                "connect", f"cannot connect to {self._endpoint}: {error.strerror or error}"
            ) from None

    async def _open(self) -> _Line:
        def make() -> _Line:
            return _Line(self._trace)

        if self._endpoint.kind == "unix":
            return (await self._loop.create_unix_connection(make, self._endpoint.path))[1]
        return (await self._loop.create_connection(make, self._endpoint.host, self._endpoint.port))[1]

    async def negotiate(self, offer: Offer) -> OptNeg:
        """Offer, and return the answer; what Postfix refuses is refused (protocol §4.4)."""
        self.doing = "negotiation"
        packet = OptNeg(offer.version, offer.actions, offer.protocol)
        await self.line.write(encode(packet), self._timeouts.write)
        answer = decode_reply(*await self.line.receive(self._timeouts.read, "answer"))
        if not isinstance(answer, OptNeg):
            raise SessionError("protocol", f"{type(answer).__name__} instead of an answer to the offer")
        if answer.version > offer.version:
            raise SessionError(
                "protocol", f"version {answer.version} is newer than the offered {offer.version}"
            )
        if surplus := answer.actions & ~offer.actions:
            raise SessionError("protocol", f"actions {surplus:#x} were not offered")
        return answer

    async def carry(self, conversation: Conversation, talk: Generator[Say, Outcome | None, Result]) -> Result:
        """Say what `talk` (a part of `conversation`, or all of it) wants said; returns what it returns."""
        waiting = bytearray()
        outcome: Outcome | None = None
        while True:
            try:
                say = talk.send(outcome)
            except StopIteration as end:
                result: Result = end.value
                break
            waiting += say.data
            outcome = None
            if say.reply:
                self.doing = Command(say.command).name
                outcome = await self._exchange(conversation, say, bytes(waiting))
                waiting.clear()
        if waiting and self.line.failure is None:  # the filter may rightly be gone already
            await self.line.write(bytes(waiting), self._timeouts.write)
        return result

    async def _exchange(self, conversation: Conversation, say: Say, data: bytes) -> Outcome:
        line = self.line
        begin = time.monotonic()
        if line.packets:
            raise SessionError("protocol", f"unasked {chr(line.packets[0][0])!r} before this command")
        await line.write(data, self._timeouts.write)
        at_end = say.command == Command.BODYEOB
        limit = self._timeouts.end_of_message if at_end else self._timeouts.read
        collector = conversation.collector(say.command)
        while True:
            left = max(begin + limit - time.monotonic(), 0.001) if at_end and limit else limit
            outcome = collector.take(*await line.receive(left, "verdict", limit))
            if outcome is not None:
                return replace(outcome, elapsed=time.monotonic() - begin)

    async def finish(self) -> None:
        """Close once what was written has gone out."""
        await self.line.close(self._timeouts.write)

    async def drop(self) -> None:
        """Close at once; nothing happens when it is closed already or never was open."""
        if self._line is not None:
            await self._line.close(0)


__all__ = ["Carrier", "ErrorKind", "SessionError", "Timeouts", "Trace"]
