"""What a header's value reads like: unfolded, its encoded words decoded as somebody may, comments left out."""

from __future__ import annotations

from base64 import b64encode
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.header_text import in_charset, readings, without_comments


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("plain", {"plain"}),
        (" a\r\n b\n\tc ", {"a b\tc"}),
        ("a\rb\0c\nd", {"abcd"}),
        ("=?iso-8859-1?q?caf=E9?=", {"=?iso-8859-1?q?caf=E9?=", "café"}),
        ("=?utf-8?q?=ff?=", {"=?utf-8?q?=ff?=", "\ufffd"}),
        ("=?utf-8?q?a?", {"=?utf-8?q?a?"}),
        ("=?utf-8?x?a?=", {"=?utf-8?x?a?="}),
    ],
)
def test_all_readings(value: str, read: set[str]) -> None:
    assert set(readings(value)) == read


@pytest.mark.parametrize(
    "value",
    [
        "=?utf-8?Q?via?= =?utf-8?Q?gra?=",
        "=?utf-8?Q?via?=\r\n\t=?iso-8859-1?B?Z3Jh?=",
        "=?utf-8*en?Q?vi=61gra?=",  # RFC 2231 §5
        "=?foo?Q?vi=61gra?=",
        "=?foo?Q?x?= =?utf-8?Q?vi=61gra?=",
        "=?idna?Q?vi=61gra?=",
        "=?a/b\udc80?Q?vi=61gra?=",
        "=?utf-8?Q?vi=61gra?= =?utf-8?B?A?=",
        "=?utf-8?X?a?= =?utf-8?Q?vi=61gra?=",
        "=?utf-8?B?=?= =?utf-8?B?dmlh?= =?utf-8?B?!Z3-Jh?=",
        "=?utf-8?B?dmk=YWdyYQ?=",
        "=?utf-8?B?a =?utf-8?Q?vi=61gra?=",
        "x =?utf-8?Q?vi=61?=gra",
        "=?utf-8?Q?is_vi=61gra?good??=",
        "=?utf-8?Q?=ff_vi=61gra?=",
        "=?iso-2022-jp?Q?=1B$B?= =?iso-2022-jp?Q?vi=61gra?=",
        "=?utf-7?Q?v+AGkAYQ-gra?=",
    ],
)
def test_no_word_hides_another(value: str) -> None:
    assert any("viagra" in reading for reading in readings(value))


def test_a_letter_in_two_words() -> None:
    assert "gr\u00fcn" in readings("=?utf-8?q?gr=C3?= =?UTF-8?q?=BCn?=")


def test_what_nobody_knows_is_utf_8_or_else_latin_1() -> None:
    assert "gr\u00fcn" in readings("=?foo?q?gr=C3=BCn?=")
    assert "gr\u00fcn" in readings("=?foo?q?gr=FCn?=")


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zs", "Zl", "Zp"))))
def test_what_python_writes_is_read(text: str) -> None:
    assert text in readings(Header(text, "utf-8").encode())
    assert text in readings(f"=?utf-8?b?{b64encode(text.encode()).decode()}?=")


@given(
    st.lists(
        st.sampled_from(["=?", "?=", "?", "=", "utf-8", "utf-7", "Q", "B", " ", "aGk", "=c3", "\udcff", "é"])
    )
)
def test_whatever_stands_in_a_value(words: list[str]) -> None:
    assert all(isinstance(reading, str) for reading in readings("".join(words)))


@pytest.mark.parametrize(
    "charset", ["", "foo", "idna", "punycode", "undefined", "unicode_escape", "hex", "a\0", "\udcff", "../x"]
)
def test_what_is_no_charset(charset: str) -> None:
    with pytest.raises(LookupError):
        in_charset(b"\\x", charset)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a", "a"),
        ("a(b)c", "a c"),
        ("a (b(c)d) e(", "a   e"),
        ('"(a)" b', '"(a)" b'),
        ('(") a; b=")"', '  a; b=")"'),
        (r"a (\)) \(b", r"a   \(b"),
        (r'"\"(a)" "(b)', r'"\"(a)" " '),
        ("a) b", "a) b"),
        ("a\\", "a\\"),
        ("(\\", ""),
    ],
)
def test_comments_are_blanks(text: str, kept: str) -> None:
    assert without_comments(text) == kept
