"""Whose mailbox an address leads to, as Sendmail's own ``sendmail -bv`` says: aliases and virtual users.

Postfix's program of that name says nothing but mails a report for each address (sendmail(1)): it is refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path

from postmill.api import Address

log = logging.getLogger("postmill.filter.spamassassin")

WITHIN = 10.0
"""Seconds that the program may take."""
_DELIVERABLE, _USER = b"... deliverable: mailer ", b", user "
_OF_POSTFIX = b"Postfix sendmail command"


def check_program(path: str) -> None:
    """Raise ValueError for a program that cannot be run, or is Postfix's."""
    if not os.access(path, os.X_OK) or not Path(path).is_file():
        raise ValueError(f"expand: {path} is no program that can be run")
    if _OF_POSTFIX in Path(path).read_bytes():
        raise ValueError(f"expand: {path} is Postfix's, which only mails a report of what it finds")


async def expanded(addresses: Sequence[Address], program: str) -> Sequence[Address]:
    """Return whom mail to these addresses reaches; themselves where there is no program or it fails.

    Only one address is asked about: of several recipients none's preferences are used.
    """
    if not program or len(addresses) != 1:
        return addresses
    try:
        said = await _ask(program, addresses[0])
    except (OSError, ValueError) as error:
        log.warning("spamassassin: expand: %s", error)
        return addresses
    return _users(said, addresses[0].domain)


async def _ask(program: str, address: Address) -> bytes:
    """Return what the program says; raises OSError when it cannot be run or takes too long."""
    process = await asyncio.create_subprocess_exec(
        program, "-bv", b"<%b>" % address.raw, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN):
            said = await process.stdout.read()
            await (
                process.wait()
            )  # to kill what has just ended would take its status away from who waits for it
            return said
    except TimeoutError:
        raise OSError(f"{program} took longer than {WITHIN:g} s for {address}") from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _users(said: bytes, domain: str) -> list[Address]:
    """Return the users that each line of Sendmail's ends in; one of its own machine is of ``domain``."""
    users = []
    for line in said.splitlines():
        if _DELIVERABLE in line and _USER in line:
            user = line.partition(_USER)[2].strip()
            path = user if b"@" in user or not domain else b"%b@%b" % (user, domain.encode())
            users.append(Address.parse(path))
    return users
