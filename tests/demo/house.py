"""A running receiver for the tests: a scripted child, Postmill in front of it or not, and SMTP clients."""

from __future__ import annotations

import asyncio
import smtplib
import tempfile
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from postmill.demo.maildir import Post
from postmill.demo.processes import postmill
from postmill.demo.receiver import Receiver
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Rule, Script
from postmill.wire.endpoint import parse_endpoint

CONFIG = """\
[manager]
listen = ["unix:{directory}/postmill.sock"]
workers = 1

[log]
format = "json"

[milters.scripted]
socket = "{child}"
"""


class Household:
    """A context manager; `child` is asked directly by the receiver or, with `behind`, through Postmill."""

    def __init__(self, *, behind: bool) -> None:
        self._behind = behind
        self._directory = tempfile.TemporaryDirectory(prefix="pm-demo-")
        self.directory = Path(self._directory.name)
        self.child = ScriptedChild()
        self.post = Post(self.directory)
        self.port = 0
        self._ready = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None

    def script(self, *rules: Rule) -> None:
        """What the child does from now on; forgets what it has seen."""
        self.child.script = Script(rules=rules)
        self.child.clear()

    def client(self) -> smtplib.SMTP:
        """A client that is connected and has said nothing yet."""
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example", timeout=20)

    def inbox(self) -> list[str]:
        """Take the delivered messages out of the Maildir."""
        return _take(self.post.inbox)

    def held(self) -> list[str]:
        """Take the held messages."""
        return _take(self.post.held)

    def __enter__(self) -> Self:
        self.child.start()
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self.__exit__(None, None, None)
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        self._thread.join()
        self.child.close()
        self._directory.cleanup()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        async with AsyncExitStack() as stack:
            endpoint = self.child.endpoint
            if self._behind:
                config = self.directory / "postmill.toml"
                config.write_text(CONFIG.format(directory=self.directory, child=endpoint))
                await stack.enter_async_context(postmill(config, self.directory / "log"))
                endpoint = parse_endpoint(f"unix:{self.directory}/postmill.sock")
            receiver = await stack.enter_async_context(Receiver(endpoint, self.post, 0))
            self.port = receiver.port
            self._ready.set()
            await stop.wait()
        self._stop = lambda: None


def _take(box: Path) -> list[str]:
    messages = []
    for file in sorted((box / "new").iterdir()):
        messages.append(file.read_text())
        file.unlink()
    return messages
