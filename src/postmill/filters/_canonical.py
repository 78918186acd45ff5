"""A message in the forms that DKIM and ARC sign (RFC 6376 §3.4, RFC 6376 §3.7), made once for all signatures.

All in a time that grows with its length alone, whatever it holds; headers one by one, as signatures name
them. dkimpy's way is quadratic in blanks, and takes more for blanks than RFC 6376 does. What is signed with
which key stands elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

_MOST_LINES = 2_000
_MOST_HEAD = 1_000_000
"""Bytes of all headers."""
_AT_ONCE = 100_000
"""Bytes of a message that the event loop can wait for; others are worked on in a thread."""
_FIELD = re.compile(rb"\r\n(?![\t ])")
_PIECE = 65_536
_INK = re.compile(rb"[^\t\r\n ]")
_BLANKS = re.compile(rb"[\t ]{2,}|\t")

T = TypeVar("T")


@dataclass(frozen=True)
class Field:
    """One header: its name, and all that follows the colon, with the CRLF."""

    name: bytes
    value: bytes

    @cached_property
    def relaxed(self) -> bytes:
        """RFC 6376 §3.4.2."""
        value = _BLANKS.sub(b" ", self.value.replace(b"\r\n", b""))
        return b"%s:%s\r\n" % (self.name.rstrip(b"\t ").lower(), value.strip(b" "))

    def canonical(self, relaxed: bool) -> bytes:
        """Return the line that is signed."""
        return self.relaxed if relaxed else b"%s:%s" % (self.name, self.value)

    @property
    def without_signature(self) -> Field:
        """Itself with the value of ``b=`` taken out (RFC 6376 §3.7)."""
        return Field(self.name, b";".join(map(_without_b, self.value.split(b";"))))


def _without_b(tag: bytes) -> bytes:
    name, _, _ = tag.partition(b"=")
    return name + b"=" if name.strip() == b"b" else tag


@dataclass(frozen=True)
class Parsed:
    """A message taken apart; its lines end in CRLF."""

    fields: Sequence[Field]
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, raw: bytes) -> Parsed:
        """Take it apart; lines that are no headers count for nothing."""
        head, _, body = _with_crlf(raw).partition(b"\r\n\r\n")
        lines = (one.partition(b":") for one in _FIELD.split(head.removeprefix(b"\r\n")))
        return cls([Field(name, value + b"\r\n") for name, colon, value in lines if name and colon], body)

    @cached_property
    def _by_name(self) -> dict[bytes, list[Field]]:
        found: dict[bytes, list[Field]] = {}
        for one in self.fields:
            found.setdefault(one.name.rstrip(b"\t ").lower(), []).append(one)
        return found

    def named(self, name: bytes) -> Sequence[Field]:
        """Return the headers of a name in lower case, from the top."""
        return self._by_name.get(name, ())

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.body) + self._head_size

    @property
    def _head_size(self) -> int:
        return sum(len(one.name) + len(one.value) for one in self.fields)

    @property
    def too_large(self) -> bool:
        """Whether it has more headers than anybody means to sign."""
        return len(self.fields) > _MOST_LINES or self._head_size > _MOST_HEAD

    def signed(self, names: Sequence[bytes], signature: Field, relaxed: bool) -> bytes:
        """Return what a signature is made of: the headers named, from the bottom up, and its own."""
        left = {name: list(self.named(name)) for name in set(names)}
        chosen = [left[name].pop() for name in names if left[name]]
        own = signature.without_signature.canonical(relaxed).removesuffix(b"\r\n")
        return b"".join(one.canonical(relaxed) for one in chosen) + own

    def body_hash(self, relaxed: bool, length: int | None = None) -> bytes:
        """Return the SHA-256 of the canonical body, or of so many bytes of it; ValueError: it has fewer."""
        if length is None:
            return self._relaxed_hash if relaxed else self._simple_hash
        body = self._relaxed_body if relaxed else self._simple_body
        if length > len(body):
            raise ValueError("l= is more than the body")
        return hashlib.sha256(body[:length]).digest()

    @cached_property
    def _simple_body(self) -> bytes:
        return _ended(self.body) or b"\r\n"

    @cached_property
    def _relaxed_body(self) -> bytes:
        return _ended(b"".join(map(_relaxed, _pieces(self.body + b"\r\n"))))

    @cached_property
    def _simple_hash(self) -> bytes:
        return hashlib.sha256(self._simple_body).digest()

    @cached_property
    def _relaxed_hash(self) -> bytes:
        return hashlib.sha256(self._relaxed_body).digest()


def _relaxed(piece: bytes) -> bytes:
    return _BLANKS.sub(b" ", piece).replace(b" \r\n", b"\r\n")


def _pieces(body: bytes) -> Iterator[bytes]:
    """Cut a body where no blanks are torn apart: between pieces, other threads have their turn."""
    start = 0
    while start < len(body):
        found = _INK.search(body, start + _PIECE)
        end = len(body) if found is None else found.start()
        yield body[start:end]
        start = end


def _ended(body: bytes) -> bytes:
    """Return a body with one line end instead of all the empty lines at its end; nothing, if that is all."""
    kept = len(body.rstrip(b"\r\n"))
    lone = body.rfind(b"\r\r", kept)  # a CR that belongs to no line end ends no line
    end = len(body) if body[-1:] == b"\r" else max(kept, lone + 1)
    return body[:end] + b"\r\n" if end else b""


def _with_crlf(raw: bytes) -> bytes:
    if raw.count(b"\n") == raw.count(b"\r\n"):
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """Do some work on a message of so many bytes: in a thread if it is large, at once if that is cheaper."""
    return await asyncio.to_thread(work) if size > _AT_ONCE else work()
