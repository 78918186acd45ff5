"""Where parts begin: wherever some program sees one, and nowhere in ordinary mail."""

from __future__ import annotations

import email
import email.policy
from base64 import encodebytes
from quopri import encodestring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters.rules.parameters import UNREADABLE
from postmill.filters.rules.parts import Parts

PART = b"Content-Type: application/x-y; name=a.exe\nContent-Disposition: attachment; filename=a.exe\n\nMZ\n"
MIXED = b"Content-Type: multipart/mixed; boundary=i"
MULTIPART = b"--i\n" + PART + b"--i--\n"
MESSAGE = MIXED + b"\n\n" + MULTIPART
INNER = b"Content-Type: message/rfc822\n"
ENCODED = b"Content-Transfer-Encoding: base64\n"
QUOTED = b"Content-Transfer-Encoding: Quoted-Printable (x)\n"
HIDDEN = encodestring(MESSAGE).replace(b"name", b"n=61me").replace(b"Content-D", b"Content=2DD")

SOMEWHERE = {
    "as it should be": MESSAGE,
    "in a message": INNER + b"\n" + MESSAGE,
    "in a message of another kind": b"Content-Type: message/global\n\n" + MESSAGE,
    "in a digest": b"Content-Type: multipart/digest; boundary=i\n\n--i\n\n" + PART + b"--i--\n",
    "comment behind": MIXED + b" (c)\n\n" + MULTIPART,
    "comment behind quotes": b'Content-Type: multipart/mixed; boundary="i" (c)\n\n' + MULTIPART,
    "comment before": b"Content-Type: (c) multipart/mixed; boundary=i\n\n" + MULTIPART,
    "blanks": b"Content-Type: multipart / mixed; boundary=i\n\n" + MULTIPART,
    "encoded": b"Content-Type: multipart/mixed; boundary*=''%69\n\n" + MULTIPART,
    "two boundaries": b"Content-Type: multipart/mixed; boundary=a; boundary=i\n\n" + MULTIPART,
    "two types": b"Content-Type: text/plain\n" + MESSAGE,
    "which boundary": b"Content-Type: multipart/mixed; boundary*0=a; boundary*0=b\n\n" + MULTIPART,
    "no boundary": b"Content-Type: multipart/mixed\n\n" + MULTIPART,
    "empty boundary": b'Content-Type: multipart/mixed; boundary=""\n\n--\n' + PART,
    "long boundary": MIXED + b"i" * 99 + b"\n\n--i" + b"i" * 99 + b"\n" + PART,
    "boundary with bytes": MIXED + b"\xff\n\n--i\xff\n" + PART,
    "behind the last": MIXED + b"\n\n--i\n\nhi\n--i--\n" + MULTIPART,
    "more on the line": MIXED + b"\n\n--i\n\nhi\n--i x\n" + PART,
    "longer on the line": MIXED + b"\n\n--i\n\nhi\n--ijk\n" + PART,
    "no empty line": MIXED + b"\n\n" + MULTIPART.replace(b"\n\nMZ", b"\nMZ"),
    "within headers": MIXED + b"\n" + MULTIPART,
    "blank before the colon": MESSAGE.replace(b":", b" :"),
    "rubbish first": MIXED + b"\n\n--i\nrubbish\n" + PART,
    "folded first": MIXED + b"\n\n--i\n " + PART.replace(b"\nContent-D", b"\n X-D"),
    "CR": MESSAGE.replace(b"\n", b"\r"),
    "CR among headers": MIXED + b"\n\n--i\nX: y\r" + PART,
    "CR before LF": MIXED + b"\n\n--i\nX: y\r\r\n" + PART,
    "message in base64": INNER + ENCODED + b"\n" + encodebytes(MESSAGE),
    "messages in base64": b"Content-Type: multipart/mixed; boundary=o\n\n"
    + 2 * (b"--o\n" + INNER + ENCODED + b"\n" + encodebytes(MESSAGE)),
    "multipart in base64": MIXED + b"\n" + ENCODED + b"\n" + encodebytes(MULTIPART),
    "multipart in quoted-printable": MIXED + b"\n" + QUOTED + b"\n" + HIDDEN.partition(b"\n\n")[2],
    "message in quoted-printable": INNER + QUOTED + b"\n" + HIDDEN,
    "message not in base64": INNER + ENCODED + b"\n" + MESSAGE,
    "twice": INNER + ENCODED + b"\n" + encodebytes(INNER + QUOTED + b"\n" + HIDDEN),
    "uuencoded": b"Subject: x\n\nhi\nbegin 644 a.exe\n#0V%T\n`\nend\n",
    "uuencoded within": MIXED + b"\n\n--i\n\nbegin  0644  a.exe \n#0V%T\n`\nend\n",
}


@pytest.mark.parametrize("raw", SOMEWHERE.values(), ids=SOMEWHERE.keys())
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_part_is_found_wherever_some_program_sees_it(raw: bytes, line_end: bytes) -> None:
    parts = Parts.of(b"MIME-Version: 1.0\n".replace(b"\n", line_end) + raw.replace(b"\n", line_end))
    assert "a.exe" in parts.names
    assert UNREADABLE not in parts.names | parts.types


ORDINARY = {
    "text": b"Subject: x\n\n-- \nContent-Disposition: attachment; filename=a.exe\n",
    "quoted": MIXED + b"\n\n--i\n\n> --i\n" + PART + b"--i--\n",
    "in the text of a part": MIXED + b"\n\n--i\n\n" + PART + b"--o\n" + PART,
    "headers behind an empty line": MIXED + b"\n\n--i\n\n\n" + PART,
    "encoding that is not there": MIXED + b"\n" + QUOTED + b"\n--i\n" + QUOTED + b"\nhi=20\n--i--\n",
    "multipart in base64 that is not": MIXED + b"\n" + ENCODED + b"\n--i\n" + ENCODED + b"\nTVo=\n--i--\n",
    "begins otherwise": b"Subject: x\n\nbegin 1 a.exe\nbegin 644\nto begin 644 a.exe\nbegin 899 a.exe\n",
    "plain message": b"\nhi\n",
    "nothing": b"",
}


@pytest.mark.parametrize("raw", ORDINARY.values(), ids=ORDINARY.keys())
def test_a_part_is_found_nowhere_else(raw: bytes) -> None:
    assert Parts.of(raw).names == set()
    assert UNREADABLE not in Parts.of(raw).types


def test_only_a_part_has_a_type() -> None:
    html = b"--i\nContent-Type: text/html\n\nhi\n"
    assert Parts.of(MIXED + b"\n\n" + html + b"--i--\nbye\n").types == {"multipart/mixed", "text/html"}
    assert Parts.of(MIXED + b"\n\n--i\n\nhi\n--i--\n").types == {"multipart/mixed", "text/plain"}
    assert Parts.of(b"Content-Type: multipart/digest; boundary=i\n\n--i\n\n\nhi\n").types == {
        "multipart/digest",
        "message/rfc822",
        "text/plain",
    }


def test_parts_however_deep() -> None:
    rows = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000))
    assert Parts.of(b"".join(rows) + PART).names == {"a.exe"}


TOO_MUCH = {
    "parts": MIXED + b"\n\n" + b"--i\n\n" * 30_000,
    "headers": MIXED + b"\n\n--i\nContent-Type: text/plain; x=" + b"y" * 600_000,
    "base64 in what is not": INNER + ENCODED + b"\n" + INNER + ENCODED + b"\n",
    "quoted-printable in itself": b"".join([INNER, QUOTED, b"\n"] * 20) + b"x\n" * 1000,
}


@pytest.mark.parametrize("raw", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_nobody_can_read_may_be_anything(raw: bytes) -> None:
    parts = Parts.of(raw)
    assert UNREADABLE in parts.names
    assert UNREADABLE in parts.types


WORDS = [
    *("\n", "\n", "\n\n", "\r", " ", ";", "=", '"', "(", ")", "--", "--i", "--j\n", "--i--\n", "\n--i\n"),
    *(
        "Content-Type:",
        "Content-Disposition: attachment;",
        "multipart/mixed;",
        "multipart/digest;",
        "text/plain;",
    ),
    *("message/rfc822\n", "boundary=i", 'boundary="j"', "boundary*0=i", "filename=", "name=", "filename*="),
    *(
        "utf-8''",
        "=?utf-8?q?",
        "a=2E?=",
        "%2E",
        "a",
        "a.exe",
        "\\",
        "x: y\n",
        ENCODED.decode(),
        QUOTED.decode(),
    ),
]


@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_whatever_stands_in_a_message(text: str) -> None:
    parts = Parts.of(text.encode())
    assert all(name for name in parts.names)


VALUES = [
    "a.exe",
    '"a.exe"',
    '"a b.exe"',
    '"a\\.exe"',
    "a.exe (c)",
    "(c) a.exe",
    '"=?utf-8?q?a=2Eexe?="',
    '"a.exe" x',
]
HEADERS = st.builds(
    "{}{}".format,
    st.sampled_from(["Content-Disposition: attachment; filename=", "Content-Type: a/b; name=", "X: "]),
    st.sampled_from(VALUES),
)
LEAVES = st.lists(HEADERS, max_size=2).map(lambda headers: "".join(f"{one}\n" for one in headers) + "\nhi\n")


def _within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    boundary = st.sampled_from(["i", '"i"', '"ij"', '"k l"', "i (c)", "(c) i"])
    kind = st.sampled_from(["multipart/mixed", "Multipart/Digest", "(c)multipart/mixed"])
    delimiters = st.sampled_from(["--i", "--ij", "--k l", "--i ", "--i--"])
    body = st.lists(st.tuples(delimiters, inner), max_size=3).map(
        lambda parts: "".join(f"{delimiter}\n{part}" for delimiter, part in parts)
    )
    multipart = st.builds("Content-Type: {}; boundary={}\n\n{}".format, kind, boundary, body)
    return multipart | inner.map("Content-Type: message/rfc822\n\n{}".format)


@given(st.recursive(LEAVES, _within, max_leaves=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_name_that_python_finds_is_found(text: str, line_end: str) -> None:
    raw = text.replace("\n", line_end).encode()
    seen = [part.get_filename() for part in email.message_from_bytes(raw, policy=email.policy.default).walk()]
    assert {name for name in seen if name} <= Parts.of(raw).names
