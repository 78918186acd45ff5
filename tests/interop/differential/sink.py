"""Where the mail goes: an LMTP server (RFC 2033) on a unix socket that accepts everything and remembers it
exactly.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from dataclasses import dataclass
from pathlib import Path

EXTENSIONS = ("8BITMIME", "DSN", "SMTPUTF8", "SIZE", "PIPELINING", "ENHANCEDSTATUSCODES")
EHLO = (
    b"250-sink\r\n" + "".join(f"250{'- '[word == EXTENSIONS[-1]]}{word}\r\n" for word in EXTENSIONS).encode()
)


@dataclass(frozen=True)
class Delivery:
    """One delivered message: the MAIL line, the RCPT lines, and the bytes as sent (dots unstuffed)."""

    sender: bytes
    recipients: tuple[bytes, ...]
    content: bytes


class Sink:
    """The server; `take` returns and forgets what has arrived."""

    def __init__(self, path: Path) -> None:
        self._deliveries: list[Delivery] = []
        self._lock = threading.Lock()
        sink = self

        class Handler(_Handler):
            owner = sink

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(str(path), Handler)
        path.chmod(0o666)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, delivery: Delivery) -> None:
        """Remember a delivery (called by the connections)."""
        with self._lock:
            self._deliveries.append(delivery)

    def take(self) -> list[Delivery]:
        """Return the deliveries since the last call, in order of arrival."""
        with self._lock:
            taken, self._deliveries = self._deliveries, []
        return taken


class _Handler(socketserver.StreamRequestHandler):
    owner: Sink

    def handle(self) -> None:
        self._say(b"220 sink LMTP\r\n")
        self._forget()
        for line in self.rfile:
            if not self._command(line.rstrip(b"\r\n")):
                return

    def _command(self, line: bytes) -> bool:
        word = line[:4].upper()
        if word == b"QUIT":
            self._say(b"221 2.0.0 bye\r\n")
            return False
        if word == b"DATA":
            self._say(b"354 go on\r\n")
            self._take_content()
        elif word == b"LHLO":
            self._say(EHLO)
        else:
            self._envelope(word, line)
            self._say(b"250 2.0.0 ok\r\n")
        return True

    def _envelope(self, word: bytes, line: bytes) -> None:
        if word == b"MAIL":
            self._forget()
            self._sender = line
        elif word == b"RCPT":
            self._recipients.append(line)
        elif word == b"RSET":
            self._forget()

    def _take_content(self) -> None:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.owner.add(Delivery(self._sender, tuple(self._recipients), b"".join(lines)))
        self._say(b"250 2.0.0 taken\r\n" * len(self._recipients))

    def _forget(self) -> None:
        self._sender = b""
        self._recipients: list[bytes] = []

    def _say(self, text: bytes) -> None:
        self.wfile.write(text)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()


__all__ = ["Delivery", "Sink"]
