"""Sessions without a pause, while something is done to the daemon that must not disturb one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def continuous(answer: Callable[[], str], clients: int = 4) -> Generator[list[str], None, None]:
    """Have clients ask again and again; what they heard, and whatever went wrong, is in the list."""
    heard: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                heard.append(answer())
            except Exception as error:
                heard.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        stop.set()
        for thread in threads:
            thread.join()
