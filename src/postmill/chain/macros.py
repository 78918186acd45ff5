"""Macros for each child and stage, each in the child's own spelling (protocol §5, §9.6).

The MTA's ``D`` packets are passed on as they came unless the child asked for its own list, or a list
had to be asked of the MTA for the sake of another child, or the configuration adds some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postmill.wire.codes import Command, MacroStage
from postmill.wire.framing import frame
from postmill.wire.symbols import Pairs, bare, parse_pairs
from postmill.wire.tables import MACRO_STAGE

DEFAULT_NAMES: Mapping[MacroStage, tuple[bytes, ...]] = {
    MacroStage.CONNECT: (b"j", b"{daemon_name}", b"{daemon_addr}", b"v", b"_", b"{if_name}", b"{if_addr}"),
    MacroStage.HELO: (b"{tls_version}", b"{cipher}", b"{cipher_bits}", b"{cert_subject}", b"{cert_issuer}"),
    MacroStage.MAIL: (
        b"i",
        b"{auth_type}",
        b"{auth_authen}",
        b"{auth_ssf}",
        b"{auth_author}",
        b"{mail_addr}",
        b"{mail_host}",
        b"{mail_mailer}",
    ),
    MacroStage.RCPT: (b"i", b"{rcpt_addr}", b"{rcpt_host}", b"{rcpt_mailer}"),
    MacroStage.DATA: (b"i",),
    MacroStage.EOM: (b"i", b"{msg_id}"),
    MacroStage.EOH: (b"i",),
}
"""What Postfix and Sendmail send when no list was asked for, together (protocol §5.1)."""


def braced(name: bytes) -> bytes:
    """Return a macro name as an MTA spells it: long names in braces, one-letter names without."""
    plain = bare(name)
    return plain if len(plain) == 1 else b"{" + plain + b"}"


def split_names(text: bytes) -> tuple[bytes, ...]:
    """Return the names of a symbol list: separated by blanks or commas (protocol §4.6)."""
    return tuple(text.replace(b",", b" ").split())


def build_payload(letter: int, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the payload of a ``D`` packet."""
    return bytes((letter,)) + b"".join(name + b"\0" + value + b"\0" for name, value in pairs)


def is_rejected_recipient(payload: bytes) -> bool:
    """Tell whether the macros of a RCPT mark a recipient the MTA itself refuses (protocol §6.5)."""
    return b"rcpt_mailer" in payload and any(
        bare(name) == b"rcpt_mailer" and value == b"error" for name, value in parse_pairs(payload)
    )


class MacroFilter:
    """What one child gets of the MTA's macros."""

    __slots__ = ("_cache", "_extra", "_lists", "active")

    def __init__(
        self,
        symlists: Sequence[tuple[int, bytes]],
        extra: Mapping[int, Pairs],
        imposed: frozenset[int] = frozenset(),
    ) -> None:
        """Take the child's lists, the configured extras and the stages at which a list was asked upstream.

        At an imposed stage for which this child has no list of its own, it gets the MTA's default names only.
        """
        self._lists: dict[int, tuple[bytes, ...]] = {
            stage: tuple(braced(name) for name in DEFAULT_NAMES[MacroStage(stage)]) for stage in imposed
        }
        for stage, text in symlists:
            if names := split_names(text):
                self._lists[stage] = names
        self._extra = dict(extra)
        self._cache: dict[bytes, bytes] = {}
        self.active = bool(self._lists or self._extra)

    def packet(self, payload: bytes, given: Pairs = ()) -> bytes:
        """Return the complete ``D`` packet for this child, from the MTA's payload.

        ``given`` are macros for this session alone; what the MTA sends itself goes before them.
        """
        if given:
            return frame(Command.MACRO, _with(self._filtered(payload), given))
        if not self.active:
            return frame(Command.MACRO, payload)
        packet = self._cache.get(payload)
        if packet is None:
            if len(self._cache) >= 16:
                self._cache.clear()
            packet = self._cache[payload] = frame(Command.MACRO, self._filtered(payload))
        return packet

    def _filtered(self, payload: bytes) -> bytes:
        letter = payload[0]
        names = self._lists.get(MACRO_STAGE.get(letter, -1))
        extra = self._extra.get(letter, ())
        if names is None and not extra:
            return payload
        pairs = parse_pairs(payload)
        if names is not None:
            known = {bare(name): value for name, value in pairs}
            pairs = tuple((name, known[bare(name)]) for name in names if bare(name) in known)
        return build_payload(letter, (*pairs, *extra))


def _with(payload: bytes, given: Pairs) -> bytes:
    """Return the macros of a ``D`` payload and those of ``given`` that are not among them."""
    pairs = parse_pairs(payload)
    sent = {bare(name) for name, _ in pairs}
    more = tuple(pair for pair in given if bare(pair[0]) not in sent)
    return build_payload(payload[0], (*pairs, *more)) if more else payload
