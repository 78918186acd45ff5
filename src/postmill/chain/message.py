"""One message under way: what the MTA told, what the children did to it, and how a child is shown it.

The MTA's packets are kept as they came and passed on so; a model of the headers is built only when an
edit must be shown to a later child (protocol §9.4, §9.5). Rendering edits for the MTA is in ``edits``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postmill.chain.child import Terms
from postmill.chain.event import Event
from postmill.chain.steps import Edit, Verdict, Window
from postmill.mail.body import Body
from postmill.mail.headers import HeaderList, shown
from postmill.mail.sendmail_headers import SendmailHeaders
from postmill.wire.codes import Command
from postmill.wire.framing import frame

Packet = tuple[int, bytes, bool]
"""Event letter, complete packets (macros included), whether a reply comes."""

Model = HeaderList | SendmailHeaders

_WINDOW = 262144
"""Most bytes written to a pipelining child before its replies are awaited, give or take a packet."""

_HEADER, _EOH, _BODY, _BODYEOB = (
    int(letter) for letter in (Command.HEADER, Command.EOH, Command.BODY, Command.BODYEOB)
)
_TWIN = {_HEADER: _EOH, _EOH: _HEADER, _BODY: _BODYEOB, _BODYEOB: _BODY}
"""Events for which Postfix has one list of macros: a body that only a child made gets those of the end."""


def split_header(payload: bytes) -> tuple[bytes, bytes]:
    """Return name and value of a HEADER payload."""
    name, _, rest = payload.partition(b"\0")
    return name, rest.partition(b"\0")[0]


class Message:
    """One message, from MAIL to its verdict."""

    __slots__ = (
        "_heads",
        "_windows",
        "body",
        "data",
        "edits",
        "headers",
        "hold",
        "leadspc",
        "mail",
        "model",
        "rcpts",
        "sendmail",
        "stage_macros",
        "unkept",
        "verdict",
    )

    def __init__(self, mail: Event | None, leadspc: bool, sendmail: bool = False) -> None:
        """Begin with MAIL, or None when another event came first because nobody wants MAIL.

        ``leadspc`` tells how the MTA shows header values, ``sendmail`` whose list of headers it keeps.
        """
        self.mail = mail
        self.leadspc = leadspc
        self.sendmail = sendmail
        self.rcpts: list[Event] = []
        self.data: Event | None = None
        """The last DATA; it may be refused and come again."""
        self.headers: list[bytes] = []
        """Payloads of the HEADER packets, as they came."""
        self.model: Model | None = None
        """The headers as edited so far; None as long as nobody edited them."""
        self.body: Body | None = None
        self.unkept = b""
        """Reply text for a body that was not kept: too large, or no room for it."""
        self.stage_macros: dict[int, bytes] = {}
        """Event letter (L, N, B, E) to the payload of the macros that the MTA sends with it."""
        self.edits: list[tuple[str, Terms, tuple[Edit, ...]]] = []
        """Edits that take effect: child, its terms, what it asked for."""
        self.hold: bytes | None = None
        self.verdict: Verdict | None = None
        """What was said about the whole message; nobody is asked any more."""
        self._heads: dict[bool, list[bytes]] = {}
        self._windows: dict[tuple[bool, bool], list[Window]] = {}

    def original_model(self) -> Model:
        """Return a fresh model of the headers as the MTA told them (stored text: protocol §9.5)."""
        pairs = self._original_pairs()
        return SendmailHeaders(pairs) if self.sendmail else HeaderList(pairs)

    def sendmail_model(self) -> SendmailHeaders:
        """Return such a model of the list that Sendmail keeps."""
        return SendmailHeaders(self._original_pairs())

    def _original_pairs(self) -> Iterator[tuple[bytes, bytes]]:
        blank = b"" if self.leadspc else b" "
        for payload in self.headers:
            name, value = split_header(payload)
            yield name, blank + value

    def edited(self) -> None:
        """Take note that headers or body changed."""
        self._heads.clear()
        self._windows.clear()

    def _head(self, leadspc: bool) -> list[bytes]:
        """Return the HEADER packets for a child with or without HDR_LEADSPC."""
        head = self._heads.get(leadspc)
        if head is None:
            head = self._heads[leadspc] = [frame(_HEADER, payload) for payload in self._payloads(leadspc)]
        return head

    def _payloads(self, leadspc: bool) -> list[bytes]:
        if self.model is None and leadspc == self.leadspc:
            return self.headers
        model = self.model or self.original_model()
        return [name + b"\0" + shown(text, leadspc) + b"\0" for name, text in model.visible()]

    def windows(self, terms: Terms, pipeline: bool) -> Iterable[Window]:
        """Return the content for a child in windows: of one answered packet, or of many with ``pipeline``.

        Children who get the same are given the same bytes, unless the message is too large to be held twice.
        """
        if not terms.plain or (self.body is not None and self.body.size > _WINDOW):
            return _cut(self._packets(terms), pipeline)
        key = (terms.leadspc, pipeline)
        windows = self._windows.get(key)
        if windows is None:
            windows = self._windows[key] = list(_cut(self._packets(terms), pipeline))
        return windows

    def _packets(self, terms: Terms) -> Iterator[Packet]:
        """Yield what a child is to be told of the content, in its spelling (protocol §6.7, §9.4)."""
        suppressed, quiet = terms.suppressed, terms.no_reply
        if _HEADER not in suppressed:
            macros = self._macros(_HEADER, terms)
            replies = _HEADER not in quiet
            for packet in self._head(terms.leadspc):
                yield _HEADER, macros + packet, replies
        if _EOH not in suppressed:
            yield _EOH, self._macros(_EOH, terms) + frame(_EOH), _EOH not in quiet
        if _BODY not in suppressed and self.body is not None:
            macros = self._macros(_BODY, terms)
            replies = _BODY not in quiet
            for chunk in self.body.chunks():
                yield _BODY, macros + frame(_BODY, chunk), replies
        yield _BODYEOB, self._macros(_BODYEOB, terms) + frame(_BODYEOB), True

    def _macros(self, letter: int, terms: Terms) -> bytes:
        payload = self.stage_macros.get(letter)
        if payload is None and not self.sendmail:
            twin = self.stage_macros.get(_TWIN[letter])
            payload = None if twin is None else bytes((letter,)) + twin[1:]
        return b"" if payload is None else terms.macros.packet(payload)


def _cut(packets: Iterator[Packet], pipeline: bool) -> Iterator[Window]:
    """Put packets together until one is answered, or until a window of a pipelining child is full."""
    data: list[bytes] = []
    answered: list[int] = []
    size = 0
    for letter, packet, replies in packets:
        data.append(packet)
        size += len(packet)
        if replies:
            answered.append(letter)
        if answered and (size >= _WINDOW or not pipeline):
            yield b"".join(data), tuple(answered)
            data, answered, size = [], [], 0
    if data:
        yield b"".join(data), tuple(answered)
