"""The fake MTA on an event loop: sessions by plan with every time-out of an MTA, one or thousands at once.

Here belongs the transport of `postmill send`; `conversation` knows what to say. A failing session is a
report with an error, not an exception. Time-outs by protocol §7.1 and §7.2.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

from postmill.errors import PostmillError, RemoteProtocolError
from postmill.testing.conversation import Conversation, Say
from postmill.testing.outcome import Outcome, SessionReport
from postmill.testing.plan import SessionPlan
from postmill.wire.codes import Command
from postmill.wire.endpoint import Endpoint
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, decode_reply, encode

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

    async def _wait(self, seconds: float, what: str) -> None:
        """Wait until woken; SessionError after `seconds` (0: never)."""
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._waiter.cancel) if seconds else None
        waiter = self._waiter
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() or cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                raise
            raise SessionError("timeout", f"no {what} within {seconds:g} s") from None
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

    async def receive(self, seconds: float, what: str) -> tuple[int, bytes]:
        """The next packet."""
        while not self.packets:
            if self.failure is not None:
                raise self.failure
            await self._wait(seconds, what)
        return self.packets.popleft()

    async def close(self, seconds: float) -> None:
        """Close when what was written has gone out, or after this long; at once after a failure."""
        if self.failure is None and seconds:
            self._transport.close()
            await asyncio.wait([self._gone], timeout=seconds)
        self._transport.abort()
        await self._gone


class _Session:
    """One session: connects, negotiates, carries the conversation, and ends in a report whatever happens."""

    def __init__(
        self, endpoint: Endpoint, plan: SessionPlan, timeouts: Timeouts, trace: Trace | None
    ) -> None:
        self._endpoint = endpoint
        self._plan = plan
        self._timeouts = timeouts
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._report = SessionReport()
        self._doing = "connect"

    async def run(self) -> SessionReport:
        begin = self._loop.time()
        try:
            async with asyncio.timeout(self._timeouts.overall or None):
                await self._connected()
        except SessionError as failure:
            self._failed(failure.kind, str(failure))
        except PostmillError as fault:
            self._failed("protocol", str(fault))
        except TimeoutError:
            self._failed("timeout", f"the session took longer than {self._timeouts.overall:g} s")
        self._report.elapsed = self._loop.time() - begin
        return self._report

    def _failed(self, kind: ErrorKind, text: str) -> None:
        self._report.error_kind = kind
        self._report.error = text if kind == "connect" else f"{self._doing}: {text}"
        if self._report.mails and not self._report.mails[-1].status:
            self._report.mails[-1].status = "error"

    async def _connected(self) -> None:
        line = await self._connect()
        try:
            await self._talk(line)
            await line.close(self._timeouts.write)
        finally:
            await line.close(0)

    async def _connect(self) -> _Line:
        limit = self._timeouts.connect
        try:
            async with asyncio.timeout(limit or None):
                return await self._open()
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

    async def _talk(self, line: _Line) -> None:
        self._doing = "negotiation"
        offer = self._plan.offer
        await line.write(encode(OptNeg(offer.version, offer.actions, offer.protocol)), self._timeouts.write)
        answer = decode_reply(*await line.receive(self._timeouts.read, "answer"))
        if not isinstance(answer, OptNeg):
            raise SessionError("protocol", f"{type(answer).__name__} instead of an answer to the offer")
        self._check(answer)
        conversation = Conversation(self._plan, answer)
        self._report = conversation.report
        await self._carry_out(line, conversation)

    def _check(self, answer: OptNeg) -> None:
        """Refuse what Postfix refuses (protocol §4.4)."""
        offer = self._plan.offer
        if answer.version > offer.version:
            raise SessionError(
                "protocol", f"version {answer.version} is newer than the offered {offer.version}"
            )
        if surplus := answer.actions & ~offer.actions:
            raise SessionError("protocol", f"actions {surplus:#x} were not offered")

    async def _carry_out(self, line: _Line, conversation: Conversation) -> None:
        talk = conversation.run()
        waiting = bytearray()
        outcome: Outcome | None = None
        while True:
            try:
                say = talk.send(outcome)
            except StopIteration:
                break
            waiting += say.data
            outcome = None
            if say.reply:
                self._doing = Command(say.command).name
                outcome = await self._exchange(line, conversation, say, bytes(waiting))
                waiting.clear()
        if waiting and line.failure is None:  # the filter may rightly be gone already
            await line.write(bytes(waiting), self._timeouts.write)

    async def _exchange(self, line: _Line, conversation: Conversation, say: Say, data: bytes) -> Outcome:
        begin = self._loop.time()
        if line.packets:
            raise SessionError("protocol", f"unasked {chr(line.packets[0][0])!r} before this command")
        await line.write(data, self._timeouts.write)
        at_end = say.command == Command.BODYEOB
        limit = self._timeouts.end_of_message if at_end else self._timeouts.read
        collector = conversation.collector(say.command)
        while True:
            left = max(begin + limit - self._loop.time(), 0.001) if at_end and limit else limit
            outcome = collector.take(*await line.receive(left, "verdict"))
            if outcome is not None:
                return replace(outcome, elapsed=self._loop.time() - begin)


async def run_session(
    endpoint: Endpoint, plan: SessionPlan, timeouts: Timeouts | None = None, trace: Trace | None = None
) -> SessionReport:
    """Carry out one session; the report says what went wrong, if anything did."""
    return await _Session(endpoint, plan, timeouts or Timeouts(), trace).run()
