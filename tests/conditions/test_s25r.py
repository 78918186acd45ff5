"""``s25r``: names of real lines and of real servers, and which rule each of them meets.

The names are in the styles of the providers; the numbers in them are anybody's. Of the servers, some meet a
rule: that is how the rules are, and why there is a whitelist.
"""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip
from postmill.conditions.s25r import RULES, matching_rule, s25r
from postmill.testing.conditions import decide
from postmill.testing.nouns import client

SETTINGS: list[dict[str, Any]] = [
    {},
    {
        "whitelist": [".google.com", "mail-1-2.example.net", "/^mx[0-9-]+\\.example\\.org$/"],
        "blacklist": [".pool.example.net", "/(^|[.-])dyn(amic)?[.-]/"],
        "ipv4_only": False,
    },
]
LISTS = SETTINGS[1]

LINES = """
    2  softbank219001002003.bbtec.net
    1  p1234045-ipngn200605marunouchi.tokyo.ocn.ne.jp
    1  p4c1f-8.tokynt01.ap.so-net.ne.jp
    2  ntkngw304189.kngw.nt.ftth4.ppp.infoweb.ne.jp
    1  121-83-1-2.eonet.ne.jp
    2  KD106154001002.ppp-bb.dion.ne.jp
    1  61-221-10-20.HINET-IP.hinet.net
    1  118-160-1-2.dynamic-ip.hinet.net
    1  c-73-12-34-56.hsd1.ma.comcast.net
    1  pool-71-125-1-2.nycmny.fios.verizon.net
    1  cpe-24-90-1-2.nyc.res.rr.com
    1  172-10-1-2.lightspeed.sntcca.sbcglobal.net
    1  ip68-100-1-2.dc.dc.cox.net
    1  71-34-1-2.ptld.qwest.net
    1  evrtwa1-ar3-4-65-1-2.evrtwa1.dsl-verizon.net
    4  wbar9.chi1-4-11-085-222.dsl-verizon.net
    3  modemcable001.2-80-70.mc.videotron.ca
    4  modemcable001.mc2-80-70.videotron.ca
    1  CPE0050bf-CM001371.cpe.net.cable.rogers.com
    1  bas1-toronto12-1279.dsl.bell.ca
    1  p5DCA1B2C.dip0.t-ipconnect.de
    1  dslb-088-064-001-002.088.064.pools.vodafone-ip.de
    1  ip-37-201-1-2.hsi13.unitymediagroup.de
    1  dsl-084-056-001-002.arcor-ip.net
    1  APuteaux-653-1-2-3.w82-1.abo.wanadoo.fr
    1  lfbn-idf1-1-23-45.w86-1.abo.wanadoo.fr
    1  88-120-1-2.subs.proxad.net
    3  2.1.120.88.rev.sfr.net
    3  host.101.169.23.62.rev.coltfrance.com
    1  host86-130-1-2.range86-130.btcentralplus.com
    1  cpc1-cmbg14-2-0-cust123.5-4.cable.virginm.net
    1  host-79-10-1-2.business.telecomitalia.it
    1  93-40-1-2.ip36.fastwebnet.it
    3  1.red-80-58-1.staticip.rima-tde.net
    3  84.123.1.2.dyn.user.ono.com
    1  83-160-1-2.ip.xs4all.nl
    1  ip5457a1b2.adsl-surfen.hetnet.nl
    3  398pkj.cm.chello.no
    1  h-1-2-123.a1.priv.bahnhof.se
    1  c83-250-1-2.bredband.tele2.se
    1  0x535c1a2b.esnxx3.adsl-dhcp.tele.dk
    1  dsl-hkibng11-54f812-34.dhcp.inet.fi
    1  adsl-1-2.internetdsl.tpnet.pl
    3  83.6.1.2.ipv4.supernova.orange.pl
    3  2.1.168.109.adsl-pool.sx.cn
    1  95-24-1-2.broadband.corbina.ru
    2  ppp91078001002.pppoe.mtu-net.ru
    6  ppp0007.dialup.mtu-net.ru
    3  78.188.1.2.static.ttnet.com.tr
    2  athedsl-123456.home.otenet.gr
    1  bzq-79-180-1-2.red.bezeqint.net
    1  abts-north-dynamic-1-2-3-122.airtelbroadband.in
    3  59.92.1.2.static.bsnl.co.in
    3  2.1.230.218.broad.gz.gd.dynamic.163data.com.cn
    0  node-1ab.pool-101-108.dynamic.totinternet.net
    1  ppp121-44-1-2.lns20.syd7.internode.on.net
    1  60-241-1-2.static.tpgi.com.au
    1  d58-111-1-2.sbr1.nsw.optusnet.com.au
    1  dsl-189-130-1-2.prod-infinitum.com.mx
    1  189-19-1-2.dsl.telesp.net.br
    2  20158001002.user.veloxzone.com.br
    1  190-48-1-2.speedy.com.ar
    3  2.1.25.181.dynamic.fibertel.com.ar
    5  d5.as4.knbh1.il.centurytel.net
    5  c2.line9.dsl.provider.example
    6  dhcp0339.resnet.group.upenn.edu
    6  adsl-1415.camtel.net
    6  vdsl7.provider.example
    6  dialup24.provider.example
    6  xdsl-line3.provider.example
"""
"""Rule and name; end users' lines of about thirty countries. Some (0) slip through the rules."""

SERVERS = """
    0  mail.example.net
    0  mx1.example.net
    0  mx-out-01.example.net
    0  mout.gmx.net
    0  mout.kundenserver.de
    0  fout1.mail.example.com
    0  mailout1.hostsharing.net
    0  bendel.debian.org
    0  english-breakfast.cloud9.net
    0  vger.kernel.org
    0  rn-mailsvcp-ppex-lapp14.apple.com
    0  o1.f.az.sendgrid.net
    0  mail250.atl61.mcsv.net
    0  smtp5.hushmail.com
    0  relay3-d.mail.gandi.net
    0  nmsh2.e.nsc.no
    0  mta.21cn.com
    0  mail.2ndlaw.example
    0  ns1234.ip.example.net
    0  xmail2.example.com
    0  localhost
    0  host.
    0  xn--bcher-kva.example
    1  mail-ed1-f41.google.com
    1  mail-db5eur01on2041.outbound.protection.outlook.com
    1  a8-61.smtp-out.amazonses.com
    1  sonic309-20.consmr.mail.ne1.yahoo.com
    1  66-220-155-145.mail-mail.facebook.com
    2  mxa-00123.pphosted.example.com
    1  1und1.mail.example.co.uk
    3  mail.163.mail.example.com
"""
"""Rule and name; 0 is none. The later ones are servers that the rules take for lines."""


def table(text: str) -> list[tuple[str, int]]:
    return [(name, int(rule)) for rule, name in map(str.split, text.strip().splitlines())]


@pytest.mark.parametrize(("name", "rule"), table(LINES) + table(SERVERS))
def test_which_rule_a_name_meets(name: str, rule: int) -> None:
    answer = decide(s25r, client(name=name))
    shown = name.lower().removesuffix(".")
    if rule:
        assert answer == Apply(f"{shown} looks like an end user's line (S25R rule {rule})")
    else:
        assert answer == Skip(f"{shown} looks like a server (no rule of S25R)")


def test_the_tables_are_large_and_have_each_rule() -> None:
    names = dict(table(LINES) + table(SERVERS))
    assert len(names) >= 60
    assert {rule for _, rule in table(LINES)} == set(range(len(RULES) + 1))


@pytest.mark.parametrize("name", ["unknown", "[192.0.2.5]", ""])
def test_a_client_without_a_name(name: str) -> None:
    assert decide(s25r, client(name=name)) == Apply(
        "the client 192.0.2.5 has no name that leads back to it (S25R rule 0)"
    )


def test_ipv6_is_left_out_by_default() -> None:
    for name in ("unknown", "line-1-2.example.net"):
        assert decide(s25r, client("2001:db8::1", name)) == Skip(
            "2001:db8::1 is an IPv6 address, and only IPv4 is looked at (ipv4_only)"
        )
        assert isinstance(decide(s25r, client("2001:db8::1", name), ipv4_only=False), Apply)


def test_a_submission_on_the_host_is_left_out() -> None:
    assert isinstance(decide(s25r, client(None, "")), Skip)
    assert isinstance(decide(s25r, client(None, "localhost")), Skip)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("mail-ed1-f41.google.com", Skip("mail-ed1-f41.google.com is in the whitelist (.google.com)")),
        ("MAIL-1-2.Example.net", Skip("mail-1-2.example.net is in the whitelist (mail-1-2.example.net)")),
        (
            "mx-1-2.example.org",
            Skip("mx-1-2.example.org is in the whitelist (/^mx[0-9-]+\\.example\\.org$/)"),
        ),
        ("x.mx-1-2.example.org", Skip("x.mx-1-2.example.org looks like a server (no rule of S25R)")),
        ("a.pool.example.net", Apply("a.pool.example.net is in the blacklist (.pool.example.net)")),
        ("a.dyn.example.net", Apply("a.dyn.example.net is in the blacklist (/(^|[.-])dyn(amic)?[.-]/)")),
        ("dyn.google.com", Skip("dyn.google.com is in the whitelist (.google.com)")),
    ],
)
def test_lists_come_before_the_rules_and_the_whitelist_first(name: str, answer: Apply | Skip) -> None:
    assert decide(s25r, client(name=name), **LISTS) == answer


@pytest.mark.parametrize(
    ("number", "meets", "just_not"),
    [
        (1, "a1b2.example", "a12.example"),
        (1, "1-2.example", "1-2"),  # a dot must follow
        (2, "a12345.example", "a1234.example"),
        (2, "12345", "a.12345x"),
        (3, "1a.b.c.example", "1a.b.example"),
        (3, "x.1a.b.c.example", "x.1a.b.example"),
        (3, "1a.b.c.d.1", "1a.b.c.1"),  # not numbers alone
        (3, "x.1a.b.c.d", "x.y.1a.b.c.d"),
        (4, "a1.b2-3.example", "a1.b2-c3.example"),
        (4, "a1.2-3.example", "a.2-3.example"),
        (5, "a1.b2.c.d.example", "a1.b2.c.example"),
        (5, "a1.b2.c.d.example", "a1.b2x.c.d.example"),
        (6, "dhcp-x1.example", "dhcp-x.1example"),
        (6, "sdsl1.example", "ydsl1.example"),
        (6, "ppp1", "1ppp"),
    ],
)
def test_the_edge_of_each_rule(number: int, meets: str, just_not: str) -> None:
    rule = RULES[number - 1]
    assert rule(meets.split("."))
    assert not rule(just_not.split("."))


def test_the_first_rule_that_is_met_is_named() -> None:
    assert matching_rule("adsl-1-23456.2x.b.c.example") == 1
    assert matching_rule("adsl-23456.2x.b.c.example") == 2
