"""The fake MTA on an event loop: sessions by plan with every time-out of an MTA, one or thousands at once.

Here belongs what becomes of a session as a whole; `conversation` knows what to say, `carrier` transports it.
A failing session is a report with an error, not an exception.
"""

from __future__ import annotations

import asyncio
import time

from postmill.errors import PostmillError
from postmill.testing.carrier import Carrier, ErrorKind, SessionError, Timeouts, Trace
from postmill.testing.conversation import Conversation
from postmill.testing.outcome import SessionReport
from postmill.testing.plan import SessionPlan
from postmill.wire.endpoint import Endpoint


class _Session:
    """One session: connects, negotiates, carries the conversation, and ends in a report whatever happens."""

    def __init__(
        self, endpoint: Endpoint, plan: SessionPlan, timeouts: Timeouts, trace: Trace | None
    ) -> None:
        self._plan = plan
        self._timeouts = timeouts
        self._carrier = Carrier(endpoint, timeouts, trace)
        self._report = SessionReport()

    async def run(self) -> SessionReport:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._timeouts.overall or None):
                await self._connected()
        except SessionError as failure:
            self._failed(failure.kind, str(failure))
        except PostmillError as fault:
            self._failed("protocol", str(fault))
        except TimeoutError:
            self._failed("timeout", f"the session took longer than {self._timeouts.overall:g} s")
        self._report.elapsed = time.monotonic() - begin
        return self._report

    def _failed(self, kind: ErrorKind, text: str) -> None:
        self._report.error_kind = kind
        self._report.error = text if kind == "connect" else f"{self._carrier.doing}: {text}"
        if self._report.mails and not self._report.mails[-1].status:
            self._report.mails[-1].status = "error"

    async def _connected(self) -> None:
        carrier = self._carrier
        await carrier.connect()
        try:
            answer = await carrier.negotiate(self._plan.offer)
            conversation = Conversation(self._plan, answer)
            self._report = conversation.report
            await carrier.carry(conversation, conversation.run())
            await carrier.finish()
        finally:
            await carrier.drop()


async def run_session(
    endpoint: Endpoint, plan: SessionPlan, timeouts: Timeouts | None = None, trace: Trace | None = None
) -> SessionReport:
    """Carry out one session; the report says what went wrong, if anything did."""
    return await _Session(endpoint, plan, timeouts or Timeouts(), trace).run()


__all__ = ["ErrorKind", "SessionError", "Timeouts", "Trace", "run_session"]
