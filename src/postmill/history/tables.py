"""What is stored: the tables, and a record as the bytes in one of their cells.

``messages``: one row for each record. Its ``id`` is when it was written, in microseconds since 1970, and
grows with every row; so ids are in the order in which rows became visible, and a time is a range of them.
``words``: word to message, see ``history.words``; a message carries its words, too, so that they can be
removed with it. ``counts``: tallies of a minute, or of an hour once they are old; several rows of one time
add up. ``facts``: what all who write must agree about.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

VERSION = 1
"""Grows when what is stored changes its meaning."""
MICROSECONDS = 1_000_000

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS {p}facts (name TEXT PRIMARY KEY, fact {blob} NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {p}messages (id BIGINT PRIMARY KEY, time DOUBLE PRECISION NOT NULL, "
    "host TEXT NOT NULL, verdict TEXT NOT NULL, words {blob} NOT NULL, record {blob} NOT NULL)",
    "CREATE TABLE IF NOT EXISTS {p}words (word BIGINT NOT NULL, message BIGINT NOT NULL, "
    "PRIMARY KEY (word, message)){rowless}",
    "CREATE TABLE IF NOT EXISTS {p}counts (start BIGINT NOT NULL, span BIGINT NOT NULL, "
    "host TEXT NOT NULL, tally {blob} NOT NULL)",
    "CREATE INDEX IF NOT EXISTS {p}counts_start ON {p}counts (start)",
)

_DICTIONARY = (
    b'","decided":{},"skipped":{},"evaluated":{},"errors":{},"times":{"negotiate":{"heard":0.0,"sessions":'
    b'"messages":{"accept":"connections":{"tagged":{},"children":{"verdicts":{"asked":'
    b'"discard"quarantine"shutdown"aborted"lost:timeout"lost:connect"lost:closed"add-recipient"replace-body'
    b'"tempfail","reject","550 5.7.1 ","451 4.7.1 ","X-Spam-Status","X-Virus-Scanned","Authentication-Results'
    b'"unknown","header","end-of-header","body","insert-header","change-header","recipients":[{"address":"<'
    b'","verdict":"continue"}],"children":[{"name":"","answers":[{"stage":"connect","verdict":"continue","ms":0.'
    b',"text":"","because":"},{"stage":"helo","verdict":"continue","ms":0.'
    b',"text":""},{"stage":"mail","verdict":"continue","ms":0.'
    b',"text":""},{"stage":"rcpt","verdict":"continue","ms":0.'
    b',"text":""},{"stage":"data","verdict":"continue","ms":0.'
    b',"text":""},{"stage":"end-of-message","verdict":"continue","ms":1'
    b',"text":""}],"edits":{"add-header":1},"changes":[{"kind":"add-header","what":"X-","before":"","after":"'
    b'"}],"evaluated":false,"repeated":0,"conditions":[{"name":"remote-network","applies":true,"because":"'
    b'"}],"verdict":"continue","ms":1"}],"stage":"end-of-message","verdict":"accept","by":"","reply":"","held":""'
    b',"ms":1{"session":"","queue_id":"4","message_id":"<","size":1,"time":17,"client_name":"mail.example.com",'
    b'"client_address":"192.0.2.1","helo":"mail.example.com","sender":"<'
)
"""What compression may take for granted of counts, and of records as they were written first."""

_OF_RECORDS = (
    b'"tempfail","451 4.7.1 ","reject","550 5.7.1 ","discard","quarantine","lost:timeout","lost:connect",'
    b'"lost:closed","X-Virus-Scanned","Authentication-Results","unknown","negotiate","header","end-of-header",'
    b'"body","insert-header","change-header","replace-body","add-recipient","discard",'
    b'"sender":null,"recipients":[["<","continue"],["<","continue"]],"children":[{"name":"","answers":['
    b'["connect","continue",0.3,"",""],["helo","continue",0.2,"",""],["mail","continue",0.1,"",""],'
    b'["rcpt","continue",0.4,"",""],["data","continue",0.1,"",""],["end-of-message","continue",1.0,"",""]],'
    b'"edits":{"add-header":1},"changes":[["add-header","X-Spam-Status","","No, score="]],"evaluated":true,'
    b'"repeated":1,"conditions":[["remote-network",true,""],["trust",false,"client is in "]]}],'
    b'"stage":"rcpt","verdict":"tempfail","stage":"end-of-message","verdict":"accept","by":"","reply":"",'
    b'"held":"","ms":1{"session":"","queue_id":"4","message_id":"<","size":1,"time":17,'
    b'"client_name":"mail.example.com","client_address":"192.0.2.1","helo":"mail.example.com","sender":"<'
)
"""The same of records (``MessageRecord.compact_json``)."""

_DICTIONARIES = {zlib.adler32(one): one for one in (_DICTIONARY, _OF_RECORDS)}
"""By what a cell says of its own (RFC 1950 section 2.2). Change one, and what was stored with it is lost."""

_LEVEL, _WINDOW, _MEMORY = 3, 13, 6
"""A record is small: with the window that zlib takes by itself, most of the time goes into clearing it."""


def schema(prefix: str, blob: str, rowless: str) -> tuple[str, ...]:
    """Return the statements that make the tables, in one database's words."""
    return tuple(statement.format(p=prefix, blob=blob, rowless=rowless) for statement in SCHEMA)


def pack(data: Mapping[str, Any]) -> bytes:
    """Return plain values as they are stored."""
    return _packed(json.dumps(data, ensure_ascii=False, separators=(",", ":")), _DICTIONARY)


def pack_record(text: str) -> bytes:
    """Return the compact JSON of a record as it is stored."""
    return _packed(text, _OF_RECORDS)


def _packed(text: str, dictionary: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=dictionary)
    return packer.compress(text.encode("utf-8", "surrogatepass")) + packer.flush()


def unpack(cell: bytes) -> dict[str, Any]:
    """Return the plain values of a cell."""
    unpacker = zlib.decompressobj(zdict=_DICTIONARIES.get(int.from_bytes(cell[2:6]), b""))
    data = unpacker.decompress(cell) + unpacker.flush()
    values: dict[str, Any] = json.loads(data.decode("utf-8", "surrogatepass"))
    return values


def pack_words(words: Iterable[int]) -> bytes:
    """Return numbers of 64 bits as a cell."""
    numbers = sorted(words)
    return struct.pack(f">{len(numbers)}q", *numbers)


def unpack_words(cell: bytes) -> tuple[int, ...]:
    """Return the numbers of a cell."""
    return struct.unpack(f">{len(cell) // 8}q", cell)
