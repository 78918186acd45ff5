"""Kinds of values: what is shown means the same when read, and no input has a third outcome."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.domains import Domain
from postmill.api.kinds import (
    Choice,
    Count,
    Duration,
    Flag,
    InetSocket,
    Kind,
    ListOf,
    LocalSocket,
    Macros,
    Mode,
    SetOf,
    Size,
    Socket,
    Text,
)
from postmill.api.list_file import ListFile
from postmill.api.mail_kinds import Account, Network, Pattern, Percent
from postmill.api.time_kinds import Hours, TimeZone, Weekdays
from postmill.wire.endpoint import Endpoint

ONE_OF_EACH: list[Kind] = [
    Account(),
    Choice(("a", "b")),
    Count(0, 9),
    Domain(),
    Duration(),
    Flag(),
    Hours(),
    InetSocket(),
    ListFile(Domain()),
    ListOf(Socket(), 1),
    LocalSocket(),
    Macros(),
    Mode(),
    Network(),
    Pattern(Domain()),
    Percent(),
    SetOf(Choice(("a", "b"))),
    Size(),
    Socket(),
    Text(r"[a-z]*"),
    TimeZone(),
    Weekdays(),
]
LIKELY = [
    *(
        "a",
        "5s",
        "1MB",
        "0660",
        "",
        "/dev/null",
        "Europe/Berlin",
        "mon-fri",
        "SUN",
        "22:00-06:00",
        "9:30-24:00",
    ),
    *(
        "192.0.2.0/24",
        "192.0.2.7",
        "2001:db8::/32",
        "example.org",
        ".Bücher.example.",
        "Joe@example.org",
        "joe@",
    ),
    *("/^a[0-9]/", "/[/", "/a{99999999999999999999}/", "/[[a]/", "/a/b/"),
]
ANY_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.sampled_from(LIKELY),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def shown_and_read(kind: Kind, value: Any) -> Any:
    return kind.parse(tomllib.loads(f"value = {kind.show(value)}")["value"])


@pytest.mark.parametrize("kind", ONE_OF_EACH, ids=lambda kind: type(kind).__name__)
@given(raw=ANY_VALUE)
def test_a_value_or_a_value_error_and_what_is_shown_reads_the_same(kind: Kind, raw: Any) -> None:
    try:
        value = kind.parse(raw)
    except ValueError:
        return
    assert shown_and_read(kind, value) == value


@given(st.floats(min_value=0.001, max_value=604800))
def test_every_time_is_shown_exactly(seconds: float) -> None:
    assert shown_and_read(Duration(), seconds) == seconds


@given(st.integers(min_value=0))
def test_every_size_is_shown_exactly(size: int) -> None:
    assert shown_and_read(Size(), size) == size


@given(
    st.dictionaries(
        st.sampled_from(["mail", "eom"]), st.dictionaries(st.sampled_from("ij"), st.text(), min_size=1)
    )
)
def test_every_macro_value_is_shown_exactly(macros: dict[str, dict[str, str]]) -> None:
    if not any("\0" in value for names in macros.values() for value in names.values()):
        assert shown_and_read(Macros(), macros) == macros


@given(st.sampled_from(["inet", "inet6"]), st.integers(0, 65535))
def test_every_socket_is_shown_as_it_is_read(kind: str, port: int) -> None:
    endpoint = Socket().parse(f"{kind}:{port}")
    assert isinstance(endpoint, Endpoint)
    assert shown_and_read(Socket(), endpoint) == endpoint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("2m", 120),
        ("1h", 3600),
        ("1d", 86400),
        ("1h 30m", 5400),
        ("1m30s", 90),
        ("0.5s", 0.5),
        (5, 5),
        (0.25, 0.25),
    ],
)
def test_times(text: Any, seconds: float) -> None:
    assert Duration().parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "5", "5 x", "-5s", "0s", "5S", "٥s", "1e3s", "5s!", "0.5ms", "8d", True, None, [], 0, -1, 1e-9],
)
def test_no_times(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Duration().parse(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("0", 0), (0, 0), ("64KB", 65536), ("64 kB", 65536), ("64K", 65536), ("64KiB", 65536)),
        *(("1MB", 2**20), ("2GB", 2**31), ("17", 17), ("17B", 17), (17, 17)),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    assert Size().parse(text) == size


@pytest.mark.parametrize("text", ["", "KB", "1.5MB", "-1", "1TB", "1 i", 1.0, True, -1, "٥"])
def test_no_sizes(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Size().parse(text)


@pytest.mark.parametrize(("text", "mode"), [("0660", 0o660), ("660", 0o660), ("0000", 0), ("777", 0o777)])
def test_modes(text: str, mode: int) -> None:
    assert Mode().parse(text) == mode


@pytest.mark.parametrize("text", ["", "66", "00660", "0o660", "u=rw", "4755", 0o660, 660])
def test_no_modes(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Mode().parse(text)
