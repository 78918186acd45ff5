"""What DNS, time and content decide, beside the real milter-greylist: whole configurations, many sessions each.

``test_beside_milter_greylist`` has the plain rules. Where ours differs on purpose, ``DIFFERENT`` says how;
docs/filters.md says why.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postmill.filters.greylist.dump import read_dump
from postmill.filters.greylist.keeping import exported
from postmill.filters.greylist.tuples import Entry
from postmill.testing.plan import Recipient, SessionPlan, mail_from_bytes
from tests.filters.greylist import countries
from tests.filters.greylist.pair import RAW, Ours, Theirs, address, both, mail, session
from tests.filters.greylist.test_results import DNS, GARBAGE, HEADERS, OTHER, signed
from tests.interop.postfix import public_directory, wait_until
from tests.stack import peers
from tests.stack.box import Box

pytestmark = pytest.mark.interop

ZONE = """\
pass.example TXT "v=spf1 ip4:192.0.2.5 -all"
fail.example TXT "v=spf1 -all"
soft.example TXT "v=spf1 ~all"
neutral.example TXT "v=spf1 ?all"
broken.example TXT "v=spf1 nonsense -all"
wide.example TXT "v=spf1 +all"
helo.example TXT "v=spf1 ip4:192.0.2.5 -all"
5.2.0.192.bl.example A 127.0.0.2
66.2.0.192.bl.example A 127.0.0.10
5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example A 127.0.0.2
"""
KEYS = "".join(f'{name} TXT "{record[0]}"\n' for name, record in DNS.items() if isinstance(record, list))
TRUST = """\
subnetmatch /24
greylist 10m
autowhite 1w
sm_macro "trusted_domain" "{trusted_domain}" "yes"
racl whitelist sm_macro "trusted_domain" spf pass
racl greylist sm_macro "trusted_domain" not spf pass
racl greylist default
"""
TRUSTED = {b"{trusted_domain}": b"yes"}
SENDERS = [f"joe@{one}.example" for one in ["pass", "fail", "soft", "neutral", "broken", "wide", "none"]]
LISTS = """\
nospf
dnsrbl "BL" bl.example 127.0.0.2
dnsrbl "DUN" bl.example 127.0.0.8/29
"""
CLIENTS = [
    address(one) for one in ("192.0.2.5", "192.0.2.66", "192.0.2.67", "2001:db8::5", "::ffff:192.0.2.5")
]
NETWORKS = {"192.0.2.0/25": "AT", "198.51.100.0/24": "AU"}


def senders(*stages: str) -> list[SessionPlan]:
    macros = {stage: TRUSTED for stage in stages}
    plans = [session(mail(one), macros=macros) for one in SENDERS]
    return [*plans, session(mail(""), helo="helo.example", macros=macros)]


def texts(rules: str) -> str:
    """Rules that look at content: the other one does so only if maxpeek stands above them."""
    return "nospf\nmaxpeek 100000\nracl whitelist default\n" + rules + "\n"


def raw(subject: str, body: str = "Hello.\r\n") -> bytes:
    return f"Subject: {subject}\r\nFrom: joe@example.net\r\n\r\n{body}".encode()


LETTERS = [
    session(mail(raw=one))
    for one in (
        raw("hello"),
        raw("SPAM here"),
        raw("hello", "line one\r\nmoney is here\r\nlast line\r\n"),
        raw("hello", "no end of line money"),
        raw("folded\r\n money"),
    )
]
EVERYBODY = [session(mail(), client=one) for one in CLIENTS]
SIGNED = [
    session(mail(raw=one))
    for one in (
        *map(signed, ("good.example", "revoked.example", "odd.example", "nokey.example")),
        *(OTHER, GARBAGE + RAW, GARBAGE + OTHER, signed("nokey.example", "odd.example", "good.example")),
        *(signed("odd.example", "nokey.example"), signed("nokey.example", "odd.example")),
    )
]
SEVERAL = [
    session(mail("joe@example.net", *to)) for to in (("a@t.example", "b@t.example"), ("c@t.example",))
] * 3


@dataclass(frozen=True)
class Case:
    name: str
    rules: str
    sessions: Sequence[SessionPlan]
    dump: str = ""
    """Times are seconds from now: ``+600``."""
    different: dict[int, str] = field(default_factory=dict)
    """Where ours says something else on purpose: the number of the session, and our status of its last mail."""


DUMP = """\
192.0.2.5\t<joe@example.net>\t<known@t.example>\t-5 # x
192.0.2.5\t<joe@example.net>\t<auto@t.example>\t+9000 AUTO # x
192.0.2.5\t<joe@example.net>\t<late@t.example>\t-900000 # x
192.0.2.5\t<joe@example.net>\t<over@t.example>\t-9 AUTO # x
192.0.2.5\t<joe@example.net>\t<soon@t.example>\t+600 # x
192.0.2.5\t<"a_b"@x.example>\t<soon@t.example>\t-5 # x
192.0.2.5\t<joe@example.net>\t<left@t.example>\t-5\t2 TARPIT # x
"""
REMEMBERED = [
    session(mail("joe@example.net", f"{to}@t.example"))
    for to in ("known", "auto", "late", "over", "soon", "AUTO", "known")
]
MIXED = [
    session(mail("joe@example.net", "auto@t.example", "new@t.example")),
    session(mail("joe@example.net", "new@t.example", "auto@t.example")),
    session(mail("Joe@Example.net", "auto@t.example")),
    session(mail('"a b"@x.example', "soon@t.example")),
]
EVIL = "nospf\nsubnetmatch /24\nracl blacklist from evil@x.example flushaddr\n"
MIXTURE = "nospf\nracl whitelist rcpt w@t.example\nracl blacklist rcpt b@t.example\nracl greylist default\n"
LOGIN, CERTIFICATE = {b"{auth_authen}": b"joe", b"{auth_type}": b"PLAIN"}, {b"{cert_subject}": b"/CN=joe"}
USERS = [
    session(macros=macros)
    for macros in (
        {"M": LOGIN},
        {"H": {**CERTIFICATE, b"{verify}": b"OK"}},
        {"H": {**CERTIFICATE, b"{verify}": b"NO"}},
        {"M": LOGIN, "H": {**CERTIFICATE, b"{verify}": b"OK"}},
        {"R": {b"{greylist}": b"WHITE"}},
        {"R": {b"{greylist}": b"BLACK"}},
    )
]
LIMIT = 'nospf\nratelimit "r" {} / 1h{}\nracl {} ratelimit "r" msg "over"\nracl whitelist default\n'
CASES = [
    Case("trust: not said", TRUST, senders()),
    Case("trust: at MAIL", TRUST, senders("M")),
    Case("trust: at CONNECT", TRUST, senders("C")),
    Case("trust: at RCPT", TRUST, senders("R")),
    Case("nobody speaks of SPF", "", senders()),
    Case("nospf", "nospf\n", senders()),
    *(
        Case(f"spf {word}", f'racl blacklist spf {word} msg "%Qs"\nracl whitelist default\n', senders())
        for word in ("pass", "fail", "softfail", "neutral", "unknown", "error", "none")
    ),
    Case("spf self", "localaddr 192.0.2.5\nracl blacklist spf self\nracl whitelist default\n", senders()),
    Case("SPF in a header", 'racl whitelist not spf fail addheader "X-S: %Qs"\n', senders()),
    Case("headers about SPF", HEADERS, [*senders(), session(mail("list-a=b@pass.example")), session(mail("joe"))]),
    Case("mixed recipients", MIXTURE,
        [session(mail("joe@example.net", *to)) for to in (
            ("w@t.example", "g@t.example", "b@t.example", "w@t.example"), ("g@t.example", "w@t.example"),
            ("b@t.example", "w@t.example"), ("b@t.example",))]),
    Case("several messages", MIXTURE,
        [session(mail("joe@example.net", "w@t.example"), mail("joe@example.net", "g@t.example", "w@t.example"),
            mail("x@y.example", "b@t.example"), mail("x@y.example", "w@t.example"))]),
    Case("multiracl", "multiracl\n" + MIXTURE, [session(mail("joe@example.net", "w@t.example", "g@t.example"))]),
    Case("quiet", "nospf\nquiet\n", [session(), session()]),
    Case("testmode", "nospf\ntestmode\nrcpt g@t.example\n", [session(), session(mail("joe@example.net", "g@t.example"))]),
    *(Case(f"report {word}", f"nospf\nreport {word}\n", REMEMBERED, DUMP) for word in ("none", "delays", "nodelays")),
    *(
        Case(f"users: {rule}", f"nospf\n{rule}\n", USERS)
        for rule in ("", "noauth", 'racl whitelist auth "joe"', "racl whitelist auth /^J/", "racl whitelist tls /joe/",
            "racl greylist not auth /.*/ delay 2h\nracl whitelist default", "noaccessdb",
            'list "a" auth { "joe" }\nracl blacklist list "a"', 'list "a" tls { /x/ }\nracl blacklist not list "a"',
            'list "a" auth { "joe" }\nracl blacklist list "a" msg "a"\nracl whitelist tls "nobody"')
    ),
    Case("values of macros", 'nospf\nsm_macro "f" "{client_resolve}" "FORGED"\nsm_macro "u" "{foo}" unset\n'
        'sm_macro "r" "{foo}" /^b.*r$/\nracl blacklist sm_macro "f"\nracl blacklist sm_macro "r" msg "%M{foo}"\n'
        'racl greylist sm_macro "u" delay 3h\nracl whitelist default\n',
        [session(macros={stage: {name: value}}) for stage, name, value in (
            ("C", b"{client_resolve}", b"FORGED"), ("R", b"{foo}", b"bar"), ("R", b"{foo}", b"BaR"), ("R", b"{foo}", b""))]),
    Case("lists over several lines", 'nospf\nlist "l" from { a@x.example joe@example.net \\\n /foo/ }\n'
        'list "n" addr { 10.0.0.0/8 \\\n 192.0.2.0/24 }\nracl blacklist list "l" not list "n"\n'
        'racl blacklist not list "l" msg "2"\nracl blacklist list "n" list "l" msg "3 %A"\n', EVERYBODY),
    Case("one kind in several forms", 'nospf\nlist "n" addr { 192.0.2.0/24 }\nlist "m" addr { 192.0.2.66 }\n'
        'racl blacklist list "n" not list "m" not addr 192.0.2.67 msg "1"\n'
        'racl blacklist helo /ext/ not helo "mail.ext.example" msg "2"\nsm_macro "m" "{a}" "x"\n'
        'sm_macro "m" "j" "mx.test.example"\nracl blacklist sm_macro "m" from /joe/ not from x@example.net msg "3"\n', EVERYBODY),
    Case("rules behind the default", "nospf\nracl whitelist default\nracl blacklist from joe@example.net\n", [session()]),
    Case("continue adds up", 'nospf\nracl continue from /joe/ code "450" ecode "4.1.1" msg "first" delay 1h report "R" '
        'addheader "X-A: 1"\nracl "w" continue rcpt /alice/ delay 2h addheader "X-B: 2"\n', [session(), session()]),
    *(
        Case(f"the host's own address: {rules}", f"nospf\n{rules}\nracl blacklist rcpt b@t.example msg \"%V\"\nracl whitelist default\n",
            [session(), session(mail("joe@example.net", "b@t.example")), session(client=address("::1")),
                session(macros={"C": {b"j": b"mx.test.example", b"{if_addr}": b"203.0.113.9"}})])
        for rules in ("", "localaddr 203.0.113.7", "localaddr 2001:db8::7")
    ),
    *(
        Case(f"no delay: {rules}", f"nospf\n{rules}\n", [session(), session(mail("joe@example.net", "w@t.example", "z@t.example"))])
        for rules in ("greylist 0", "racl greylist default delay 0s", 'racl "z" greylist rcpt /./ delay 0s',
            "racl whitelist rcpt w@t.example\nracl greylist default delay 0s")
    ),
    *(
        Case(f"the name of a rule before: {rule}", f'nospf\nracl "w" continue rcpt /alice/\n{rule}\n',
            [session(), session(mail("joe@example.net", "bob@t.example")), session(mail("joe@example.net", "alice@t.example", "bob@t.example"))])
        for rule in ("racl whitelist helo /./", 'racl whitelist helo /./ report "%a %A %cA %ca"', 'racl greylist default msg "%a %A %cA %ca"',
            'racl "v" whitelist helo /./ report "%a %A %cA %ca"', 'testmode\nracl continue default report "%a %A"')
    ),
    Case("lists", LISTS + 'racl blacklist dnsrbl "BL" msg "%D %i %j"\nracl blacklist dnsrbl "DUN" msg "%D"\n'
        "racl whitelist default\n", EVERYBODY),
    Case("not on a list", LISTS + 'racl blacklist not dnsrbl "BL"\nracl whitelist default report "%D"\n', EVERYBODY),
    Case("two lists", LISTS + 'racl continue dnsrbl "BL"\nracl blacklist not dnsrbl "DUN" msg "in %D"\n', EVERYBODY),
    Case("a list of friends", LISTS + 'racl whitelist dnsrbl "BL"\nracl greylist default delay 20m\n', EVERYBODY),
    Case("remembered", "nospf\n", [*REMEMBERED, *MIXED], DUMP),
    Case("remembered in a network", "nospf\nsubnetmatch /24\n",
        [session(*one.mails, client=address("192.0.2.77")) for one in REMEMBERED], DUMP),
    Case("a rule that lets nobody be known", 'nospf\nsm_macro "m" "{x}" "1"\nracl greylist sm_macro "m" autowhite 0s\nracl greylist default\n',
        [session(mail("joe@example.net", f"{to}@t.example"), macros={"R": {b"{x}": number}})
            for to in ("auto", "known", "new") for number in (b"1", b"2", b"1")], DUMP),
    Case("a broken line in the dump", "nospf\n", REMEMBERED[:2], DUMP.replace("# x", "# x\nthis is garbage", 1)),
    Case("no brackets", "nospf\n",
        [session(mail_from_bytes(raw("hello"), sender=b"joe@example.net", recipients=(Recipient(b"known@t.example"),)))],
        DUMP.replace("<", "").replace(">", "")),
    Case("never known", "nospf\nautowhite 0\n", [*REMEMBERED, *REMEMBERED], DUMP),
    Case("lazyaw", "nospf\nlazyaw\n", [session(mail("new@x.example", "new@t.example")), *REMEMBERED[1:2]], DUMP),
    Case("flushaddr of a neighbour", EVIL,
        [session(mail("evil@x.example"), client=address("192.0.2.66")), *REMEMBERED[1:2]], DUMP),
    Case("flushaddr", EVIL, [session(mail("evil@x.example")), *REMEMBERED[1:2]], DUMP),
    Case("delayedreject", "nospf\ndelayedreject\nracl whitelist rcpt w@t.example\n",
        [session(mail("", *to)) for to in (("a@t.example",), ("w@t.example",), ("w@t.example", "a@t.example"))]),
    Case("delayedreject, and the next mail", "nospf\ndelayedreject\nracl whitelist rcpt w@t.example\n",
        [session(mail("", "a@t.example"), mail("joe@example.net", "w@t.example"))], different={0: "accept"}),
    Case("counting recipients", 'nospf\nracl blacklist rcptcount >= 2 msg "too many"\nracl whitelist default\n',
        [session(mail("joe@example.net", "a@t.example", "b@t.example", "c@t.example"))]),
    Case("codes", 'nospf\nracl blacklist rcpt a@t.example code "554" msg "a"\nracl blacklist rcpt b@t.example ecode "5.1.1"\n'
        'racl greylist rcpt c@t.example code "450"\nracl greylist default code "550"\n',
        [session(mail("joe@example.net", "a@t.example", "b@t.example", "c@t.example", "d@t.example"))]),
    Case("macros", 'nospf\nracl blacklist default msg "%Mj %M{j} %M{unset} %Xc %Xe %Z 100% %mr %sr"\n',
        [session(mail("joe@example.net", "postmaster"))]),
    Case("groups", 'nospf\nracl blacklist from /\\([a-z]*\\)@\\([a-z]*\\)/ rcpt /\\(al\\)ice@\\(t\\)est/ '
        'msg "%g{\\1} %g{\\2} %g{\\3} %g{\\4} %g{\\5}"\n', [session()]),
    Case("a greeting made of the client's name", 'nospf\nracl blacklist helo "%d"\n', [session()]),
    Case("logging", 'nospf\nracl whitelist rcpt /alice/ log "%f was here"\n', [session()]),
    *(
        Case(rule, texts(rule), LETTERS)
        for rule in (
            'dacl blacklist header /^Subject: *SPAM/ msg "s"',
            "dacl blacklist header /folded.*money/",
            "dacl blacklist header /^ money/",
            'dacl blacklist header "Subject: "',
            'dacl blacklist header "subject: "',
            "dacl blacklist body /^money/",
            'dacl blacklist body "money"',
            "dacl blacklist body /one.*money/",
            "dacl blacklist body /^line/",
            "dacl blacklist msgsize >= 100",
            "dacl greylist default",
            'dacl whitelist header /SPAM/ addheader "X-D: %f"\ndacl blacklist default msg "D"',
            'dacl blacklist header "Subject: SPAM here" body /^He/',
            'dacl blacklist rcpt /alice/ msg "%r %mr"',
            "dacl greylist header /SPAM/ delay 2h",
            'dacl continue header /SPAM/ report "never seen"',
            'dacl blacklist dkim none msg "n"',
            'dacl blacklist spf none msg "%Qs"',
            r'dacl blacklist header /^Subject:.*SP\([A-Z]*\)/ msg "<%g{\1}>"',
        )
    ),
    Case("words of DKIM", texts("".join(f'dacl blacklist dkim {word} msg "{word}: %Qd"\n' for word in
        ("pass", "fail", "unknown", "none")) + 'dacl blacklist dkim error msg "error"'), SIGNED),
    Case("a header about DKIM", texts("".join(f'dacl whitelist {one} addheader "A: %QA"\n' for one in
        ("dkim pass", "default"))), [*SIGNED[:3], *SIGNED[4:9]]),
    Case("dacl greylist behind racl greylist", "nospf\nmaxpeek 100000\ndacl greylist header /SPAM/ delay 2h\n", LETTERS),
    Case("the end of a line", texts("dacl blacklist header /here$/"), LETTERS, different={1: "reject"}),
    Case("content without maxpeek", "nospf\nracl whitelist default\ndacl blacklist body /money/\n", LETTERS,
        different={2: "reject", 3: "reject"}),
    Case("ratelimit rcpt", LIMIT.format("rcpt 4", "", "blacklist"), SEVERAL),
    Case("ratelimit session", LIMIT.format("session 3", "", "blacklist"), SEVERAL),
    Case("ratelimit with a key", LIMIT.format("rcpt 2", ' key "%f%r"', "blacklist"), SEVERAL),
    Case("ratelimit data", LIMIT.format("data 120", "", "greylist").replace("racl greylist", "dacl blacklist"), SEVERAL),
    Case("ratelimit rcpt in a dacl", LIMIT.format("rcpt 4", "", "x").replace("racl x", "dacl blacklist"), SEVERAL),
    Case("countries", "nospf\ngeoipdb \"{countries}\"\nracl blacklist geoip \"AT\" msg \"%C\"\n"
        'racl greylist not geoip "ZZ" delay 2h msg "%C"\nracl whitelist geoip "ZZ" report "%C"\n',
        [session(client=address(one)) for one in ("192.0.2.5", "192.0.2.200", "198.51.100.7")]),
    *(
        Case(f"countries in texts: {rules}", f'nospf\ngeoipdb "{{countries}}"\n{rules}\n', EVERYBODY[:1])
        for rules in ('racl blacklist default msg "<%C>"', 'racl blacklist from /joe/ msg "<%C>"\nracl whitelist geoip "DE"',
            'racl whitelist default addheader "X-A: %C"', 'racl blacklist helo "%C" msg "hit"',
            'maxpeek 1000\nracl whitelist default\ndacl blacklist default msg "%C"')
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    peers.require()
    directory = public_directory("greylist-pair-")
    (directory / "new").write_bytes(countries.new(NETWORKS))
    (directory / "old").write_bytes(countries.old(NETWORKS))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def box(base: Path) -> Iterator[Box]:
    with Box(base / "box", ZONE + KEYS) as box:
        yield box


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.name[:40] for case in CASES])
def test_the_same(base: Path, box: Box, number: int, case: Case) -> None:
    now = int(time.time())
    dump = re.sub(r"(?<=\t)[+-][0-9]+", lambda offset: str(now + int(offset[0])), case.dump)
    ours = Ours(case.rules.replace("{countries}", str(base / "new")), ZONE + KEYS, dump)
    rules = case.rules.replace("{countries}", str(base / "old"))
    with Theirs(base, box, f"milter-greylist-{number}", rules, dump) as theirs:
        for at, plan in enumerate(case.sessions):
            their, our = both(theirs, ours, plan)
            if at in case.different:
                assert our[-1][0].status == case.different[at] != their[-1][0].status
            else:
                assert our == their, at


NEAR = [session(mail("joe@example.net", f"{to}@t.example"), client=address(f"192.0.2.{host}"))
    for host in (5, 77, 200) for to in ("auto", "known", "soon", "other")]  # fmt: skip
CHANGES = [
    ("subnetmatch /24", "subnetmatch /25"),
    ("", "subnetmatch /24"),
    ("subnetmatch /24", ""),
    ("", "lazyaw"),
    ("lazyaw", ""),
    ("lazyaw", "lazyaw"),
    ("lazyaw\nsubnetmatch /24", "lazyaw\nsubnetmatch /25"),
]


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=repr)
def test_the_same_after_a_change(base: Path, box: Box, before: str, after: str) -> None:
    """The same sessions with both, and what they remember of them, then with another configuration over that."""
    now, name = int(time.time()), f"milter-greylist-{CHANGES.index((before, after))}-"
    lines = [DUMP.splitlines(keepends=True)[at] for at in (1, 0, 4)]  # with lazyaw, theirs takes the first
    dump = re.sub(r"(?<=\t)[+-][0-9]+", lambda offset: str(now + int(offset[0])), "".join(lines))
    one, other = f"nospf\n{before}\n", f"nospf\n{after}\n"
    ours = Ours(one, dump=dump)
    theirs = Theirs(base, box, f"{name}before", one, dump)
    with theirs:
        for plan in (
            *NEAR[:4],
            session(client=address("198.51.100.7")),
        ):  # a stranger makes it write its dump
            their, our = both(theirs, ours, plan)
            assert our == their
        mine, file = remembered(asyncio.run(exported(ours.store))), theirs.directory / "greylist.db"
        wait_until(lambda: remembered(read_dump(file.read_text()).entries) == mine, "the same in its dump")
        kept = file.read_text()
    ours = Ours(other, store=ours.store)
    with Theirs(base, box, f"{name}after", other, kept) as theirs:
        for at, plan in enumerate((session(mail("joe@example.net", "never@t.example")), *NEAR)):
            their, our = both(theirs, ours, plan)
            assert our == their, at


def remembered(entries: Sequence[Entry]) -> list[tuple[object, ...]]:
    """Return them by minutes from now."""
    now = time.time()
    return sorted(
        (one.ip, one.sender, one.recipient, one.auto, round((one.until - now) / 60)) for one in entries
    )
