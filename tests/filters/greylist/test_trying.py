"""What a suspicious administrator and a hostile client try: odd addresses, clocks, tarpits, rates, countries."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from postmill.api import Resolver, Store
from postmill.filters.greylist import app
from postmill.filters.greylist.asking import Asking
from postmill.filters.greylist.facts import Facts
from postmill.filters.greylist.keeping import bring, exported
from postmill.filters.greylist.parsing import ConfigError, parse
from postmill.filters.greylist.settings import Settings, config_of
from postmill.filters.greylist.tuples import Entry
from postmill.stores.memory import MemoryStore
from postmill.testing.conditions import FixedResolver
from postmill.testing.pytest_plugin import Deliverer
from tests.filters.greylist.countries import new, old

IN_HALF_AN_HOUR = "451 4.7.1 Greylisting in action, please come back in 00:30:00"


def rules(text: str, **more: Any) -> dict[str, Any]:
    return {"settings": {"rules": "nospf\n" + text, **more}}


def test_blanks_and_control_characters_in_addresses(postmill_deliver: Deliverer) -> None:
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())
    odd = {"sender": '"a\tb c"@x.example', "to": ["a\x01b@y.example"], "ports": {Store: store}}
    assert postmill_deliver(app, **rules('racl greylist default msg "%f %r"'), **odd).refused == {
        "a\x01b@y.example": '451 4.7.1 "a_b_c"@x.example a_b@y.example'
    }
    (entry,) = asyncio.run(exported(store))
    assert (entry.sender, entry.recipient) == ('<"a_b_c"@x.example>', "<a_b@y.example>")


def test_recipients_are_counted_as_they_were_before(postmill_deliver: Deliverer) -> None:
    to = ["a@y.example", "b@y.example", "c@y.example"]
    said = postmill_deliver(app, **rules("racl blacklist rcptcount >= 2\nracl whitelist default"), to=to)
    assert list(said.refused) == to[2:]


WORDS = "word " * 76


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (WORDS, [WORDS]),
        (WORDS + "more and more", [WORDS[:-1], "more and more"]),
        (WORDS[:-5] + "longer", [WORDS[:-6], "longer"]),
        (WORDS + " " * 90, [WORDS[:-1]]),
        (WORDS[:-1] + " " * 90 + WORDS[:-1], [WORDS[:-1], WORDS[:-1]]),
        ("x" * 800, ["x" * 380, "x" * 380, "x" * 40]),
        ("\u20ac" * 200, ["\u20ac" * 126, "\u20ac" * 74]),
    ],
)
def test_long_replies_are_broken_at_blanks(postmill_deliver: Deliverer, text: str, lines: list[str]) -> None:
    said = postmill_deliver(app, **rules(f'racl blacklist default msg "{text}"'))
    (reply,) = said.refused.values()
    assert [line.partition("5.7.1 ")[2] for line in reply.split("\r\n")] == lines


@pytest.mark.parametrize(
    ("actions", "reply"),
    [
        ('code "450" msg "x"', "450 4.7.1 x"),
        ('code "554" msg "x"', "554 5.7.1 x"),
        ('ecode "5.1.1" msg "x %Xe"', "551 5.1.1 x 5.1.1"),
        ('code "450" msg "%Xc %Xe"', "450 4.7.1 450 4.7.1"),
    ],
)
def test_an_enhanced_code_is_of_the_class_of_the_code(
    postmill_deliver: Deliverer, actions: str, reply: str
) -> None:
    said = postmill_deliver(app, **rules("racl blacklist default " + actions))
    assert list(said.refused.values()) == [reply]


def test_a_clock_that_was_put_back_makes_nobody_wait_for_years(postmill_deliver: Deliverer) -> None:
    postmill_deliver.wait(days=4000)
    assert postmill_deliver(app, **rules("")).refused
    postmill_deliver.wait(days=-4000)
    assert list(postmill_deliver(app, **rules("")).refused.values()) == [IN_HALF_AN_HOUR]
    postmill_deliver.wait(minutes=30)
    assert postmill_deliver(app, **rules("")).status == "accept"


def test_the_longest_delay_of_another_rule_still_counts(postmill_deliver: Deliverer) -> None:
    both = 'racl greylist helo "a" delay 2h\nracl greylist default delay 5m'
    assert postmill_deliver(app, **rules(both), helo="a").refused
    (again,) = postmill_deliver(app, **rules(both), helo="b").refused.values()
    assert again.endswith("come back in 02:00:00")


def test_the_tarpit_of_a_greylist_rule_refuses_all_the_same(postmill_deliver: Deliverer) -> None:
    for _ in range(2):
        said = postmill_deliver(app, **rules("racl greylist tarpit 1s"))
        assert list(said.refused.values()) == [IN_HALF_AN_HOUR]


@pytest.mark.parametrize(("seconds", "warned"), [("24s", False), ("25s", True)])
def test_a_tarpit_that_outlasts_the_mta(seconds: str, warned: bool) -> None:
    assert bool(parse(f"racl whitelist tarpit {seconds}").warnings) is warned


def test_rates_of_bytes(postmill_deliver: Deliverer) -> None:
    text = 'ratelimit "r" data 3k / 1h\nracl whitelist default\ndacl blacklist ratelimit "r"'
    statuses = [postmill_deliver(app, **rules(text), body="x" * 1400).status for _ in range(3)]
    assert statuses == ["accept", "accept", "reject"]


def test_a_rate_does_not_begin_anew_at_once(postmill_deliver: Deliverer) -> None:
    text = 'ratelimit "r" rcpt 4 / 1h\nracl blacklist ratelimit "r"\nracl whitelist default'

    def passed() -> int:
        return sum(not postmill_deliver(app, **rules(text)).refused for _ in range(6))

    postmill_deliver.wait(minutes=59)
    assert passed() == 4
    postmill_deliver.wait(minutes=2)
    assert passed() == 0
    postmill_deliver.wait(hours=2)
    assert passed() == 4


def test_only_the_client_itself_is_flushed(postmill_deliver: Deliverer) -> None:
    text = "subnetmatch /24\nracl blacklist from evil@x.example flushaddr"
    known = Entry(
        "192.0.2.5", "<joe@example.net>", "<jane@example.org>", int(postmill_deliver.now().timestamp())
    )
    for ip, status in (("192.0.2.66", "accept"), ("192.0.2.5", "temporary-failure")):
        store = MemoryStore(lambda: postmill_deliver.now().timestamp())
        asyncio.run(bring(store, [known], parse(text), known.until))
        world = {**rules(text), "ports": {Store: store}}
        assert postmill_deliver(app, **world, sender="evil@x.example", ip=ip).refused
        assert postmill_deliver(app, **world).status == status


def test_who_was_known_to_lazyaw_stays_known(postmill_deliver: Deliverer) -> None:
    now = int(postmill_deliver.now().timestamp())
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())
    entry = Entry("192.0.2.5", "<a@x.example>", "<b@y.example>", now + 60, auto=True)
    asyncio.run(bring(store, [entry], parse("lazyaw"), now))
    assert postmill_deliver(app, **rules("lazyaw"), ports={Store: store}).status == "accept"
    assert postmill_deliver(app, **rules("lazyaw"), ports={Store: store}, ip="192.0.2.6").refused


def test_hours_over_midnight_say_how_to_write_them() -> None:
    with pytest.raises(ConfigError, match=re.escape("'22-6' goes backwards: write 22-23,0-6")):
        parse('racl blacklist time "* 22-6 * * *"')


@pytest.mark.parametrize(
    ("hour", "refused"), [(21, False), (22, True), (23, True), (0, True), (6, True), (7, False)]
)
def test_hours_over_midnight(postmill_deliver: Deliverer, hour: int, refused: bool) -> None:
    postmill_deliver.wait(hours=hour + 12)
    text = 'racl blacklist time "* 22-23,0-6 * * *"\nracl whitelist default'
    assert bool(postmill_deliver(app, **rules(text)).refused) is refused


def test_a_log_clause_logs(postmill_deliver: Deliverer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = (
        'racl continue from /<\\(j[^@]*\\)/ log "%g{\\1} from %i" addr 10.0.0.0/8\nracl whitelist rcpt /jane/'
    )
    assert postmill_deliver(app, **rules(text)).status == "accept"
    assert [one.getMessage() for one in caplog.records] == ["joe from 192.0.2.5"]


def test_no_session_waits_for_the_search_of_another() -> None:
    config = config_of(Settings(rules="racl whitelist default\ndacl blacklist body /\\(a*\\)*b/"))
    now = datetime(2026, 1, 5, tzinfo=UTC)
    facts = Facts(
        ip_address("192.0.2.5"), "", "", "<a@x.example>", ("<b@y.example>",), now, body=("a" * 2_000_000,)
    )
    asking = Asking(config, FixedResolver({}), MemoryStore())

    async def both() -> int:
        turns = 0
        search = asyncio.create_task(asking.judge("data", facts))
        await asyncio.sleep(0)
        while not search.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert (await search)[0].verdict == "whitelist"
        return turns

    assert asyncio.run(both()) > 1


COUNTRIES = {"192.0.2.0/25": "AT", "2001:db8::/32": "AU"}
ABROAD = 'geoipdb "{}"\nracl blacklist geoip "AT" msg "%C"\nracl blacklist not geoip "ZZ" msg "%C!"\nracl whitelist default'


@pytest.mark.parametrize(
    ("version", "ip", "said"),
    [
        (6, "192.0.2.5", ["551 5.7.1 AT"]),
        (6, "192.0.2.200", []),
        (6, "2001:db8::1", ["551 5.7.1 AU!"]),
        (6, "2001:db9::1", []),
        (4, "192.0.2.5", ["551 5.7.1 AT"]),
        (4, "2001:db8::1", []),
    ],
)
def test_countries(
    postmill_deliver: Deliverer, tmp_path: Path, version: int, ip: str, said: list[str]
) -> None:
    file = tmp_path / "country.mmdb"
    file.write_bytes(
        new({one: country for one, country in COUNTRIES.items() if version == 6 or "." in one}, version)
    )
    text = ABROAD.format(file) + f'\ngeoipv6db "{file}"'
    assert list(postmill_deliver(app, **rules(text), ip=ip).refused.values()) == said


def test_the_country_in_a_text_of_a_rule_that_does_not_ask_for_it(
    postmill_deliver: Deliverer, tmp_path: Path
) -> None:
    file = tmp_path / "country.mmdb"
    file.write_bytes(new(COUNTRIES))
    for text in ('racl blacklist default msg "from %C"', 'dacl blacklist default msg "from %C"'):
        said = postmill_deliver(app, **rules(f'geoipdb "{file}"\n{text}', test_mode=True))
        assert said.reply == "551 5.7.1 from AT"


def test_databases_that_cannot_be_used_say_why(postmill_deliver: Deliverer, tmp_path: Path) -> None:
    file = tmp_path / "GeoIP.dat"
    with pytest.raises(ValueError, match=re.escape(f"geoipdb {file}: No such file or directory")):
        postmill_deliver(app, **rules(ABROAD.format(file)))
    file.write_bytes(old(COUNTRIES))
    with pytest.raises(ValueError, match=re.escape(f"geoipdb {file}: expected a MaxMind DB (.mmdb)")):
        postmill_deliver(app, **rules(ABROAD.format(file)))
    with pytest.raises(ValueError, match="name a database"):
        postmill_deliver(app, **rules('racl blacklist geoip "AT"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "who passes SPF is not delayed unless nospf is said: needs the Python library pyspf"),
        ("racl whitelist spf pass", "a rule asks for spf: needs the Python library pyspf"),
        ("nospf\ndacl blacklist dkim fail", "a rule asks for dkim: needs the Python library dkimpy"),
        ('nospf\nracl blacklist geoip "AT"', "a rule asks for geoip: needs the Python library maxminddb"),
    ],
)
def test_libraries_that_are_missing_are_missed_at_once(
    text: str, words: str, postmill_deliver: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("spf", "dkim", "maxminddb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=re.escape(words)):
        postmill_deliver(app, settings={"rules": text})
    assert postmill_deliver(app, **rules("")).refused


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_texts_of_a_file_in_an_old_encoding(
    postmill_deliver: Deliverer, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "greylist.conf"
    file.write_text('nospf\nracl blacklist default msg "Gr\xfc\xdfe"\n', encoding=encoding)
    said = postmill_deliver(app, settings={"file": str(file)})
    assert list(said.refused.values()) == ["551 5.7.1 Gr\xfc\xdfe"]


def test_nobody_waits_long_for_each_of_many_lists(postmill_deliver: Deliverer) -> None:
    lists = "".join(f'dnsrbl "{one}" {one}.example 127.0.0.2\n' for one in "abc")
    asked = "".join(f'racl blacklist dnsrbl "{one}"\n' for one in "abc")
    failing = FixedResolver({f"5.2.0.192.{one}.example": TimeoutError("none") for one in "abc"})
    said = postmill_deliver(app, **rules(lists + asked), ports={Resolver: failing})
    assert list(said.refused.values()) == [IN_HALF_AN_HOUR]
    assert [within for _, _, within in failing.asked] == [5.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("own", "status"), [("IPv6:2001:db8::1", "reject"), ("nowhere", "accept"), ("", "accept")]
)
def test_the_address_of_the_host_itself(postmill_deliver: Deliverer, own: str, status: str) -> None:
    postmill_deliver.dns["example.net"] = ["v=spf1 ip6:2001:db8::1 -all"]
    text = "racl blacklist spf self\nracl whitelist default"
    said = postmill_deliver(app, settings={"rules": text}, macros={"C": {"if_addr": own}})
    assert said.status == status


def test_a_store_that_fails_is_a_failure_and_used_again(postmill_deliver: Deliverer) -> None:
    class Away(MemoryStore):
        away = False

        async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
            if self.away:
                raise OSError("away")
            return await super().put_new(key, value, lives)

    store = Away(lambda: postmill_deliver.now().timestamp())
    world = {**rules("racl whitelist from friend@x.example"), "ports": {Store: store}}
    assert postmill_deliver(app, **world).refused
    store.away = True
    with pytest.raises(OSError, match="away"):
        postmill_deliver(app, **world)
    assert postmill_deliver(app, **world, sender="friend@x.example").status == "accept"
    store.away = False
    postmill_deliver.wait(minutes=30)
    assert postmill_deliver(app, **world).status == "accept"


def test_a_rule_that_lets_nobody_be_known_leaves_who_is(postmill_deliver: Deliverer) -> None:
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())
    text = 'nospf\nracl greylist helo "never" autowhite 0s\nracl greylist default\n'

    def refused(helo: str, **more: Any) -> bool:
        world = {"settings": {"rules": text + more.pop("more", "")}, "ports": {Store: store}}
        return bool(postmill_deliver(app, **world, helo=helo, **more).refused)

    for lazy in ("", "lazyaw\n"):
        assert refused("usual", more=lazy, sender=f"{lazy.strip()}@x.example")
        postmill_deliver.wait(minutes=30)
        sender = {"sender": f"{lazy.strip()}@x.example", "more": lazy}
        assert not refused("usual", **sender)
        assert refused("never", **sender)
        assert not refused("usual", **sender)
        postmill_deliver.wait(minutes=30)
        assert not refused("never", **sender)
        assert refused("never", **sender)
        assert not refused("usual", **sender)
        postmill_deliver.wait(days=30)


def test_a_client_that_goes_on_mailing_is_exported(postmill_deliver: Deliverer) -> None:
    store = MemoryStore(lambda: postmill_deliver.now().timestamp())
    world = {"settings": {"rules": "nospf\nlazyaw"}, "ports": {Store: store}}
    assert postmill_deliver(app, **world).refused
    postmill_deliver.wait(minutes=30)
    assert postmill_deliver(app, **world).status == "accept"
    for number in range(4):
        postmill_deliver.wait(hours=20)
        assert postmill_deliver(app, **world, sender=f"{number}@example.net").status == "accept"
        (entry,) = asyncio.run(exported(store))
        until = int(postmill_deliver.now().timestamp()) + 86400
        assert entry == Entry("192.0.2.5", "<joe@example.net>", "<jane@example.org>", until, auto=True)
