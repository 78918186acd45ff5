"""The mail of the comparison: each message with its envelope and with what greylisting knows of it.

Messages are put together here at run time, so that no scanner flags this repository, but for SpamAssassin's
samples, which Debian ships. Those about signatures and policies are the ones that OpenDKIM and OpenDMARC are
compared by in detail (``authentication/test_side_by_side``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tests.filters.authentication.test_side_by_side import CASES, RELAXED
from tests.filters.side_by_side.wrapping import in_tar, in_zip, nested, quoted, uuencoded, with_html
from tests.stack.messages import attached, eicar, gtube, message
from tests.stack.milter_greylist import PEERS
from tests.stack.spamd import MIDDLING

SAMPLES = PEERS / "packages/spamassassin/usr/share/doc/spamassassin/examples"
"""Mail that Debian ships with SpamAssassin."""
FROM = "ext.example"
TO = ("alice@test.example",)


@dataclass(frozen=True)
class Letter:
    """One message and how it comes."""

    name: str
    raw: bytes
    sender: str = ""
    to: tuple[str, ...] = TO
    ip: str = "192.0.2.5"
    host: str = "mail.ext.example"
    helo: str = "mail.ext.example"
    user: str = ""
    """Who logged in."""
    greylist: str = "new"
    """What greylisting knows of client, sender and recipients: ``new``, ``waited`` (long enough), ``auto``
    (has passed before)."""
    unknown: tuple[str, ...] = ()
    """Recipients of whom it does not know that."""
    trusted: bool = False
    """Whether the macro ``{trusted_domain}`` is set."""
    kind: str = ""
    """The heading of the page under which it stands."""


def letters() -> list[Letter]:
    """Return all of them, each name once."""
    kinds = {
        "Ordinary mail": plain(),
        "Spam": spam(),
        "Viruses": viruses(),
        "Forged headers": marked(),
        "Signatures and policies": authenticated(),
        "Senders, recipients, clients": enveloped(),
    }
    return [replace(letter, kind=kind) for kind, made in kinds.items() for letter in made]


def _from(name: str, domain: str = FROM) -> str:
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}@{domain}"


def _letters(made: Iterable[tuple[str, bytes]], greylist: str) -> Iterator[Letter]:
    """Give each a sender of its own, so that what is known of one says nothing about another."""
    for name, raw in made:
        yield Letter(name, raw, _from(name), greylist=greylist)


def _text(subject: str, body: str = "Hello Alice, lunch at noon on Tuesday?\n") -> bytes:
    return message(subject, body).as_bytes()


def _without_mime(raw: bytes) -> bytes:
    """Return a message as they were before MIME; clamd needs to be told that it is one."""
    return re.sub(rb"(MIME-Version|Content-[-\w]+):.*\r\n", b"", raw)


def _head(*lines: bytes) -> bytes:
    """Return a message with these headers in front of the usual ones."""
    return b"".join(line + b"\r\n" for line in lines) + _text("Lunch")


def plain() -> Iterator[Letter]:
    """Ordinary mail in all shapes."""
    folded = b"X-Folded: one\r\n two\r\n\tthree"
    made = {
        "ordinary": _text("Lunch"),
        "no body": _text("Nothing", ""),
        "no headers": b"\r\nOnly a body.\r\n",
        "no headers, no body": b"\r\n",
        "one header": b"Subject: short\r\n\r\nHello.\r\n",
        "no Date": re.sub(rb"Date:.*\r\n", b"", _text("Lunch")),
        "Subject twice": _head(b"Subject: Dinner"),
        "headers without values": _head(b"Comments:", b"X-Empty: "),
        "a header with folds": _head(folded),
        "500 headers": _head(*(b"X-Number-%d: %d" % (n, n) for n in range(500))),
        "a long header": _head(b"X-Long: " + b"word " * 3000),
        "a header in UTF-8": _head(b"X-Note: Gr\xc3\xbc\xc3\x9fe"),
        "8-bit headers and body": b"Subject: Gr\xfcn\r\n\r\nGr\xfc\xdfe, lang und breit\r\n",
        "NUL and control characters": _text("Odd") + b"a\0b\x01c\x1b[2J\r\n",
        "lines of one dot": _text("Dots", ".\n..\n.\n"),
        "a line of 5,000 letters": _text("Long line") + b"x" * 5000 + b"\r\n",
        "text and HTML": with_html("Both", "Lunch at <b>noon</b>?"),
        "messages in messages": nested(b"harmless"),
        "a zip file": attached("Zip", in_zip(b"harmless", "a.txt"), "a.zip"),
        "a boundary that never ends": attached("Open", b"harmless", "a.txt").removesuffix(b"--\r\n"),
        "260 KB": _text("Large", ("0123456789abcdef" * 4 + "\n") * 4000),
        "1 MB": _text("Larger", ("0123456789abcdef" * 4 + "\n") * 16000),
    }
    yield from _letters(made.items(), "auto")


def spam() -> Iterator[Letter]:
    """Mail with SpamAssassin's test line, or of a middling score, and SpamAssassin's own samples."""
    encoded = attached("Encoded", gtube().encode(), "a.txt")
    made = {
        "sample-nonspam.txt": (SAMPLES / "sample-nonspam.txt").read_bytes(),
        "sample-spam.txt": (SAMPLES / "sample-spam.txt").read_bytes(),
        "GTUBE": _text("Buy", gtube() + "\n"),
        "GTUBE in base64": encoded.replace(b"application/octet-stream", b"text/plain"),
        "GTUBE in HTML": with_html("Rich", gtube()),
        "GTUBE in messages in messages": nested(gtube().encode()),
        "GTUBE in the subject": _text(gtube()),
        "8 points": _text("Buy", MIDDLING + "\n"),
    }
    yield from _letters(made.items(), "new")


def viruses() -> Iterator[Letter]:
    """The EICAR file in all wrappings."""
    virus = eicar().encode()
    old = _without_mime(_text("Old", uuencoded(virus, "eicar.com")))
    signature = re.match(rb"DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", RELAXED)
    assert signature is not None
    made = {
        "EICAR": _text("Text", eicar() + "\n"),
        "EICAR attached": attached("Attached", virus, "eicar.com"),
        "EICAR in quoted-printable": quoted("Quoted", virus, "eicar.com"),
        "EICAR in a zip": attached("Zipped", in_zip(virus, "eicar.com"), "eicar.zip"),
        "EICAR in a zip in a zip": attached("Twice", in_zip(in_zip(virus, "eicar.com"), "a.zip"), "b.zip"),
        "EICAR in a tar.gz": attached("Tarred", in_tar(virus, "eicar.com"), "eicar.tar.gz"),
        "EICAR in messages in messages": nested(virus),
        "EICAR in a zip in messages in messages": nested(in_zip(virus, "eicar.com")),
        "EICAR, and a boundary that never ends": attached("Open", virus, "a.com").removesuffix(b"--\r\n"),
        "EICAR in HTML": attached("Page", b"<p>" + virus + b"</p>", "a.html"),
        "EICAR in a file with an odd name": attached("Odd", virus, "gr\u00fcn; rm -rf.com"),
        "EICAR in uuencode": old,
        "EICAR in uuencode, below a signature": signature[0] + old,
        "EICAR without headers": b"\r\n" + virus + b"\r\n",
        "EICAR and GTUBE": _text("All", f"{eicar()}\n{gtube()}\n"),
    }
    yield from _letters(made.items(), "waited")


def marked() -> Iterator[Letter]:
    """Mail that brings along what only the filters should say."""
    spam = (b"X-Spam-Flag: YES", b"X-Spam-Status: No, score=-99", b"X-Spam-Level: *")
    clean = (b"X-Virus-Status: Clean", b"X-Virus-Scanned: by me", b"X-Virus-Status: No")
    passed = b"Authentication-Results: mx.test.example; dkim=pass header.d=bank.example; dmarc=pass"
    made = {
        "X-Spam headers of the sender": _head(*spam),
        "X-Spam headers of the sender, 8 points": b"".join(line + b"\r\n" for line in spam)
        + _text("Buy", MIDDLING + "\n"),
        "other X-Spam headers": _head(b"x-spam-status: No", b"X-Spam-Report: fine", b"X-Spam-Own: yes"),
        "X-Spam-Status twice": _head(b"X-Spam-Status: No", b"X-Spam-Status: No, really"),
        "X-Virus headers of the sender": _head(*clean),
        "X-Virus headers of the sender, EICAR": b"".join(line + b"\r\n" for line in clean)
        + _text("Text", eicar() + "\n"),
        "x-virus-status in small letters": _head(b"x-virus-status: Clean"),
        "our Authentication-Results": _head(passed),
        "our Authentication-Results in capitals": _head(passed.replace(b"mx.test", b"MX.Test")),
        "another's Authentication-Results": _head(passed.replace(b"mx.test", b"mx.other")),
        "our Authentication-Results in quotes": _head(
            passed.replace(b"mx.test.example", b'"mx.test.example"')
        ),
        "our Authentication-Results behind a comment": _head(passed.replace(b"mx.", b"(from) mx.")),
        "our Authentication-Results with a version": _head(
            passed.replace(b"example; dkim", b"example 1; dkim")
        ),
        "our Authentication-Results without results": _head(b"Authentication-Results: mx.test.example"),
        "X-Greylist of the sender": _head(b"X-Greylist: not delayed by anybody"),
    }
    yield from _letters(made.items(), "auto")


AUTHENTICATED = (
    "everything passes",
    "no signature",
    "wrong client",
    "wrong client, signed",
    "wrong client, broken",
    "header changed",
    "relaxed, of a subdomain",
    "relaxed, SPF of a subdomain",
    "relaxed, fails",
    "stranger's signature",
    "policy none",
    "no policy",
    "ed25519",
    "two signatures",
    "one of two is broken",
    "part of the body",
    "no key",
    "SHA-1",
    "two policies",
    "From twice",
)
"""Which of the cases of OpenDKIM and OpenDMARC are put to all filters."""


def authenticated() -> Iterator[Letter]:
    """Mail with good, bad and no signatures, of domains with and without policies."""
    cases = {case.name: case for case in CASES}
    for name in AUTHENTICATED:
        case = cases[name]
        yield Letter(name, case.message, case.sender, ip=case.ip, greylist="auto")


def enveloped() -> Iterator[Letter]:
    """Mail whose envelope matters."""
    raw = _text("Lunch")
    bob = "bob@test.example"
    many = tuple(f"user{number}@test.example" for number in range(20))
    yield Letter("null sender", raw, "", greylist="new")
    yield Letter("null sender that waited", raw, "", ("bounces@test.example",), greylist="waited")
    yield Letter("a sender that greylisting does not know", raw, "new@ext.example")
    yield Letter("{trusted_domain} is yes, SPF passes", raw, "trusted@ext.example", trusted=True)
    yield Letter("{trusted_domain} is yes, SPF fails", raw, "trusted@fails.example", trusted=True)
    yield Letter("20 recipients", raw, "many@ext.example", many, greylist="auto")
    yield Letter(
        "20 recipients, GTUBE", _text("Buy", gtube() + "\n"), "all@ext.example", many, greylist="auto"
    )
    yield Letter(
        "two recipients, one of them new",
        raw,
        "two@ext.example",
        (*TO, bob),
        greylist="waited",
        unknown=(bob,),
    )
    yield Letter("a sender on the black list", raw, "foe@ext.example")
    yield Letter("a sender on the white list", raw, "friend@ext.example")
    yield Letter("a sender in capitals", raw, "SHOUT@EXT.EXAMPLE", greylist="auto")
    yield Letter("a sender with a variable part", raw, "list-1=bob=x.example@ext.example")
    yield Letter("from another network", raw, "ham@ext.example", ip="198.51.100.10")
    yield Letter("a client with IPv6", raw, "six@ext.example", ip="2001:db8::5", host="mx.mech.example")
    yield Letter("a client without a name", raw, "nameless@ext.example", ip="192.0.2.66", host="[192.0.2.66]")
    yield Letter("HELO with an address", raw, "helo@ext.example", helo="[192.0.2.5]")
    yield Letter("null sender, HELO localhost", raw, "", helo="localhost")
    yield Letter("a user who logged in", raw, "user@ext.example", ip="198.51.100.10", user="joe")
    yield Letter("a user who logged in, GTUBE", _text("Buy", gtube() + "\n"), "user2@ext.example", user="joe")
    yield Letter(
        "another client of a known network", raw, "near@ext.example", ip="192.0.2.66", greylist="waited"
    )
