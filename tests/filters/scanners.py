"""Scanners that say what they are told to: on a socket, one question a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class FakeScanner:
    """Keeps each question and gives ``reply`` to it, then hangs up."""

    def __init__(self, path: Path | None, reply: bytes, read: Callable[[BinaryIO], bytes]) -> None:
        """Listen at a path, or over TCP; ``read`` takes one question off a connection."""
        self.reply = reply
        self.asked: list[bytes] = []
        self._read = read
        if path is None:
            self._socket = socket.create_server(("127.0.0.1", 0))
            self.address = f"inet:{self._socket.getsockname()[1]}@127.0.0.1"
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(str(path))
            self._socket.listen(8)
            self.address = f"unix:{path}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Be gone: not before the thread is, which would go on with whatever gets the same descriptor."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self.asked.append(self._read(stream))
                with suppress(OSError):
                    connection.sendall(self.reply)
