"""The SMTP client of a scenario: says its lines whatever the answers are, and keeps every answer byte for
byte.

The words: ``line text``, ``message text`` (DATA and, after 354, the text), ``big text line times`` (the same,
with the line repeated), ``bdat text [LAST]``, ``pipeline line…`` (one write, then all replies), ``half text``
(DATA, part of the text, then drop), ``drop`` (close without QUIT), ``connect`` (another connection),
``sendmail text args…``, ``wait seconds`` (give up waiting for a reply after that time, and hang up),
``starttls [certificate]`` (and, after 220, TLS, with the client's certificate if asked to).  The words of ``tools``
are programs.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

from tests.interop.differential import tools
from tests.interop.differential.scenario import TOOLS, Scenario, Step
from tests.stack.certificates import Certificate

GONE = b"(connection closed)"
NO_END = b"(no more came)"
PATIENCE = 40.0


class SmtpClient:
    """One dialogue; `replies` collects (what was said, what came back)."""

    def __init__(self, address: tools.Address, certificate: Certificate | None = None) -> None:
        self._address = address
        self._certificate = certificate
        self.replies: list[tuple[str, bytes]] = []
        self._socket: socket.socket | None = None
        self._input = b""
        self._patience = PATIENCE

    def play(self, scenario: Scenario, submit: Callable[[Step], bytes]) -> None:
        """Say every line of the scenario; ``submit`` carries out sendmail(1) steps."""
        if not (scenario.submits or scenario.brings_client):
            self._connect()
        try:
            for step in scenario.client:
                if step[0] == "sendmail":
                    self._note("sendmail", submit(step))
                elif step[0] in TOOLS:
                    self._note(step[0], tools.run(step, self._address, self._certificate))
                else:
                    self._say(step)
        finally:
            self._close()

    def _say(self, step: Step) -> None:
        getattr(self, "_" + step[0])(*step[1:])

    def _connect(self) -> None:
        self._close()
        self._input = b""
        self._socket = socket.create_connection((self._address.host, self._address.port), self._patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._note("connect", self._reply())

    def _line(self, text: str) -> None:
        self._send(text.encode("latin-1") + b"\r\n")
        self._note(text[:40], self._reply())
        if text.upper() == "QUIT":
            self._wait_for_end()

    def _pipeline(self, *lines: str) -> None:
        self._send(b"".join(line.encode("latin-1") + b"\r\n" for line in lines))
        for line in lines:
            self._note(line[:40], self._reply())

    def _message(self, text: str) -> None:
        if self._go_ahead():
            self._send(stuffed(text.encode("latin-1")) + b".\r\n")
            self._note("(message)", self._reply())

    def _big(self, text: str, line: str, times: str) -> None:
        self._message(text + line * int(times))

    def _half(self, text: str) -> None:
        if self._go_ahead():
            self._send(text.encode("latin-1"))
        self._drop()

    def _bdat(self, text: str, *last: str) -> None:
        data = text.encode("latin-1")
        self._send(" ".join(["BDAT", str(len(data)), *last]).encode() + b"\r\n" + data)
        self._note("BDAT", self._reply())

    def _drop(self) -> None:
        self._close()

    def _wait(self, seconds: str) -> None:
        self._patience = float(seconds)
        if self._socket is not None:
            self._socket.settimeout(self._patience)

    def _starttls(self, *certificate: str) -> None:
        self._send(b"STARTTLS\r\n")
        answer = self._reply()
        self._note("STARTTLS", answer)
        if self._socket is None or not answer.startswith(b"220"):
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            assert self._certificate is not None
            context.load_cert_chain(self._certificate.chain, self._certificate.key)
        self._socket = context.wrap_socket(self._socket)
        self._input = b""

    def _go_ahead(self) -> bool:
        self._send(b"DATA\r\n")
        answer = self._reply()
        self._note("DATA", answer)
        return answer.startswith(b"354")

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError):
                self._socket.sendall(data)

    def _reply(self) -> bytes:
        lines: list[bytes] = []
        try:
            while not lines or (lines[-1][:3].isdigit() and lines[-1][3:4] == b"-"):
                lines.append(self._read_line())
        except TimeoutError:
            self._close()
            lines.append(NO_END)
        return b"".join(lines)

    def _read_line(self) -> bytes:
        while b"\n" not in self._input:
            data = self._receive()
            if not data:
                rest, self._input = self._input, b""
                return rest or GONE
            self._input += data
        line, _, self._input = self._input.partition(b"\n")
        return line + b"\n"

    def _receive(self) -> bytes:
        if self._socket is None:
            return b""
        try:
            return self._socket.recv(65536)
        except ConnectionError:
            return b""

    def _wait_for_end(self) -> None:
        while self._receive():
            pass

    def _close(self) -> None:
        """Leave without QUIT: say no more, and wait until smtpd has noticed and is done with us."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._wait_for_end()
            self._socket.close()
            self._socket = None

    def _note(self, said: str, answer: bytes) -> None:
        self.replies.append((said, answer))


def stuffed(data: bytes) -> bytes:
    """Return message text with leading dots doubled and the last line completed (RFC 5321 §4.5.2)."""
    if data and not data.endswith(b"\n"):
        data += b"\r\n"
    return (b"." if data.startswith(b".") else b"") + data.replace(b"\n.", b"\n..")
