"""Nouns: addresses, and what is derived from macros and arguments."""

from __future__ import annotations

import pytest

from postmill.api import Address, Client, Envelope, Greeting, Head, Header, Message, Sender


@pytest.mark.parametrize(
    ("path", "text", "local", "domain"),
    [
        ("<a@Example.ORG>", "a@Example.ORG", "a", "example.org"),
        ("a@example.org.", "a@example.org.", "a", "example.org"),
        ("<>", "", "", ""),
        ("<postmaster>", "postmaster", "postmaster", ""),
        ('<"x@y"@example.org>', '"x@y"@example.org', '"x@y"', "example.org"),
        ("<@relay.example,@b.example:a@example.org>", "a@example.org", "a", "example.org"),
        (" <a@example.org> ", "a@example.org", "a", "example.org"),
        ("<a(x\\)(y))@(z)example.org>", "a@example.org", "a", "example.org"),
        ("<a @ example.org>", "a@example.org", "a", "example.org"),
        ("<A B <a@example.org>>", "a@example.org", "a", "example.org"),
        ('<"A <b>" <"a (b) <c>"@example.org>>', '"a (b) <c>"@example.org', '"a (b) <c>"', "example.org"),
        ('<"a@example.org>', '"a@example.org', '"a', "example.org"),
    ],
)
def test_addresses(path: str, text: str, local: str, domain: str) -> None:
    address = Address.parse(path)
    assert (address.text, address.local, address.domain, str(address)) == (text, local, domain, text)
    assert Address(text).raw == text.encode()


def test_the_bytes_of_an_address() -> None:
    address = Address.parse(b"<j\xf6@x>")
    assert (address.text, address.raw) == ("j\\xf6@x", b"j\xf6@x")
    address = Address.parse(b" <@b.example:Joe (x) <j@x>> ")
    assert (address.text, address.raw) == ("j@x", b"Joe (x) <j@x>")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("joe@example.org", "joe@example.org"),
        ('"joe"@example.org', "joe@example.org"),
        (r'"j\oe"@example.org', "joe@example.org"),
        (r"j\oe@example.org", "joe@example.org"),
        ('"a"."b"@example.org', "a.b@example.org"),
        (r'"\"\\"@example.org', r'"\@example.org'),
        ('"joe@example.org"', "joe@example.org"),
        ("", ""),
    ],
)
def test_an_address_without_the_quotes(text: str, meant: str) -> None:
    assert Address(text).unquoted == Address(meant)


def sender(arguments: tuple[str, ...] = (), **macros: str) -> Sender:
    return Sender(Greeting(Client("c", None), "c"), Address("a@example.org"), arguments, macros)


def test_who_is_authenticated() -> None:
    assert sender().user is None
    assert sender(auth_type="PLAIN", auth_authen="joe").user == "joe"
    assert sender(auth_type="EXTERNAL", auth_author="jane").user == "jane"
    assert sender(auth_type="EXTERNAL").user == ""
    assert sender(auth_authen="").user is None


def test_the_announced_size() -> None:
    assert sender(("BODY=8BITMIME", "size=1024")).announced_size == 1024
    assert sender(("SIZE=x",)).announced_size is None
    assert sender().announced_size is None


@pytest.mark.parametrize(
    ("name", "known"), [("unknown", False), ("[192.0.2.5]", False), ("", False), ("mx.example", True)]
)
def test_a_client_has_a_name_or_not(name: str, known: bool) -> None:
    assert Client(name, None).has_name is known


def test_a_message_reads_its_body_once_and_knows_its_size() -> None:
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return b"hello\r\n"

    head = Head(Envelope(sender(), ()), (Header("Subject", "hi"), Header("subject ", "ho")))
    message = Message(head, 7, read)
    assert (message.body, message.body, reads) == (b"hello\r\n", b"hello\r\n", [1])
    assert head.all("SUBJECT") == ("hi", "ho")
    assert message.size == len(b"Subject: hi\r\nsubject : ho\r\n\r\nhello\r\n")
