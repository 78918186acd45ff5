"""Mail that keeps coming while a filter dies and returns: one session after the other, each remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.stack.dialogue import Client, Mail, converse
from tests.stack.messages import message

#: Pause between two sessions: traffic, not a benchmark.
PAUSE = 0.02


@dataclass(frozen=True)
class Sent:
    """One session: its message's subject, when it began and ended (monotonic seconds), the reply codes."""

    subject: str
    began: float
    ended: float
    replies: tuple[int, ...]

    @property
    def accepted(self) -> bool:
        """Whether the message was taken."""
        return self.replies[-2] == 250

    @property
    def refused(self) -> bool:
        """Whether it was put off: a temporary failure at one of the commands, and nothing worse anywhere."""
        codes = set(self.replies[2:])
        return bool(codes & {451}) and all(code < 500 and code not in (0, 421) for code in codes)


class Traffic:
    """Sessions of one message each on `port`, on a thread of its own; `sent` grows."""

    def __init__(self, way: str, port: int, client: Client, sender: str) -> None:
        self.way = way
        self.sent: list[Sent] = []
        self._port = port
        self._client = client
        self._sender = sender
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"traffic {way}")

    def between(self, begin: float, end: float) -> list[Sent]:
        """Return the sessions that began after `begin` and ended before `end`."""
        return [sent for sent in list(self.sent) if sent.began > begin and sent.ended < end]

    def after(self, begin: float) -> list[Sent]:
        """Return the sessions that began after `begin` and have ended."""
        return self.between(begin, float("inf"))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current session."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(PAUSE):
            number += 1
            subject = f"{self.way} {number}"
            mail = Mail(
                self._sender, ("alice@test.example",), message(subject, sender=self._sender).as_bytes()
            )
            began = time.monotonic()
            replies = converse(self._port, self._client, [mail])
            codes = tuple(reply.code for reply in replies if reply.said != "RSET")
            self.sent.append(Sent(subject, began, time.monotonic(), codes))


@contextmanager
def flowing(*traffics: Traffic) -> Iterator[None]:
    """Keep the traffic flowing inside the block."""
    for traffic in traffics:
        traffic.start()
    try:
        yield
    finally:
        for traffic in traffics:
            traffic.stop()
