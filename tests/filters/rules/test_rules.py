"""``rules``: what each key looks at, what becomes of the mail, and rules that are none."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmill.api import Accept, Discard, Quarantine, Reject, Tempfail, Verdict
from postmill.config import ConfigErrors
from postmill.config.loading import parse
from postmill.config.showing import as_toml
from postmill.daemon.filters import find_filter
from postmill.filters.rules import app
from postmill.filters.rules.names import names_of
from postmill.testing import deliver
from postmill.testing.delivery import Delivery
from tests.filters.side_by_side.wrapping import nested


def judge(*rules: dict[str, Any], **mail: Any) -> Delivery:
    return deliver(app, settings={"rule": [*rules]}, **mail)


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"action": "reject"}, Reject()),
        ({"action": "reject", "text": "5.7.1 no\nthanks"}, Reject("5.7.1 no\nthanks")),
        ({"action": "tempfail", "text": "4.7.1 later"}, Tempfail("4.7.1 later")),
        ({"action": "discard"}, Discard()),
        ({"action": "accept"}, Accept()),
        ({"action": "quarantine", "text": "odd"}, Quarantine("odd")),
        ({"action": "quarantine", "name": "seven"}, Quarantine("rule seven")),
    ],
)
def test_what_becomes_of_the_mail(rule: dict[str, Any], verdict: Verdict) -> None:
    assert judge({**rule, "header": "Subject"}).verdict == verdict


REFUSE = {"action": "reject", "text": "5.7.1 no"}


@pytest.mark.parametrize(
    ("looks_at", "mail"),
    [
        ({"senders": ["joe@example.net"]}, {}),
        ({"senders": ["example.net"]}, {}),
        ({"senders": ["/^<joe@/"]}, {}),
        ({"senders": ["/^<>$/"]}, {"sender": ""}),
        ({"recipients": ["jane@"]}, {}),
        ({"recipients": ["jane@example.org"]}, {"to": ['"jane"@example.org']}),
        ({"recipients": ["jane@example.org"]}, {"to": ["jane(her) @example.org"]}),
        ({"senders": ["joe@example.net"]}, {"sender": r'"j\oe"@example.net'}),
        ({"senders": ["/^<joe@/"]}, {"sender": '"joe"@example.net'}),
        ({"senders": ['/^<"joe"@/']}, {"sender": '"joe"@example.net'}),
        ({"recipients": ["x.example", "example.org"], "senders": ["example.net"]}, {}),
        ({"header": "subject"}, {}),
        ({"header": "Subject", "contains": ["HELL"]}, {}),
        ({"header": "Subject", "contains": ["/^hello$/"]}, {}),
        ({"header": "Subject", "contains": ["grün"]}, {"headers": ["Subject: =?utf-8?q?gr=C3=BCn?="]}),
        ({"larger_than": "1KB"}, {"body": "x" * 1025}),
        ({"types": ["Text/Plain"]}, {}),
    ],
)
def test_what_holds(looks_at: dict[str, Any], mail: dict[str, Any]) -> None:
    assert judge({**REFUSE, **looks_at}, **mail).verdict == Reject("5.7.1 no")


@pytest.mark.parametrize(
    "looks_at",
    [
        {"senders": ["ann@example.net", ".example.net"]},
        {"recipients": ["joe@", "/^jane/"]},
        {"recipients": ["example.org"], "senders": ["example.com"]},
        {"header": "X-Subject"},
        {"header": "Subject", "contains": ["/^ello/", "bye"]},
        {"header": "Subject", "senders": ["example.com"]},
        {"header": "Subject", "recipients": ["example.com"]},
        {"larger_than": "1KB"},
        {"types": ["text/html"]},
        {"types": ["text/htm*", "application/*"]},
        {"attachments": ["*"]},
    ],
)
def test_what_does_not(looks_at: dict[str, Any]) -> None:
    assert judge({**REFUSE, **looks_at}).verdict is None


def attached(name: str, kind: str = "application/octet-stream") -> bytes:
    made = EmailMessage()
    made.set_content("see below\n")
    main, _, sub = kind.partition("/")
    made.add_attachment(b"MZ", maintype=main, subtype=sub, filename=name)
    return made.as_bytes()


@pytest.mark.parametrize(
    ("looks_at", "raw"),
    [
        ({"attachments": ["*.exe"]}, attached("Setup.EXE")),
        ({"attachments": ["*.scr", "*.exe"]}, attached("grün.exe")),
        ({"attachments": ["invoice.*"]}, attached("invoice.pdf.js")),
        ({"attachments": ["inner.bin"]}, nested(b"MZ")),
        ({"types": ["application/x-msdownload"]}, attached("a.txt", "application/x-msdownload")),
        ({"types": ["message/rfc822"]}, nested(b"MZ")),
        ({"types": ["Application/*"]}, attached("a.txt", "application/x-msdownload")),
        ({"types": ["*/x-ms*"]}, attached("a.txt", "application/x-msdownload")),
    ],
)
def test_attachments_however_deep(looks_at: dict[str, Any], raw: bytes) -> None:
    assert judge({**REFUSE, **looks_at}, message=raw).verdict == Reject("5.7.1 no")
    assert judge({**REFUSE, **looks_at}, message=attached("notes.txt", "text/plain")).verdict is None


def test_rules_are_judged_in_their_order_and_each_when_it_can_be() -> None:
    mark = {"action": "add-header", "text": "X-Seen: by rule", "header": "Subject"}
    let_in = {"action": "accept", "senders": ["joe@example.net"]}
    refuse = {**REFUSE, "header": "Subject"}
    assert judge(mark, refuse).verdict == Reject("5.7.1 no")
    assert judge(mark, mark).all("X-Seen") == ("by rule", "by rule")
    assert judge(refuse, let_in).verdict == Accept()  # known at MAIL already
    one = judge({**REFUSE, "recipients": ["jim@"]}, to=["jane@x.example", "jim@x.example"])
    assert (one.recipients, one.refused) == (("jane@x.example",), {"jim@x.example": "550 5.7.1 no"})


def test_what_becomes_of_all_must_hold_for_all() -> None:
    jane_and_jim = {"to": ["jane@x.example", "jim@x.example"]}
    for action in ("discard", "accept"):
        one = {"action": action, "recipients": ["jim@"]}
        assert judge(one, {**REFUSE, "header": "Subject"}, **jane_and_jim).verdict == Reject("5.7.1 no")
        assert judge(one, to=["jim@x.example"]).verdict == (Discard() if action == "discard" else Accept())
    content = {**REFUSE, "recipients": ["jim@"], "header": "Subject"}
    assert judge(content, **jane_and_jim).verdict is None
    mark = {"action": "add-header", "text": "X-Jim: yes", "recipients": ["jim@"]}
    assert judge(mark, **jane_and_jim).all("X-Jim") == ("yes",)


@pytest.mark.parametrize(
    "head",
    [
        'Content-Type: application/x-y; name="a.exe"\nContent-Disposition: attachment; filename="ok.txt"',
        'Content-Type: application/x-y; name="ok.txt"\nContent-Disposition: attachment; filename="a.exe. "',
        "Content-Type: application/x-y\nContent-Disposition: attachment; filename*=utf-8''a%2Eexe",
        'Content-Type: application/x-y; name="=?utf-8?q?a=2Eexe?="',
        "Content-Disposition: inline; filename=ok.txt\nContent-Disposition: attachment; filename=a.exe",
        "Content-Disposition: attachment; filename=a.exe\nContent-Disposition: attachment; filename=ok.txt",
        'Content-Type: text/plain; name="ok.txt"\ncontent-type: application/x-y; name="a.exe"',
        "Content-Disposition: attachment; filename=ok.txt; filename=a.exe",
        "Content-Disposition: attachment; filename=a.exe; filename=ok.txt; filename*=utf-8''ok.txt",
        "Content-Disposition: attachment; filename*=utf-8''ok.txt; filename*=''a.exe",
        'Content-Disposition: attachment; filename="ok.txt"; filename*0="a.e"; filename*1="xe"',
        "Content-Disposition: attachment; filename*1=exe; filename*0*=utf-8''a%2E; filename*2=\" \"",
        "Content-Disposition: attachment; filename*0=a.e; filename*1=xe; filename*3=.txt",
        "Content-Disposition: attachment; filename*0=ok.txt; filename*0=a.exe",
        "Content-Type: application/x-y; name*0*=''a.ex; name*1*=%65",
        'Content-Disposition: attachment; filename="a.exe; size=3',
        'Content-Disposition: attachment; filename="a\\.ex\\e"',
        "Content-Disposition: attachment; filename=a%2eexe",
        "Content-Disposition: attachment; name=a.exe",
        "Content-Disposition: attachment;\n\tFileName\n\t=\n\ta.exe\n ;x=y",
        "Content-Disposition: attachment; filename=a%2eexe;",
        'Content-Disposition: attachment; filename="a.exe" (x)',
        "Content-Disposition: attachment; filename=a.exe (x)",
        'Content-Disposition: attachment; filename="a.exe" x',
        "Content-Disposition: attachment; (c) filename=a.exe",
        "Content-Disposition: attachment; filename(c)=a.exe",
        'Content-Disposition: attachment; (") filename=a.exe; x=")"',
        "Content-Disposition: attachment; x=a( ; filename=a.exe (c)",
        "Content-Disposition: attachment filename=a.exe",
        "Content-Disposition: attachment; filename*=utf-8''a.exe (c)",
        'Content-Disposition: attachment; filename*0="a."; filename*1="exe" (c)',
        "Content-Disposition: attachment; filename*0=a.; filename*1=exe (c)",
        'Content-Disposition: attachment; filename="=?foo?Q?a.exe?="',
        'Content-Disposition: attachment; filename="=?utf-8*en?Q?a=2Eexe?="',
        'Content-Disposition: attachment; filename="=?foo?Q?x?= =?utf-8?Q?a=2Eexe?="',
        "Content-Disposition : attachment; filename=a.exe",
    ],
)
def test_every_name_of_an_attachment_counts(head: str) -> None:
    raw = f"MIME-Version: 1.0\n{head}\n\nMZ\n".encode()
    assert judge({**REFUSE, "attachments": ["*.exe"]}, message=raw).verdict == Reject("5.7.1 no")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Disposition: attachment; filename=ok.txt; filename*=utf-8''exe.txt; size=3",
        'Content-Disposition: attachment; filename="a.exe in it.txt"; x=.exe',
        "Content-Type: text/plain; charset=utf-8; x-name=a.exe\nX-Disposition: attachment; filename=a.exe",
    ],
)
def test_what_is_no_name_of_it_does_not(head: str) -> None:
    raw = f"MIME-Version: 1.0\n{head}\n\nMZ\n".encode()
    assert judge({**REFUSE, "attachments": ["*.exe"]}, message=raw).verdict is None


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("Grüße.pdf".encode(), "grüße.*"), (b"Gr\xfc\xdfe.exe", "*.exe"), (rb"C:\temp\a.exe", "a.exe")],
)
def test_names_as_they_are_sent(name: bytes, pattern: str) -> None:
    raw = b'MIME-Version: 1.0\nContent-Disposition: attachment; filename="' + name + b'"\n\nMZ\n'
    assert judge({**REFUSE, "attachments": [pattern]}, message=raw).verdict == Reject("5.7.1 no")


def test_every_type_counts() -> None:
    raw = b"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Type: Application/X-Y ; a=b\n\nMZ\n"
    for kind in ("text/plain", "application/x-y"):
        assert judge({**REFUSE, "types": [kind]}, message=raw).verdict == Reject("5.7.1 no")


@pytest.mark.parametrize(
    "kind", ["a/b (c)", "(c) a/b", "a / b", "a/b;c=d", "a(c)/b", '"a/b"', "a/b c=d", "a/b, c", "\n a/b"]
)
def test_a_type_however_it_is_written(kind: str) -> None:
    raw = f"MIME-Version: 1.0\nContent-Type: {kind}\n\nMZ\n".encode()
    assert judge({**REFUSE, "types": ["a/b"]}, message=raw).verdict == Reject("5.7.1 no")


def test_what_is_no_type_is_text() -> None:
    for kind in ("text", "", ";a=b", "/"):
        raw = f"MIME-Version: 1.0\nContent-Type: {kind}\n\nMZ\n".encode()
        assert judge({**REFUSE, "types": ["text/plain"]}, message=raw).verdict == Reject("5.7.1 no")


@example(["name=\\"])
@given(st.lists(st.sampled_from([*";=\"\\'* %.\n\t", "name", "filename", "filename*0", "=?utf-8?q?", "é"])))
def test_whatever_stands_in_such_a_header(words: list[str]) -> None:
    fields = [("content-disposition", "attachment; " + "".join(words))]
    assert all(names_of(fields))


@pytest.mark.parametrize(
    "name",
    [
        "filename*=idna''a..exe",
        "filename*=undefined''a.exe",
        "filename*=a\0b''a.exe",
        f"filename*{'1' * 5000}=a.exe",
    ],
)
def test_a_name_that_nobody_can_read_is_not_trusted(name: str) -> None:
    inner = f"Content-Type: application/x-y\nContent-Disposition: attachment; {name}\n\nMZ\n"
    raw = f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{inner}\n--b--\n".encode()
    assert judge({**REFUSE, "attachments": ["*.exe"]}, message=raw).verdict == Reject("5.7.1 no")


CONFIGURATION = """\
[[filter]]
use = "rules"
[[filter.settings.rule]]
name = "programs"
action = "reject"
text = "5.7.1 No programs"
attachments = ["*.exe"]
[[filter.settings.rule]]
action = "quarantine"
larger_than = "20MB"
"""


def test_as_it_is_written() -> None:
    loaded = parse("p.toml", CONFIGURATION, find_filter=find_filter)
    shown = as_toml(loaded)
    assert (
        '{ action = "reject", name = "programs", text = "5.7.1 No programs", attachments = ["*.exe"] }'
        in shown
    )
    again = parse("p.toml", shown, find_filter=find_filter).settings.filters[0].settings
    assert again == loaded.settings.filters[0].settings


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('name = "x"', "p.toml:3: filter[0].settings.rule[0]: action is missing: it must be "),
        ('action = "no"', "p.toml:3: filter[0].settings.rule[0]: action must be "),
        ('action = "reject"\nsender = ["x"]', "p.toml:3: filter[0].settings.rule[0]: unknown key sender; known here"),
        ('action = "reject"', "p.toml:3: filter[0].settings: rule 1: looks at nothing"),
        ('action = "reject"\nheader = "X"\ntext = "4.7.1 x"', "p.toml:3: filter[0].settings: rule 1: "),
        ('action = "reject"\nname = "r"\ncontains = ["x"]\nsenders = ["x@y"]', "p.toml:3: filter[0].settings: rule r: contains needs header"),
        ('action = "add-header"\nheader = "X"\ntext = "nothing"', "p.toml:3: filter[0].settings: rule 1: text must be the header to add"),
        ('action = "reject"\nheader = "X"\ncontains = ["/(/"]', 'p.toml:3: filter[0].settings.rule[0]: contains: "/(/" is no regular'),
    ],
)  # fmt: skip
def test_rules_that_are_none(rule: str, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(
            "p.toml",
            f'[[filter]]\nuse = "rules"\n[[filter.settings.rule]]\n{rule}\n',
            find_filter=find_filter,
        )
    assert str(caught.value.problems[0]).startswith(words)
