"""Logs as they lie about: syslog in both spellings, ours, the journal's, packed, cut off, nonsense."""

from __future__ import annotations

import gzip
import io
import json
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.graphs.log_lines import Logged, logged, opened

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def lines(data: bytes, newest: float = NOON + 60) -> list[Logged]:
    return list(logged(io.BytesIO(data), newest))


@pytest.mark.parametrize(
    ("line", "host", "when"),
    [
        ("Jul  1 12:00:00 mx1 postmill[12]: text: here", "mx1", NOON),
        ("<22>Jul  1 12:00:00 mx1 postmill: text: here", "mx1", NOON),
        (
            "2026-07-01T14:00:00.250000+02:00 mx1.example.com postmill[12]: text: here",
            "mx1.example.com",
            NOON + 0.25,
        ),
        ("2026-07-01T12:00:00+0000 mx1 postmill[12]: text: here", "mx1", NOON),
        ("2026-07-01T12:00:00.250Z 2001:db8::1 postmill[12]: text: here", "2001:db8::1", NOON + 0.25),
        ("2026-07-01T12:00:00.250+00:00 postmill[12]: text: here", "", NOON + 0.25),
        ("Jul  1 12:00:00 mx1 postmill[12]: [ID 197553 mail.info] text: here", "mx1", NOON),
    ],
)
def test_a_line_of_text(line: str, host: str, when: float) -> None:
    assert lines(line.encode() + b"\r\n") == [Logged(when, host, "postmill", "text: here")]


@pytest.mark.parametrize(
    ("stamp", "newest", "date"),
    [
        ("Jul  1 12:00:00", "2026-07-01", "2026-07-01"),
        ("Jul  2 12:00:00", "2026-07-01", "2026-07-02"),
        ("Jul  9 12:00:00", "2026-07-01", "2025-07-09"),
        ("Dec 31 23:59:59", "2027-01-01", "2026-12-31"),
        ("Jan  1 00:00:00", "2027-01-01", "2027-01-01"),
        ("Jan  1 00:00:00", "2026-12-31", "2027-01-01"),
        ("Feb 29 12:00:00", "2026-07-01", "2024-02-29"),
    ],
)
def test_the_year_that_syslog_leaves_out(stamp: str, newest: str, date: str) -> None:
    limit = datetime.fromisoformat(f"{newest}T18:00:00+00:00").timestamp()
    (line,) = lines(f"{stamp} mx1 postmill[1]: x\n".encode(), limit)
    assert datetime.fromtimestamp(line.time, UTC).date().isoformat() == date


@pytest.mark.parametrize(
    "line",
    [
        b"Jul  1 12:00:00 mx1 postfix/smtpd[12]: postmill: text",
        b"Jul 31 25:00:00 mx1 postmill[12]: text",
        b"Xyz  1 12:00:00 mx1 postmill[12]: text",
        b"2026-13-01T12:00:00 mx1 postmill[12]: text",
        b"0000-01-01T00:00:00 mx1 postmill[12]: text",
        b"postmill",
        b'{"time": "2026-07-01T12:00:00", "text": "no message"}',
        b'{"time": "never", "message": {}}',
        b'{"time": 5, "message": {}}',
        b'{"__REALTIME_TIMESTAMP": "x", "SYSLOG_IDENTIFIER": "postmill", "MESSAGE": "text"}',
        b'{"__REALTIME_TIMESTAMP": "1", "SYSLOG_IDENTIFIER": "postmill"}',
        b"[1, 2]",
        b"{",
        b"\xff\xfe postmill \x00",
    ],
)
def test_what_is_no_line_of_ours_is_left_out(line: bytes) -> None:
    good = b"Jul  1 12:00:00 mx1 milter-manager[12]: text"
    assert [one.text for one in lines(line + b"\n" + good + b"\n")] == ["text"]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    lines(data)
    lines(b"__CURSOR=x\n" + data)
    lines(b"Jul  1 12:00:00 mx1 postmill[12]: " + data)


def test_json_lines_of_ours_and_of_the_journal() -> None:
    own = {"time": "2026-07-01T12:00:00.500+00:00", "message": {"verdict": "accept"}}
    entry = {
        "__REALTIME_TIMESTAMP": f"{int(NOON)}250000",
        "_HOSTNAME": "mx1",
        "SYSLOG_IDENTIFIER": "postmill",
        "MESSAGE": "text",
    }
    other = {**entry, "SYSLOG_IDENTIFIER": "sshd"}
    data = "\n".join(map(json.dumps, (own, other, entry))).encode()
    first, second = lines(data)
    assert (first.time, first.host, json.loads(first.text)) == (NOON + 0.5, "", own)
    assert second == Logged(NOON + 0.25, "mx1", "postmill", "text")


def test_the_export_format_of_the_journal() -> None:
    odd = "tëxt\nand more".encode()
    entry = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=%d000000\n_HOSTNAME=mx1\nSYSLOG_IDENTIFIER=postmill\n" % int(
        NOON
    )
    whole = entry + b"MESSAGE=text\n\n" + entry + b"MESSAGE\n" + struct.pack("<Q", len(odd)) + odd + b"\n\n"
    assert [(one.time, one.text) for one in lines(whole)] == [(NOON, "text"), (NOON, odd.decode())]


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    line = b"Jul  1 12:00:00 mx1 postmill[12]: text\n"
    (tmp_path / "log").write_bytes(line * 2)
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(line * 2))
    for name in ("log", "log.1.gz"):
        with opened(str(tmp_path / name)) as (file, _):
            assert len(list(logged(file, NOON))) == 2
