"""aiosmtpd's protocol, with the moments at which a milter is asked but aiosmtpd has no hook.

Those are: the client connects, DATA before the go-ahead, commands that are not known. And replies 421, after
which the connection ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from postmill.demo.visit import HOSTNAME, Visit, raw

SIZE_LIMIT = 10_240_000
"""Bytes of the largest message that is taken, as in Postfix."""


class Server(SMTP):
    """One connection; `on_open` and `on_close` are told when the client comes and when it is gone."""

    def __init__(
        self, visit: Visit, on_open: Callable[[Server], None], on_close: Callable[[Server], None]
    ) -> None:
        super().__init__(
            visit,
            hostname=HOSTNAME,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            ident="ESMTP Postmill demo",
        )
        self.visit = visit
        self._on_open = on_open
        self._on_close = on_close
        self._banner = b""
        self._smtp_methods = _Methods(self._smtp_methods, self._unknown)

    async def _handle_client(self) -> None:
        self._on_open(self)
        try:
            assert self.session is not None
            peer: Any = self.session.peer
            self._banner = await self.visit.connect(peer)
            if self._banner.startswith(b"5"):
                self._banner = b"554" + self._banner[3:].replace(b"\n" + self._banner[:3], b"\n554")
            elif not self._banner.startswith(b"421"):
                self._banner = b""  # the refusal is shown at MAIL (protocol §6.2)
            await super()._handle_client()
        finally:
            self._on_close(self)

    async def push(self, status: Any) -> None:
        """Send a reply; a filter's refusal of the connection takes the place of the greeting, 421 ends it."""
        if self._banner:
            status, self._banner = self._banner, b""
        await super().push(status)
        if status[:3] in ("421", b"421"):
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection to the client."""
        if self.transport is not None:
            self.transport.close()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Ask the filter before the client is told to go ahead."""
        if self.envelope is not None and self.envelope.rcpt_tos and not arg:
            refusal = await self.visit.data()
            if refusal:
                await self.push(refusal)
                return
        await super().smtp_DATA(arg)

    async def _unknown(self, command: str, arg: str | None) -> None:
        await self.push(await self.visit.unknown(raw(f"{command} {arg or ''}".rstrip())))


class _Methods(dict[str, Any]):
    """The commands that aiosmtpd knows, and one answer to all others."""

    def __init__(self, known: dict[str, Any], unknown: Callable[[str, str | None], Any]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, command: str, default: Any = None) -> Any:
        """What carries out a command."""
        method = super().get(command, default)
        return method if method is not None else lambda arg: self._unknown(command, arg)
