"""The filter as mail meets it: waiting, coming back, being known, and the rules around that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from postmill.api import Reject, Tempfail
from postmill.filters.greylist import app
from postmill.filters.greylist.facts import Facts, sender_of
from postmill.filters.greylist.keeping import exported, imported, submit
from postmill.filters.greylist.texts import package
from postmill.filters.greylist.tuples import Entry, Visit
from postmill.filters.greylist.values import Actions, Config
from postmill.stores.memory import MemoryStore
from postmill.testing.pytest_plugin import Deliverer

TRUST = """\
subnetmatch /24
greylist 10m
autowhite 1w
sm_macro "trusted_domain" "{trusted_domain}" "yes"
racl whitelist sm_macro "trusted_domain" spf pass
racl greylist sm_macro "trusted_domain" not spf pass
racl greylist default
"""
BY = f"by postmill-{package()} (mx.test.example [0.0.0.0]); "
HOST = {"C": {"j": "mx.test.example"}}
SPF = {"example.net": ["v=spf1 ip4:192.0.2.0/24 -all"]}


def rules(text: str, **more: Any) -> dict[str, Any]:
    return {"settings": {"rules": text, **more}, "macros": HOST}


def test_first_again_and_then_known(postmill_deliver: Deliverer) -> None:
    first = postmill_deliver(app, **rules(TRUST))
    (reply,) = first.refused.values()
    assert reply == "451 4.7.1 Greylisting in action, please come back in 00:10:00"
    postmill_deliver.wait(seconds=1)
    near = postmill_deliver(app, **rules(TRUST), ip="192.0.2.77")
    assert list(near.refused.values()) == ["451 4.7.1 Greylisting in action, please come back in 00:09:59"]
    postmill_deliver.wait(minutes=10, seconds=4)
    passed = postmill_deliver(app, **rules(TRUST))
    assert passed.status == "accept"
    assert passed.all("X-Greylist") == (f"Delayed for 00:10:05 {BY}Mon, 05 Jan 2026 12:10:05 +0000 (UTC)",)
    (known,) = postmill_deliver(app, **rules(TRUST)).all("X-Greylist")
    assert known.startswith(f"IP, sender and recipient auto-whitelisted, not delayed {BY}")
    postmill_deliver.wait(days=8)
    assert postmill_deliver(app, **rules(TRUST)).refused


def test_trust_and_spf(postmill_deliver: Deliverer) -> None:
    postmill_deliver.dns.update(SPF)
    trusted = {"settings": {"rules": TRUST}, "macros": {**HOST, "M": {"trusted_domain": "yes"}}}
    (value,) = postmill_deliver(app, **trusted).all("X-Greylist")
    assert value.startswith(f"Sender passed SPF test, ACL 5 matched, not delayed {BY}")
    assert postmill_deliver(app, **trusted, ip="198.51.100.1").refused
    assert postmill_deliver(app, **rules(TRUST)).refused


def test_without_a_word_about_spf_those_that_pass_do_not_wait(postmill_deliver: Deliverer) -> None:
    postmill_deliver.dns.update(SPF)
    (value,) = postmill_deliver(app, **rules("")).all("X-Greylist")
    assert value.startswith("Sender passed SPF test, not delayed by")
    assert postmill_deliver(app, **rules("nospf")).refused


def test_one_recipient_of_two_is_known(postmill_deliver: Deliverer) -> None:
    assert postmill_deliver(app, **rules(TRUST), to=["a@example.org"]).refused
    postmill_deliver.wait(minutes=11)
    both = postmill_deliver(app, **rules(TRUST), to=["a@example.org", "b@example.org"])
    assert list(both.refused) == ["b@example.org"]
    assert both.recipients == ("a@example.org",)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("racl blacklist addr 192.0.2.0/24", Reject("551 5.7.1 Go away!")),
        (
            'racl blacklist from /@EXAMPLE/ code "550" ecode "5.7.2" msg "No %f %i"',
            Reject("550 5.7.2 No joe@example.net 192.0.2.5"),
        ),
        ('racl blacklist default code "451" ecode "4.7.0" msg "later"', Tempfail("451 4.7.0 later")),
        ("quiet\nnospf", Tempfail("451 4.7.1 Greylisting in action, please come back later")),
        (
            'racl greylist default delay 1h msg "%Rh %Rm %Rs %Rt %E"',
            Tempfail("451 4.7.1 1 0 0 3600 00:00:00"),
        ),
        (
            'racl greylist helo "MAIL.example.net" delay 5m',
            Tempfail("451 4.7.1 Greylisting in action, please come back in 00:05:00"),
        ),
        ('racl greylist default code "451" ecode "5.1.1"', Tempfail()),
    ],
)
def test_refusals(postmill_deliver: Deliverer, text: str, verdict: Reject | Tempfail) -> None:
    said = [one for _, one in postmill_deliver(app, **rules(text)).said if one is not None]
    assert said == [verdict]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("racl whitelist domain example.net", "Sender DNS name whitelisted, not delayed by"),
        ("racl whitelist addr 192.0.2.5", "Sender IP whitelisted, not delayed by"),
        (
            "racl whitelist from joe@example.net rcpt /jane/",
            "Sender e-mail whitelisted, Recipient e-mail whitelisted, not",
        ),
        ('racl "mine" whitelist helo /^mail/', "ACL mine matched, not delayed by"),
        ("testmode\nnospf", "Default is to whitelist mail, not delayed by"),
        ("racl whitelist default", "Default is to whitelist mail, not delayed by"),
        ('racl whitelist time "* 12 5 1 1"', "ACL 1 matched, not"),
        ('racl whitelist default report "ok %i"', "ok 192.0.2.5"),
        ("nospf\nracl greylist default delay 0s", "ACL 2 matched, not delayed by"),
        ('racl "mine" continue rcpt /jane/\nracl whitelist helo /./', "ACL mine matched, not"),
        (
            'localaddr 203.0.113.7\nracl whitelist default report "%V"',
            f"postmill-{package()} (mx.test.example [203.0.113.7]); ",
        ),
        (
            'dnsrbl "w" wl.example 127.0.0.0/8\nracl whitelist dnsrbl "w"',
            "Sender IP whitelisted by DNSRBL, not",
        ),
    ],
)
def test_reasons(postmill_deliver: Deliverer, text: str, words: str) -> None:
    postmill_deliver.dns["5.2.0.192.wl.example"] = ["127.0.0.3"]
    (value,) = postmill_deliver(app, **rules(text)).all("X-Greylist")
    assert value.startswith(words)


def test_content(postmill_deliver: Deliverer) -> None:
    text = 'racl whitelist default addheader "X-Who: %f"\ndacl blacklist header /^subject: *HELLO/ msg "no hello"\n'
    assert postmill_deliver(app, **rules(text)).verdict == Reject("551 5.7.1 no hello")
    fine = postmill_deliver(app, **rules(text), headers=["Subject: bye"])
    assert (fine.status, fine.all("X-Who")) == ("accept", ("joe@example.net",))
    assert (
        postmill_deliver(app, **rules('racl whitelist default\ndacl blacklist body "Hello"')).status
        == "reject"
    )
    later = postmill_deliver(app, **rules("nospf\nracl whitelist default\ndacl greylist default"))
    assert later.status == "temporary-failure"


def test_bounces_are_refused_after_their_content(postmill_deliver: Deliverer) -> None:
    bounce = postmill_deliver(app, **rules("delayedreject\nnospf"), sender="")
    assert not bounce.refused
    assert bounce.reply.startswith("451 4.7.1 Greylisting")


def test_users_and_the_host_itself(postmill_deliver: Deliverer) -> None:
    (value,) = postmill_deliver(app, **rules("nospf"), user="joe").all("X-Greylist")
    assert value.startswith("Sender succeeded SMTP AUTH, not delayed by")
    assert postmill_deliver(app, **rules("nospf\nnoauth"), user="joe").refused
    (value,) = postmill_deliver(app, **rules("nospf"), ip=None).all("X-Greylist")
    assert value.startswith("Message not sent from an IPv4 neither IPv6 address, not")


def test_ratelimit_lazyaw_flush_and_report(postmill_deliver: Deliverer) -> None:
    text = 'ratelimit "r" rcpt 2 / 1h\nracl blacklist ratelimit "r"\nracl whitelist default'
    assert [bool(postmill_deliver(app, **rules(text)).refused) for _ in range(3)] == [False, False, True]
    assert postmill_deliver(app, **rules("lazyaw\nnospf")).refused
    postmill_deliver.wait(hours=1)
    assert not postmill_deliver(app, **rules("lazyaw\nnospf")).refused
    other = postmill_deliver(app, **rules("lazyaw\nnospf\nreport delays"), sender="new@example.net")
    assert (other.status, other.all("X-Greylist")) == ("accept", ())
    assert postmill_deliver(
        app, **rules("racl blacklist from /x/ flushaddr\nnospf"), sender="x@example.net"
    ).refused
    assert postmill_deliver(app, **rules("nospf")).refused


def test_a_file_and_settings(postmill_deliver: Deliverer, tmp_path: Path) -> None:
    file = tmp_path / "greylist.conf"
    file.write_text("greylist 7m\nnospf\n")
    said = postmill_deliver(app, settings={"file": str(file), "delay": "1h"})
    assert list(said.refused.values()) == ["451 4.7.1 Greylisting in action, please come back in 00:07:00"]
    listed = postmill_deliver(app, settings={"file": str(file), "whitelist_senders": ["joe@example.net"]})
    assert listed.status == "accept"
    file.write_text("greylist 7x\n")
    with pytest.raises(ValueError, match=r"greylist\.conf:1:10: expected a time"):
        postmill_deliver(app, settings={"file": str(file)})


def test_mailing_lists_have_one_sender() -> None:
    assert sender_of("<bounce-1=joe=example.net@list.example>") == "<example.net@list.example>"
    assert sender_of("<a b@x.example>") == "<a_b@x.example>"


NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Stepping(MemoryStore):
    """Lets others go first between any two calls, and counts who made an entry."""

    made = 0

    async def get(self, key: str) -> bytes | None:
        found = await super().get(key)
        await asyncio.sleep(0)
        return found

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        found = await super().put_new(key, value, lives)
        self.made += found is None
        await asyncio.sleep(0)
        return found


def test_twenty_writers_make_one_entry() -> None:
    facts = Facts(ip_address("192.0.2.5"), "", "", "<a@example.net>", ("<b@example.net>",), NOON)

    async def all_at_once() -> None:
        store = Stepping(NOON.timestamp)
        steps = await asyncio.gather(
            *(submit(store, Config(), facts, "<b@example.net>", Actions()) for _ in range(20))
        )
        assert not any(step.passes for step in steps)
        assert {step.remaining for step in steps} == {Config().delay}
        assert (store.made, len(await exported(store))) == (1, 1)

    asyncio.run(all_at_once())


@pytest.mark.parametrize(
    ("before", "autowhite", "later", "ip", "written"),
    [
        (3600, 3600, 0, "192.0.2.5", False),
        (3600, 3600, 36, "192.0.2.5", False),
        (3600, 3600, 37, "192.0.2.5", True),
        (3600, 3600, 1, "192.0.2.6", True),
        (3600, 3599, 0, "192.0.2.5", True),
        (99, 99, 1, "192.0.2.5", True),
    ],
)
def test_who_is_known_is_written_down_again_now_and_then(
    before: int, autowhite: int, later: int, ip: str, written: bool
) -> None:
    now = 1_700_000_000
    known = Entry("192.0.2.5", "<a@example.net>", "<b@example.net>", now + before, auto=True)
    visit = Visit(ip, known.sender, known.recipient, now + later, 600, autowhite, timeout=432000, longest=600)
    found = visit.meets(known)
    anew = replace(known, ip=ip, until=now + later + autowhite)
    assert (found.auto, found.after) == (True, anew if written else known)


def test_what_was_imported_counts(postmill_deliver: Deliverer) -> None:
    now = int(postmill_deliver.now().timestamp())
    entry = Entry("192.0.2.9", "<joe@example.net>", "<jane@example.org>", now - 5)
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())
    asyncio.run(
        store.put_many(
            imported([entry, Entry("192.0.2.1", "<a@b>", "<c@d>", 1)], Config(subnetmatch=24), now)
        )
    )
    from postmill.api import Store

    (value,) = postmill_deliver(app, **rules(TRUST), ports={Store: store}).all("X-Greylist")
    assert value.startswith("Delayed for 00:10:05 by")


@pytest.mark.parametrize(("text", "name"), [("", "[192.0.2.5]"), ("unbracket\n", "192.0.2.5")])
def test_names_in_brackets(postmill_deliver: Deliverer, text: str, name: str) -> None:
    seen = postmill_deliver(app, **rules(text + 'racl blacklist default msg "%d"'), name="[192.0.2.5]")
    assert list(seen.refused.values()) == [f"551 5.7.1 {name}"]


def test_a_tarpit_lets_pass_who_waits(postmill_deliver: Deliverer) -> None:
    for words in ("Message whitelisted by tarpit 1s, not", "IP, sender and recipient auto-whitelisted, not"):
        (value,) = postmill_deliver(app, **rules("nospf\nracl whitelist tarpit 1s")).all("X-Greylist")
        assert value.startswith(words)


def test_signatures(postmill_deliver: Deliverer) -> None:
    text = 'nospf\nracl whitelist default\ndacl blacklist dkim none msg "unsigned"'
    assert postmill_deliver(app, **rules(text)).verdict == Reject("551 5.7.1 unsigned")
