"""A program that a filter of Postmill's asks (clamd, spamd): finding it, and running a private one.

It has its files in the demo's directory and reads none of the machine's configuration. Where the demo runs as
root, it is another user from its first moment on. What each program needs is told in `clamav` and
`spamassassin`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postmill.demo.keeper import Begin
from postmill.demo.processes import START_WITHIN, running
from postmill.errors import UnavailableError

USER = "nobody"
"""Who runs it where the demo is root's."""

_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Scanner:
    """A filter of Postmill's, and the program that it asks.

    `what` tells what it does with mail, `settings` are lines for its table, `package` is Debian's.

    `lay_out` is given a directory that is the program's home, writes its files there, and returns the
    arguments. The program is to listen at `socket` of that directory, and answers `ping` with `pong` when it
    serves.
    """

    filter: str
    what: str
    settings: str
    product: str
    program: str
    package: str
    lay_out: Callable[[Path], tuple[str, ...]]
    ping: bytes
    pong: bytes

    def socket(self, home: Path) -> Path:
        """Where it listens."""
        return home / f"{self.program}.sock"


def find(program: str) -> str:
    """The path of a program; empty when it is not there.

    Where such programs are, in sbin, is often not in an ordinary user's PATH: so beside each bin, too.
    """
    places = [place for each in os.get_exec_path() for place in (each, re.sub(r"/bin/?$", "/sbin", each))]
    return shutil.which(program, path=os.pathsep.join(places)) or ""


def private(scanner: Scanner, home: Path) -> Begin:
    """Make the directory `home` for the program, and return what starts it; UnavailableError without it.

    Once for all starts, because what stands there later is the program's, and root ought not to touch it.
    """
    path = find(scanner.program)
    if not path:
        raise UnavailableError(f"{scanner.product} is not installed (Debian: apt install {scanner.package})")
    home.mkdir(mode=0o700)
    command = (path, *scanner.lay_out(home))
    identity = _unprivileged(home) if os.geteuid() == 0 else {}
    return lambda: _running(scanner, home, command, identity)


def _unprivileged(home: Path) -> dict[str, Any]:
    for path in (home, *home.rglob("*")):
        shutil.chown(path, USER)
    return {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": ()}


@asynccontextmanager
async def _running(
    scanner: Scanner, home: Path, command: tuple[str, ...], identity: dict[str, Any]
) -> AsyncIterator[Process]:
    environment = os.environ | {"HOME": str(home), "TMPDIR": str(home)}
    with _log(home).open("ab") as log:
        async with running(
            *command, stdin=DEVNULL, stdout=log, stderr=STDOUT, cwd=home, env=environment, **identity
        ) as process:
            await _serves(scanner, home, process)
            yield process


async def _serves(scanner: Scanner, home: Path, process: Process) -> None:
    """Wait until it answers."""
    try:
        async with asyncio.timeout(START_WITHIN):
            while not await _answers(scanner, home):
                if process.returncode is not None:
                    raise UnavailableError(f"{scanner.program} did not start ({_last_line(_log(home))})")
                await asyncio.sleep(_PAUSE)
    except TimeoutError as error:
        raise UnavailableError(f"{scanner.program} did not answer within {START_WITHIN:.0f} s") from error


async def _answers(scanner: Scanner, home: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(scanner.socket(home))
        try:
            writer.write(scanner.ping)
            return scanner.pong in await reader.read(100)
        finally:
            writer.close()
    except OSError:
        return False


def _log(home: Path) -> Path:
    return home.with_suffix(".log")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
