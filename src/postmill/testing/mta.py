"""A fake MTA on a blocking socket, for tests: whole sessions by plan, single commands, and raw bytes for
faults.

Here belongs the blocking transport; `conversation` knows what to say, `outcome` how replies are collected,
`sender` does the same with an event loop for many sessions and with all time-outs.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from postmill.errors import RemoteProtocolError
from postmill.testing.conversation import Conversation
from postmill.testing.outcome import NOTHING, Collector, MailReport, Outcome, SessionReport
from postmill.testing.plan import Mail, Offer, SessionPlan
from postmill.testing.seen import Pairs
from postmill.wire.codes import Command
from postmill.wire.endpoint import Endpoint, parse_endpoint
from postmill.wire.framing import FrameReader, frame
from postmill.wire.packets import (
    Body,
    BodyEob,
    Connect,
    Data,
    Eoh,
    Header,
    Helo,
    Macro,
    OptNeg,
    Packet,
    Rcpt,
    Unknown,
    decode_reply,
    encode,
)
from postmill.wire.packets import Mail as MailPacket
from postmill.wire.tables import EVENTS, NO_FLAG, NR_FLAG, SINCE_VERSION

FAMILY = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
Macros = Sequence[tuple[bytes, bytes]] | dict[bytes, bytes] | None


def letter_of(command: int | str) -> int:
    """A command letter given as ``"M"``, as `Command` or as a number."""
    return ord(command) if isinstance(command, str) else int(command)


class FakeMta:
    """One milter connection as an MTA opens it. Usable as a context manager, which connects and closes.

    Every wait ends after `timeout` seconds with TimeoutError. A reply that the protocol forbids at its
    place raises RemoteProtocolError; with `strict=False` only unreadable ones do. ConnectionError (EOFError
    at a clean end of the stream) tells that the filter is gone.
    """

    def __init__(self, endpoint: str | Endpoint, *, timeout: float = 10.0, strict: bool = True) -> None:
        self.endpoint = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        self.timeout = timeout
        self.strict = strict
        self.answer = OptNeg(6, 0, 0)
        self._sock: socket.socket | None = None
        self._reader = FrameReader()
        self._packets: deque[tuple[int, bytes]] = deque()

    # the connection

    def connect(self) -> Self:
        """Open the connection."""
        self._sock = socket.socket(FAMILY[self.endpoint.kind])
        self._sock.settimeout(self.timeout)
        unix = self.endpoint.kind == "unix"
        try:
            self._sock.connect(self.endpoint.path if unix else (self.endpoint.host, self.endpoint.port))
            if not unix:
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the connection without a word."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def sock(self) -> socket.socket:
        """The socket, for what is not provided here."""
        assert self._sock is not None, "not connected"
        return self._sock

    # bytes and packets

    def send_raw(self, data: bytes) -> None:
        """Write any bytes."""
        self.sock.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next packet as letter and payload; EOFError at a clean end, RemoteProtocolError inside a
        packet.
        """
        while not self._packets:
            data = self.sock.recv(262144)
            if not data:
                self._reader.finish()
                raise EOFError("the filter closed the connection")
            self._packets.extend(self._reader.feed(data))
        return self._packets.popleft()

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing (no packet, no end of the stream) arrives for this long."""
        if self._packets:
            return False
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(262144)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(self.timeout)
        self._packets.extend(self._reader.feed(data))
        return False

    def wait_eof(self) -> bytes:
        """Wait until the filter closes (cleanly or not); returns the bytes that came before."""
        data = b"".join(frame(letter, payload) for letter, payload in self._packets)
        self._packets.clear()
        try:
            while more := self.sock.recv(262144):
                data += more
        except ConnectionError:
            pass
        return data

    # single commands

    def negotiate(self, version: int = 6, actions: int = 0x1FF, protocol: int = 0x1FFFFF) -> OptNeg:
        """Offer, and return the filter's answer (also kept as `answer`)."""
        self.send_raw(encode(OptNeg(version, actions, protocol)))
        packet = decode_reply(*self.receive())
        if not isinstance(packet, OptNeg):
            raise RemoteProtocolError(f"{packet!r} instead of an answer to the offer")
        self.answer = packet
        return packet

    def wants(self, command: int | str) -> bool:
        """Whether the filter is to get this event, by version and NO flags."""
        letter = letter_of(command)
        suppressed = self.answer.protocol & NO_FLAG.get(letter, 0)
        return not suppressed and self.answer.version >= SINCE_VERSION.get(letter, 0)

    def expects_reply(self, command: int | str) -> bool:
        """Whether the filter is to answer this event, by kind and NR flags."""
        letter = letter_of(command)
        return letter in EVENTS and not self.answer.protocol & NR_FLAG.get(letter, 0)

    def command(
        self, command: int | str, payload: bytes = b"", macros: Macros = None, *, force: bool = False
    ) -> Outcome:
        """Send one command (its macros first, unless None) and collect what comes, up to the verdict.

        Events that the filter does not want are left out, unless `force`; their outcome, and that of events
        without reply, has no verdict.
        """
        letter = letter_of(command)
        if not force and not self.wants(letter):
            return NOTHING
        self._refuse_unasked()
        head = b""
        if macros is not None:
            pairs: Pairs = tuple(macros.items() if isinstance(macros, dict) else macros)
            head = encode(Macro(letter, pairs))
        self.send_raw(head + frame(letter, payload))
        return self.collect(letter) if self.expects_reply(letter) else NOTHING

    def _refuse_unasked(self) -> None:
        """RemoteProtocolError, when `strict`, for packets that have arrived although no reply was due."""
        if not self.strict:
            return
        poll = select.poll()  # select() itself knows no descriptor above 1023
        poll.register(self.sock, select.POLLIN)
        if poll.poll(0):
            with contextlib.suppress(ConnectionError):
                self._packets.extend(self._reader.feed(self.sock.recv(262144)))
        if self._packets:
            letters = bytes(letter for letter, _ in self._packets).decode("latin-1")
            raise RemoteProtocolError(f"unasked packets {letters!r}")

    def collect(self, command: int | str) -> Outcome:
        """Read replies up to the verdict on a command that was sent."""
        begin = time.monotonic()
        collector = Collector(letter_of(command), strict=self.strict)
        while True:
            outcome = collector.take(*self.receive())
            if outcome is not None:
                if self._packets and self.strict:
                    surplus = bytes(letter for letter, _ in self._packets).decode("latin-1")
                    raise RemoteProtocolError(f"surplus packets {surplus!r} after the verdict")
                return replace(outcome, elapsed=time.monotonic() - begin)

    def say(self, packet: Packet, macros: Macros = None) -> Outcome:
        """`command` with a packet as a value."""
        return self.command(packet.letter, packet.payload(), macros)

    def client(
        self,
        host: bytes = b"localhost",
        family: bytes = b"4",
        port: int = 50025,
        address: bytes = b"127.0.0.1",
        macros: Macros = None,
    ) -> Outcome:
        """CONNECT."""
        return self.say(Connect(host, family, port, address), macros)

    def helo(self, name: bytes = b"client.example.com", macros: Macros = None) -> Outcome:
        """HELO."""
        return self.say(Helo(name), macros)

    def mail(self, address: bytes = b"<a@example.com>", *args: bytes, macros: Macros = None) -> Outcome:
        """MAIL."""
        return self.say(MailPacket(address, args), macros)

    def rcpt(self, address: bytes = b"<user1@example.org>", *args: bytes, macros: Macros = None) -> Outcome:
        """RCPT."""
        return self.say(Rcpt(address, args), macros)

    def data(self, macros: Macros = None) -> Outcome:
        """DATA."""
        return self.say(Data(), macros)

    def header(self, name: bytes, value: bytes, macros: Macros = None) -> Outcome:
        """HEADER, with the value as it goes on the wire."""
        return self.say(Header(name, value), macros)

    def end_of_headers(self, macros: Macros = None) -> Outcome:
        """EOH."""
        return self.say(Eoh(), macros)

    def body(self, data: bytes, macros: Macros = None) -> Outcome:
        """BODY."""
        return self.say(Body(data), macros)

    def end_of_message(self, macros: Macros = None) -> Outcome:
        """BODYEOB; the outcome has the edits."""
        return self.say(BodyEob(), macros)

    def unknown(self, command: bytes, macros: Macros = None) -> Outcome:
        """UNKNOWN."""
        return self.say(Unknown(command), macros)

    def abort(self) -> None:
        """ABORT; nothing is answered."""
        self.send_raw(frame(Command.ABORT))

    def quit(self) -> None:
        """QUIT, wait for the filter to close, close."""
        self.send_raw(frame(Command.QUIT))
        self.wait_eof()
        self.close()

    # whole sessions

    def session(self, plan: SessionPlan | None = None) -> SessionReport:
        """Carry out a plan from negotiation to the end; connects if needed. Errors are raised, not
        reported.
        """
        if self._sock is None:
            self.connect()
        try:
            return self._session(plan or SessionPlan())
        finally:
            self.close()

    def _session(self, plan: SessionPlan) -> SessionReport:
        begin = time.monotonic()
        answer = self.negotiate(plan.offer.version, plan.offer.actions, plan.offer.protocol)
        conversation = Conversation(plan, answer)
        self._carry_out(conversation)
        conversation.report.elapsed = time.monotonic() - begin
        return conversation.report

    def _carry_out(self, conversation: Conversation) -> None:
        talk = conversation.run()
        waiting = bytearray()
        outcome: Outcome | None = None
        try:
            while True:
                say = talk.send(outcome)
                waiting += say.data
                outcome = None
                if say.reply:
                    self._refuse_unasked()
                    self.send_raw(bytes(waiting))
                    waiting.clear()
                    outcome = self.collect(say.command)
        except StopIteration:
            self._end(bytes(waiting))

    def _end(self, last: bytes) -> None:
        self._refuse_unasked()
        try:
            self.send_raw(last)
            if last.endswith(frame(Command.QUIT)):
                self.wait_eof()
        except ConnectionError:
            pass  # the filter may be gone already, as after a refused connection

    def deliver(self, mail: Mail | None = None, offer: Offer | None = None) -> MailReport:
        """One session with one message; its report."""
        plan = SessionPlan(mails=(mail or Mail(),), offer=offer or Offer())
        return self.session(plan).mails[0]
