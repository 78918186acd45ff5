"""The filter dkim-sign: its signatures verify, with dkimpy and with our own verifier; whose mail, which keys."""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import dkim  # type: ignore[import-untyped]
import pytest

from postmill.api.verdicts import Accept
from postmill.daemon.configuration import load_configuration
from postmill.detectors import shelf as detectors
from postmill.filters._dkim import Result, verify
from postmill.filters.dkim_sign import KeyFile as At
from postmill.filters.dkim_sign import Keys, app, read_key
from postmill.testing.conditions import FixedResolver
from postmill.testing.delivery import Delivery, deliver
from postmill.testing.mta import FakeMta
from postmill.testing.plan import SessionPlan
from tests.daemon.running import Daemon
from tests.filters.keys import Key, ed25519, rsa
from tests.stack.manager import table

HEADERS = ("From: Joe <joe@example.net>", "To: jane@example.org", "Subject: hello,\n  you", "Date: today")
NAME = "s1._domainkey.example.net"


def key_file(directory: Path, key: Key, mode: int = 0o600, name: str = "key") -> str:
    path = directory / name
    path.write_bytes(key.private)
    path.chmod(mode)
    return str(path)


def settings(directory: Path, key: Key, **more: Any) -> dict[str, Any]:
    return {"keys": {"example.net": {"selector": "s1", "file": key_file(directory, key)}}, **more}


def signed(delivery: Delivery) -> bytes:
    headers = b"".join(header.raw + b"\r\n" for header in delivery.headers)
    return headers + b"\r\n" + delivery.body


def results(raw: bytes, *keys: Key, name: str = NAME) -> tuple[Result, ...]:
    return asyncio.run(verify(raw, FixedResolver({name: [key.record for key in keys]})))


@pytest.mark.parametrize("key", [rsa(), ed25519()], ids=["rsa", "ed25519"])
@pytest.mark.parametrize("how", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
@pytest.mark.parametrize(
    "body", ["", "Hello.\n", "Hello,  \n\tyou \n\n\n", "x" * 3000 + "\n" + " " * 500 + "\n"]
)
def test_signatures_verify(tmp_path: Path, key: Key, how: str, body: str) -> None:
    delivery = deliver(
        app,
        ip="127.0.0.1",
        headers=HEADERS,
        body=body.replace("\n", "\r\n"),
        settings=settings(tmp_path, key, canonicalization=how),
    )
    raw = signed(delivery)
    (result,) = results(raw, key)
    assert (result.result, result.domain, result.algorithm) == ("pass", "example.net", key.algorithm.decode())
    assert f"c={how};" in delivery.all("DKIM-Signature")[0]
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: key.record.encode())
    (changed,) = results(raw.replace(b"Joe", b"Jim"), key)
    assert changed.result == "fail"


def test_the_signature_stands_first_and_keeps_to_lines(tmp_path: Path) -> None:
    delivery = deliver(app, ip="127.0.0.1", headers=HEADERS, settings=settings(tmp_path, rsa(2048)))
    assert delivery.headers[0].name == "DKIM-Signature"
    assert max(map(len, delivery.headers[0].raw.split(b"\r\n"))) < 80


def test_from_cannot_be_added(tmp_path: Path) -> None:
    delivery = deliver(app, ip="127.0.0.1", headers=HEADERS, settings=settings(tmp_path, rsa()))
    value = "".join(delivery.all("DKIM-Signature")[0].split())
    assert "h=from:to:subject:date:from;" in value
    assert results(b"From: boss@example.net\r\n" + signed(delivery), rsa())[0].result == "fail"


def test_chosen_headers(tmp_path: Path) -> None:
    chosen = settings(tmp_path, rsa(), headers=["from", "Subject", "X-Own"], oversign=["subject"])
    delivery = deliver(app, ip="127.0.0.1", headers=(*HEADERS, "X-Own: 1", "X-Own: 2"), settings=chosen)
    value = "".join(delivery.all("DKIM-Signature")[0].split())
    assert "h=from:subject:x-own:x-own:subject;" in value
    assert results(signed(delivery), rsa())[0].result == "pass"


@pytest.mark.parametrize(
    ("who", "is_signed"),
    [
        ({"ip": "127.0.0.1"}, True),
        ({"ip": None}, True),
        ({"ip": "192.0.2.5"}, False),
        ({"ip": "192.0.2.5", "user": "joe"}, True),
        ({"ip": "198.51.100.9"}, True),
    ],
)
def test_whose_mail(tmp_path: Path, who: dict[str, Any], is_signed: bool) -> None:
    chosen = settings(tmp_path, rsa(), networks=["127.0.0.0/8", "198.51.100.0/24"])
    assert bool(deliver(app, headers=HEADERS, settings=chosen, **who).all("DKIM-Signature")) == is_signed


def test_users_are_not_signed_for_if_so_set(tmp_path: Path) -> None:
    chosen = settings(tmp_path, rsa(), sign_authenticated=False)
    assert not deliver(app, headers=HEADERS, settings=chosen, user="joe").all("DKIM-Signature")


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        ("joe@example.net", "example.net"),
        ("joe@EXAMPLE.net", "example.net"),
        ("joe@mail.example.org", "example.org"),
        ("joe@example.org", ""),
        ("joe@example.com", ""),
        ("joe@mail.example.net", ""),
        ("a@example.com, b@example.net", "example.net"),
        ("not an address", ""),
        ('x (5" disk) <joe@example.net>', "example.net"),
        ("Team: joe@example.net;", "example.net"),
        ("Doe, J <joe@example.net>", "example.net"),
        ("Foo:Bar <joe@example.net>", "example.net"),
        ('"Joe <joe@example.net>', "example.net"),
        ("Foo:Bar <joe@example.net> eve@example.com", ""),
        (", ".join(f"joe@{n}.example.net" for n in range(11)), ""),
    ],
)
def test_whose_key(tmp_path: Path, author: str, domain: str) -> None:
    file = key_file(tmp_path, rsa())
    keys = {"example.net": {"selector": "s1", "file": file}, ".example.org": {"selector": "s2", "file": file}}
    delivery = deliver(app, ip=None, headers=(f"From: {author}",), settings={"keys": keys})
    found = delivery.all("DKIM-Signature")
    assert bool(found) == bool(domain)
    assert not domain or f" d={domain};" in " ".join(found[0].split())


@pytest.mark.parametrize(
    ("author", "words"),
    [
        ("joe@example.net", "signed for example.net by s1"),
        ("joe@example.com", "not signed: no key for example.com"),
        ("joe", "not signed: the From header has no clear address"),
    ],
)
def test_log_says_so(tmp_path: Path, author: str, words: str) -> None:
    verdict = deliver(app, ip=None, headers=(f"From: {author}",), settings=settings(tmp_path, rsa())).verdict
    assert isinstance(verdict, Accept)
    assert verdict.because == words


def test_two_keys_sign_twice(tmp_path: Path) -> None:
    files = [key_file(tmp_path, rsa(), name="rsa"), key_file(tmp_path, ed25519(), name="ed25519")]
    keys = [{"selector": f"s{n}", "file": file} for n, file in enumerate(files, 1)]
    delivery = deliver(app, ip=None, headers=HEADERS, settings={"keys": {"example.net": keys}})
    dns = {"s1._domainkey.example.net": [rsa().record], "s2._domainkey.example.net": [ed25519().record]}
    found = asyncio.run(verify(signed(delivery), FixedResolver(dns)))
    assert [one.result for one in found] == ["pass", "pass"]
    assert {one.algorithm for one in found} == {"rsa-sha256", "ed25519-sha256"}


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o620, 0o601])
def test_keys_that_others_may_have(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match=f"has mode {mode:04o}, open to others: chmod 0600"):
        read_key(At("s1", key_file(tmp_path, rsa(), mode)))


def test_keys_of_a_group(tmp_path: Path) -> None:
    assert read_key(At("s1", key_file(tmp_path, rsa(), 0o640))).algorithm == "rsa-sha256"


def test_key_is_not_shown(tmp_path: Path) -> None:
    key = read_key(At("s1", key_file(tmp_path, ed25519())))
    assert repr(key) == "PrivateKey(selector='s1')"


def test_missing_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_key(At("s1", str(tmp_path / "none")))


def pem(*command: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *command], input=data, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"AAAA",
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        pem("rsa", "-pubout", data=rsa().private),
        pem("rsa", "-aes128", "-passout", "pass:x", data=rsa().private),
        pem("pkcs8", "-topk8", "-passout", "pass:x", data=rsa().private),
        pem("ecparam", "-name", "prime256v1", "-genkey"),
        pem("genpkey", "-algorithm", "ed448"),
        rsa().private[:300] + b"\n-----END RSA PRIVATE KEY-----\n",
        rsa().private.partition(b"\n")[2],
        rsa().private[:400] + rsa(2048).private[400:800] + rsa().private[800:],
    ],
)
def test_no_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="is no private key: RSA or Ed25519 in PEM"):
        read_key(At("s1", key_file(tmp_path, Key(content, "", b""))))


def test_small_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a key of 512 bits, which nobody accepts"):
        read_key(At("s1", key_file(tmp_path, rsa(512))))


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_keys_that_openssl_makes(tmp_path: Path, algorithm: str) -> None:  # PKCS #8
    path = tmp_path / "key"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", algorithm, "-out", str(path)], check=True, capture_output=True
    )
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    path.chmod(0o600)
    public = public[-32:] if algorithm == "ed25519" else public
    record = f"k={algorithm}; p={base64.b64encode(public).decode()}"
    delivery = deliver(
        app,
        ip=None,
        headers=HEADERS,
        settings={"keys": {"example.net": {"selector": "s1", "file": str(path)}}},
    )
    assert results(signed(delivery), Key(b"", record, b""))[0].result == "pass"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        [],
        {"example.net": []},
        {"example.net": "/key"},
        {"example.net": {"selector": "s1"}},
        {"example.net": {"selector": "s 1", "file": "/key"}},
        {"example.net": {"selector": "s1", "file": "key"}},
        {"example.net": {"selector": "s1", "file": "/key", "other": 1}},
        {"no domain": {"selector": "s1", "file": "/key"}},
    ],
)
def test_bad_tables(raw: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # some have no words of their own
        Keys().parse(raw)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Example.NET", "example.net"), (".example.net", ".example.net."), ("bücher.net", "xn--bcher-kva.net")],
)
def test_a_domain_in_two_spellings(one: str, other: str) -> None:
    key = {"selector": "s1", "file": "/key"}
    with pytest.raises(ValueError, match="is there twice, in two spellings"):
        Keys().parse({one: key, other: key})
    assert len(Keys().parse({"example.net": key, ".example.net": key})) == 2


def test_table_is_shown_as_toml() -> None:
    table = Keys().parse({"Example.NET": {"selector": "s1", "file": "/key"}})
    assert Keys().show(table) == '{ "example.net" = [{ selector = "s1", file = "/key" }] }'


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"headers": ["To"]}, "From must be signed"),
        ({"oversign": ["Received"]}, "Received must not be signed"),
    ],
)
def test_headers_that_make_no_signature(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        deliver(app, headers=HEADERS, settings=settings(tmp_path, rsa(), **more))


@pytest.mark.parametrize("how", ["relaxed/simple", "simple/simple"])
def test_long_names_are_not_torn_apart(tmp_path: Path, how: str) -> None:
    domain = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example"
    selector = f"{'s' * 50}.{'t' * 20}"
    keys = {domain: {"selector": selector, "file": key_file(tmp_path, rsa(2048))}}
    long = "X-" + "y" * 100
    chosen = {"keys": keys, "headers": ["From", long], "canonicalization": how}
    delivery = deliver(app, ip=None, headers=(f"From: joe@{domain}", f"{long}: z"), settings=chosen)
    raw = signed(delivery)
    (result,) = results(raw, rsa(2048), name=f"{selector}._domainkey.{domain}")
    assert (result.result, result.domain) == ("pass", domain)
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: rsa(2048).record.encode())


@pytest.mark.slow
def test_keys_are_read_again_on_reload(tmp_path: Path) -> None:
    class Signing(Daemon):
        def write(self) -> None:
            super().write()
            with self.config.open("a") as file:
                file.write(table("[filter]", {"use": "dkim-sign", "settings": settings_of_keys}))

    path = Path(key_file(tmp_path, rsa()))
    settings_of_keys = {"keys": {"example.com": {"selector": "s1", "file": str(path)}}}

    def sender_of(daemon: Daemon) -> str:
        """Send a message, and return whose key has signed it."""
        (report,) = FakeMta(daemon.endpoint).session(SessionPlan()).mails
        raw = b"".join(name + b":" + text + b"\n" for name, text in report.new_headers)
        raw += b"\n" + report.new_body
        names = {"old": rsa(), "new": ed25519()}
        dns = "s1._domainkey.example.com"
        return next(who for who, key in names.items() if results(raw, key, name=dns)[0].result == "pass")

    with Signing() as daemon:
        assert sender_of(daemon) == "old"
        path.write_bytes(ed25519().private)
        assert sender_of(daemon) == "old"
        assert daemon.reload().returncode == 0
        assert sender_of(daemon) == "new"
        path.chmod(0o644)
        refused = daemon.reload()
        assert refused.returncode != 0
        assert "open to others" in refused.stderr
        path.unlink()
        assert daemon.reload().returncode != 0
        assert sender_of(daemon) == "new"


def test_the_page(tmp_path: Path) -> None:
    """Its example loads, once the keys are there, and its commands make such keys."""
    page = (Path(__file__).parents[2] / "docs" / "authentication.md").read_text()
    (block,) = re.findall(r"^```TOML\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    printed = [
        subprocess.run(
            ["bash", "-c", command.replace("/etc/postmill/dkim", str(tmp_path))],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for command in commands
    ]
    (tmp_path / "postmill.toml").write_text(block.replace("/etc/postmill/dkim", str(tmp_path)))
    (found,) = load_configuration(tmp_path / "postmill.toml").settings.filters
    delivery = deliver(app, ip=None, headers=HEADERS, settings=found.settings)
    dns: dict[str, list[str] | OSError] = {"2026._domainkey.example.net": [f"v=DKIM1; k=rsa; p={printed[1]}"]}
    (result,) = asyncio.run(verify(signed(delivery), FixedResolver(dns)))
    assert result.result == "pass"
    both = deliver(app, ip=None, headers=("From: joe@example.org",), settings=found.settings)
    dns = {
        "2026._domainkey.example.org": [f"v=DKIM1; k=rsa; p={printed[1]}"],
        "2026e._domainkey.example.org": [f"v=DKIM1; k=ed25519; p={printed[3]}"],
    }
    assert [one.result for one in asyncio.run(verify(signed(both), FixedResolver(dns)))] == ["pass", "pass"]


def test_it_stands_where_milters_that_sign_do() -> None:
    assert app.order == detectors()["opendkim"].order
