"""One MTA connection: its packets go into the session, the session's commands are carried out.

Here too is the promise that the MTA gets an answer whatever happens: a defect of ours is logged and
answered with a temporary failure.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from postmill.chain.child import Child
from postmill.chain.session import Session
from postmill.chain.steps import (
    Ask,
    Await,
    Cancel,
    CloseChild,
    Command,
    Decide,
    Outcome,
    Settle,
    Steps,
    Talk,
    Tell,
)
from postmill.errors import RemoteProtocolError
from postmill.net.link import ChildLink
from postmill.net.settling import Settling
from postmill.net.stream import Stream
from postmill.wire.codes import Command as Letter
from postmill.wire.codes import Reply
from postmill.wire.framing import FrameReader, frame

if TYPE_CHECKING:
    import socket

    from postmill.net.service import Service

log = logging.getLogger("postmill.mta")

_TEMPFAIL = frame(Reply.TEMPFAIL)
_PROGRESS = frame(Reply.PROGRESS)
_MACRO, _QUIT = int(Letter.MACRO), int(Letter.QUIT)
_HIGH_WATER = 1 << 20


class MtaConnection:
    """Drives one ``Session``."""

    __slots__ = (
        "_awaited",
        "_packets",
        "_queued",
        "_reader",
        "_settling",
        "_steps",
        "_stream",
        "last_sign",
        "service",
        "session",
    )

    def __init__(self, service: Service, sock: socket.socket, session: Session) -> None:
        """Serve the MTA at the other end of ``sock``."""
        self.service = service
        self.session = session
        self._reader = FrameReader()
        self._packets: deque[tuple[int, bytes]] = deque()
        self._queued = 0
        self._steps: Steps | None = None
        self._awaited: ChildLink | None = None
        self._settling: Settling | None = None
        self.last_sign = 0.0
        """When the MTA last heard of us, or we of it, while it waits."""
        self._stream = Stream(service.poller, sock, self._data, self._ended)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: no event, no message."""
        return self._steps is None and self.session.state.message is None

    # -- from the MTA ---------------------------------------------------------------------------------

    def _data(self, data: bytes) -> None:
        try:
            packets = self._reader.feed(data)
        except RemoteProtocolError as error:
            self._broken(error)
            return
        if packets and packets[-1][0] == _MACRO:
            # Sendmail writes macros on their own; its next write waits for our acknowledgement (protocol §8)
            self._stream.ask_quick_ack()
        if self._steps is not None:
            self._packets.extend(packets)
            self._queued += len(data)
            if self._queued > _HIGH_WATER:
                self._stream.pause()
            return
        if self._packets:
            self._packets.extend(packets)
        else:
            self._packets = deque(packets)
        self._work()

    def _work(self) -> None:
        """Hand packets to the session until it has to wait or there are none left."""
        packets = self._packets
        packet = self.session.packet
        try:
            while packets:
                letter, payload = packets.popleft()
                steps = packet(letter, payload)
                if steps is None:
                    continue
                self._steps = steps
                self.last_sign = self.service.now()
                self._resume(None)
                if letter == _QUIT:
                    self._close()
                    return
                if self._steps is not None:
                    return
        except RemoteProtocolError as error:
            self._broken(error)
        except Exception:
            self._defect()
        self._queued = 0
        self._stream.resume()

    def _ended(self, reason: str) -> None:
        if self._steps is not None:
            self._interrupt()
        if reason != "closed":
            log.info("MTA connection lost: %s", reason)
        self._goodbye()

    def _broken(self, error: RemoteProtocolError) -> None:
        """The MTA broke the protocol: closing makes it apply its own default action (protocol §10.1)."""
        log.error("MTA broke the milter protocol: %s", error)
        self._goodbye()

    def _goodbye(self) -> None:
        """Leave every child in good manners, then close."""
        self._run_quietly(self.session.hangup())
        self._close()

    def _close(self) -> None:
        self._packets.clear()
        self._stream.close()
        self.service.closed(self)

    # -- the session's commands -----------------------------------------------------------------------

    def wake(self, link: ChildLink) -> None:
        """The outcome that the session waits for is there."""
        if self._awaited is link:
            self._awaited = None
            outcome = link.outcome
            link.outcome = None
            self._go_on(outcome)

    def settled(self) -> None:
        """What conditions had to wait for is there."""
        self._settling = None
        self._go_on(None)

    def _go_on(self, value: Outcome | None) -> None:
        """Run the session's steps after a wait, then hand in what came meanwhile."""
        try:
            self._resume(value)
        except Exception:
            self._defect()
        if self._steps is None and self._packets:
            self._work()
        elif self._steps is None and self._queued:
            self._queued = 0
            self._stream.resume()

    def _resume(self, value: Outcome | None) -> None:
        """Run the session's steps until one has to wait, or to their end."""
        steps = self._steps
        assert steps is not None
        send = steps.send
        try:
            while True:
                command = send(value)
                if type(command) is Await:
                    link: ChildLink = command.child.link
                    value = link.outcome
                    if value is None:
                        self._awaited = link
                        link.waiter = self
                        return
                    link.outcome = None
                else:
                    value = None
                    if type(command) is Ask:
                        self._ask(command.child, command.talk)
                    elif type(command) is Settle:
                        self._settling = Settling(self.service, command, self.settled)
                        return
                    else:
                        self._carry_out(command)
        except StopIteration:
            self._steps = None

    def _ask(self, child: Child, talk: Talk) -> None:
        if child.link is None:
            child.link = self.service.open(child.spec.name)
        child.link.begin(talk)

    def _carry_out(self, command: Command) -> None:
        if type(command) is Decide:
            self._stream.write(command.data)
        elif type(command) is Tell:
            command.child.link.write(command.data)
        elif type(command) is Cancel:
            command.child.link.cancel()
        elif type(command) is CloseChild:
            command.child.link.close(command.farewell, command.reuse)
            command.child.link = None

    def _run_quietly(self, steps: Steps) -> None:
        """Run steps that never wait."""
        try:
            for command in steps:
                self._carry_out(command)
        except Exception:
            log.exception("defect in Postmill while a session was closed")

    def _interrupt(self) -> None:
        """The MTA went away while a child was being asked."""
        if self._awaited is not None:
            self._awaited.waiter = None
            self._awaited = None
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def _defect(self) -> None:
        """Something in here is wrong: say so, refuse for now what was being asked, and end the session."""
        log.exception("defect in Postmill; the MTA is told to try again later")
        self.cut_off()

    def cut_off(self) -> None:
        """We have to go: refuse for now what is being asked, and end the session."""
        self._interrupt()
        if self.session.stage:
            self._stream.write(_TEMPFAIL)
        self._goodbye()

    # -- time -----------------------------------------------------------------------------------------

    def sign_of_life(self, now: float, interval: float) -> None:
        """Send PROGRESS when the MTA has waited for ``interval`` seconds and takes it (protocol §7.4)."""
        waits = self._awaited is not None or self._settling is not None
        if waits and now - self.last_sign >= interval and self.session.may_progress:
            self.last_sign = now
            self._stream.write(_PROGRESS)
