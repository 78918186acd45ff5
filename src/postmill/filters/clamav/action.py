"""The administrator's program that is run for a virus, and what it is told (VirusAction).

Its arguments are those of clamav-milter, byte for byte: programs written for that rely on them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress

from postmill.api import Message

log = logging.getLogger("postmill.filter.clamav")

WITHIN = 30.0
"""Seconds for all runs for one message: the MTA waits for them, and so does the verdict."""
_TOLD = bytes(code if 32 <= code < 127 and code != ord("'") else 32 for code in range(256))
"""What a header may bring along: nothing that ends a quotation in a shell, and nothing unprintable."""


async def act(program: str, msg: Message, virus: str, each: bool) -> None:
    """Run a program for a virus; whatever it does changes nothing about the mail."""
    try:
        async with asyncio.timeout(WITHIN):
            for arguments in parameters(msg, virus, each):
                await _run(program, arguments)
    except TimeoutError:
        log.error("clamav: virus_action: %s took longer than %g s, and was ended", program, WITHIN)
    except (OSError, ValueError) as error:
        log.error("clamav: virus_action: %s: %s", program, error)


async def _run(program: str, arguments: Sequence[str]) -> None:
    """Run it to its end; when this is called off, it and what it has started are ended."""
    process = await asyncio.create_subprocess_exec(program, *arguments, start_new_session=True)
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if status:
        log.error("clamav: virus_action: %s ended with status %d", program, status)


def parameters(msg: Message, virus: str, each: bool) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of each run: with every recipient, or with the last one only.

    As clamav-milter has it, who is one of several stands in angle brackets.
    """
    addresses = [recipient.address.text for recipient in msg.envelope.recipients]
    queue_id = msg.envelope.macros.get("i", "")
    headers = [_header(msg, name) for name in ("subject", "message-id", "date")]
    for recipient in [f"<{address}>" for address in addresses] if each else addresses[-1:]:
        texts = (virus, queue_id, msg.sender.address.text, recipient, *headers)
        yield tuple(text.replace("\0", "") for text in texts)


def _header(msg: Message, name: str) -> str:
    for header in msg.head.headers:
        if header.name.rstrip().lower() == name:
            value = header.raw.partition(b":")[2].removeprefix(b" ").replace(b"\r\n", b"\n")
            return value.translate(_TOLD).decode("ascii")
    return "UNKNOWN"
