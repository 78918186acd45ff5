"""The demo from beginning to end: builds everything up, sends the samples, shows what arrives, cleans up.

Whatever ends it (the last sample, Ctrl-C, SIGTERM, an error), no process and no temporary directory stays
behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from postmill.demo import configuration
from postmill.demo.dashboard import dashboard, first_free
from postmill.demo.display import Display
from postmill.demo.fate import Fate
from postmill.demo.install import require_postfix
from postmill.demo.maildir import Post
from postmill.demo.ports import PORT, PortTakenError, candidates
from postmill.demo.postfix import postfix
from postmill.demo.processes import Postmill, postmill
from postmill.demo.receiver import Receiver
from postmill.demo.row import kept_row
from postmill.demo.samples import SAMPLES, Sample, problems, send
from postmill.demo.setting import Front, Setting
from postmill.errors import UnavailableError
from postmill.record import MessageRecord
from postmill.wire.endpoint import parse_endpoint

_WITHIN = 30.0
_LONGEST_PLACE = 60
"""Bytes; the longest path of a socket, 107, has to have room for the demo's directory and files."""

_DECIDED_AT_THE_END = ("header", "end-of-header", "body", "end-of-message")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chose; `directory` None: a temporary one, `port` 0: 2525 or a free one."""

    mta: Literal["embedded", "postfix"] = "embedded"
    once: bool = False
    directory: Path | None = None
    port: int = 0


def run(options: Options, console: Console) -> int:
    """Run the demo; returns the exit status: 0 when every sample fared as expected."""
    return asyncio.run(_guarded(options, Display(console)))


async def _guarded(options: Options, display: Display) -> int:
    """End in good order at a signal, however often it comes."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(_run(options, display))
    caught: list[int] = []

    def stop(number: int) -> None:
        if not caught:
            task.cancel()
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + caught[0] if caught else 1


async def _run(options: Options, display: Display) -> int:
    async with _setting(options, display) as (setting, daemon):
        display.setting(setting)
        found: dict[str, list[str]] = {}
        for number, sample in enumerate(SAMPLES, 1):
            if sample.again:
                display.line()
                display.line(f"Its server tries again after {sample.again:.1f} s.", "dim")
                await asyncio.sleep(sample.again)
            found[sample.title] = await _show_sample(number, sample, setting, daemon, display)
        display.summary(found)
        status = 1 if any(found.values()) else 0
        if options.once:
            return status
        display.invitation(setting)
        with contextlib.suppress(asyncio.CancelledError):
            await _show_all(len(SAMPLES) + 1, setting, daemon, display)
        display.line()
        display.line("Ending.", "dim")
    return status


async def _show_sample(
    number: int, sample: Sample, setting: Setting, daemon: Postmill, display: Display
) -> list[str]:
    transcript = await send(sample, setting.front.port)
    try:
        record = await asyncio.wait_for(_record_of(sample, daemon), _WITHIN)
    except TimeoutError:
        return [f"Postmill has no record of it; the SMTP reply was {transcript.last!r}"]
    fate = await _fate(setting, record)
    display.mail(f"{number}  {sample.title}", setting.row, record, fate, transcript)
    return problems(sample, setting.row, transcript, record, fate)


async def _record_of(sample: Sample, daemon: Postmill) -> MessageRecord:
    record = await daemon.records.get()
    while record.sender != f"<{sample.sender}>":  # somebody else's mail came in between
        record = await daemon.records.get()
    return record


async def _show_all(number: int, setting: Setting, daemon: Postmill, display: Display) -> None:
    """Show each mail that arrives, until cancelled or Postmill ends."""
    ended = asyncio.get_running_loop().create_task(daemon.ended())
    while not ended.done():
        coming = asyncio.get_running_loop().create_task(daemon.records.get())
        await asyncio.wait((coming, ended), return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            record = coming.result()
            title = "a mail" if record.sender is not None else "a connection without mail"
            display.mail(f"{number}  {title}", setting.row, record, await _fate(setting, record))
            number += 1
    raise UnavailableError(f"Postmill has ended; its log: {setting.log}")


async def _fate(setting: Setting, record: MessageRecord) -> Fate | None:
    """What the mail server made of a message, None when that cannot be told."""
    at_the_end = record.stage in _DECIDED_AT_THE_END or record.verdict in ("accept", "quarantine")
    if not record.queue_id or not at_the_end:
        return None
    try:
        return await asyncio.wait_for(setting.front.fate(record), _WITHIN)
    except TimeoutError:
        return None


@asynccontextmanager
async def _setting(options: Options, display: Display) -> AsyncIterator[tuple[Setting, Postmill]]:
    """Start everything, in the order in which one needs another; end it the other way round."""
    real = options.mta == "postfix"
    if real:
        await asyncio.to_thread(require_postfix, display.line)
    async with AsyncExitStack() as stack:
        sockets = _temporary()
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        directory = sockets if options.directory is None else options.directory.absolute()
        configuration.claim(directory)
        post, config, log = Post(directory), directory / configuration.FILE, directory / "postmill.log"
        row = await stack.enter_async_context(kept_row(sockets, display.line))
        smtp = options.port or first_free(PORT)
        web = dashboard(smtp)
        config.write_text(configuration.toml(sockets, row, "postfix" if real else "", web))
        daemon = await stack.enter_async_context(postmill(config, log))
        front = await _front(stack, options, smtp, sockets, post)
        keep = options.directory is not None
        yield (
            Setting(directory, keep, sockets, config, log, post, front, daemon.process.pid, row, web),
            daemon,
        )


async def _front(stack: AsyncExitStack, options: Options, smtp: int, sockets: Path, post: Post) -> Front:
    """Start the mail server on the first port that can be had."""
    milter = f"unix:{sockets}/postmill.sock"
    taken: PortTakenError | None = None
    for port in candidates(options.port, smtp):
        try:
            if options.mta == "postfix":
                return await stack.enter_async_context(postfix(sockets, port, milter, post))
            return await stack.enter_async_context(Receiver(parse_endpoint(milter), post, port))
        except PortTakenError as error:
            taken = error
    assert taken is not None
    raise taken


def _temporary() -> Path:
    """A directory with a path short enough for sockets; root's can be searched by programs of other users."""
    usual = tempfile.gettempdir()
    place = usual if len(os.fsencode(usual)) <= _LONGEST_PLACE else "/tmp"  # noqa: S108 - mkdtemp is safe in it
    directory = Path(tempfile.mkdtemp(prefix="postmill-demo-", dir=place))
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return directory
