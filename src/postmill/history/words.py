"""The words by which a message is found, each a number: the index of the history.

A word is a kind and a text. Only its hash is stored, so an index of mail addresses holds none, and every row
is small. What nearly every message has is no word (an accept, a child that went on): one who looks for that
finds it fast without.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from postmill.record import MessageRecord

SILENT = ("continue", "skipped", "not-asked", "accept", "skip")
"""What a child says of most mail, and by which no message can be looked for."""
PASSED = "accept"
LOST = ("lost", "milter")
"""The word of a message on whose way any milter was lost."""
_ADDRESSES = frozenset(("address", "domain"))


@lru_cache(maxsize=4096)
def number(kind: str, text: str) -> int:
    """Return the number of a word: 64 bits with a sign, as every database can store them."""
    digest = blake2b(f"{kind} {text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def bare(address: str) -> str:
    """Return an address as it is looked for: without angle brackets, and in small letters."""
    return address.strip().removeprefix("<").removesuffix(">").lower()


def domain(address: str) -> str:
    """Return the domain of an address, empty where it has none."""
    return bare(address).rpartition("@")[2] if "@" in address else ""


def words_of(record: MessageRecord, addresses: bool = True) -> set[int]:
    """Return the words of a record; without ``addresses`` nobody finds it by an address or its domain."""
    return {
        number(kind, text) for kind, text in _words(record) if text and (addresses or kind not in _ADDRESSES)
    }


def _words(record: MessageRecord) -> Iterator[tuple[str, str]]:
    yield "queue-id", record.queue_id
    yield "message-id", bare(record.message_id)
    yield "session", record.session
    yield "client", record.client_address
    for address in (record.sender or "", *(recipient.address for recipient in record.recipients)):
        yield "address", bare(address)
        yield "domain", domain(address)
    if record.verdict != PASSED:
        yield "verdict", record.verdict
    for child in record.children.values():
        verdict = child.verdict.partition(":")[0]
        if verdict not in SILENT:
            yield "child", child.name
            if verdict == "lost":
                yield LOST
            yield "child-verdict", f"{child.name} {verdict}"
