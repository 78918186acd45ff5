"""The families of recorded laboratory sessions: three hundred as data, the ones that need more than lines by
hand.

``recorded.jsonl`` holds one scenario in each line; its ``expect`` is what Postfix 3.7 was seen to do in the
laboratory (reply codes, then the events of each filter), so the direct side is checked against it before it
is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from postmill.wire.codes import Protocol
from tests.interop.differential.dialogues import (
    HEADERS,
    MESSAGE,
    ONE_MESSAGE,
    QUIT,
    TWO_MESSAGES,
    ehlo,
    mail,
    message,
    rcpt,
    transaction,
)
from tests.interop.differential.matrix import STRICT
from tests.interop.differential.plays import CONTINUE, add_header, replace_body, reply, rule
from tests.interop.differential.scenario import Child, PostfixSettings, Scenario, Step, from_json

RECORDED = Path(__file__).with_name("recorded.jsonl")
SHORT = PostfixSettings(command_timeout="2s", content_timeout="2s")
LONGER = PostfixSettings(command_timeout="4s", content_timeout="4s")
ROOT = ("-f", "root@example.org", "user1@example.org", "user2@example.org")
PLAIN_TEXT = "Subject: local\r\nTo: user1@example.org\r\n\r\nhi\r\n"


def recorded() -> Iterator[Scenario]:
    """The recorded ones, as they were."""
    for line in RECORDED.read_text().splitlines():
        yield replace(from_json(line), manager=STRICT)


DIFFERENT_ON_PURPOSE = {
    "bad-E-c-extra",
    "bad-M-a-extra",
    "bad-M-c-extra",
    "bad-M-p-extra-then-c",
    "bad-M-two-c",
    "nr-rcpt-reject",
    "bad-E-h-colon",
    "bad-E-h-emptyname",
    "bad-E-h-crlf",
    "edit-leadspc",
    "reply-E-nonul",
    "reply-R-nonul",
    "die-E-after-edit-accept",
    "unknown-discard",
}
"""Recorded sessions that Postmill answers otherwise whatever is configured: see ``documented``."""


def comparable() -> Iterator[Scenario]:
    """All families but those in which Postmill differs on purpose."""
    for scenario in scenarios():
        if scenario.name.partition("+")[0] not in DIFFERENT_ON_PURPOSE:
            yield scenario


def scenarios() -> Iterator[Scenario]:
    """All families: recorded ones, the one-filter ones again with a second filter behind and before, and
    those by hand.
    """
    for scenario in recorded():
        yield scenario
        if len(scenario.children) == 1:
            alone = scenario.children
            yield replace(scenario, name=f"{scenario.name}+after", children=(*alone, Child()), expect=())
            yield replace(scenario, name=f"{scenario.name}+before", children=(Child(), *alone), expect=())
    for make in (_sessions, _submissions, _sizes, _times, _postfix_settings):
        for scenario in make():
            yield replace(scenario, manager=STRICT)


def _two(name: str, client: tuple[Step, ...], first: Child | None = None, **more: object) -> Scenario:
    return replace(Scenario(name, (first or Child(), Child()), client), **more)  # type: ignore[arg-type]


def _sessions() -> Iterator[Scenario]:
    yield _two("connect-disconnect", (("drop",),))
    yield _two("drop-after-mail", (ehlo(), mail(), ("drop",)))
    yield _two("drop-in-data", (ehlo(), mail(), rcpt(), ("half", "Subject: x\r\n\r\nhalf")))
    yield _two("drop-after-message", (ehlo(), *transaction(), ("drop",)))
    yield _two("two-connections", (*TWO_MESSAGES, ("connect",), *ONE_MESSAGE))
    yield _two("no-helo", (*transaction(), QUIT))
    yield _two("rset", (ehlo(), mail(), rcpt(), ("line", "RSET"), *transaction(), ("line", "RSET"), QUIT))
    yield _two("helo-again", (ehlo(), *transaction(), ("line", "HELO again"), *transaction(), QUIT))
    yield _two("helo-inside", (ehlo(), mail(), rcpt(), ehlo("inside"), *transaction(), QUIT))
    yield _two("data-twice", (ehlo(), mail(), ("line", "DATA"), rcpt(), message(), message(), QUIT))
    chunks = (("bdat", MESSAGE[:20]), ("bdat", MESSAGE[20:], "LAST"))
    yield _two("bdat", (ehlo(), mail(args=" BODY=BINARYMIME"), mail(), rcpt(), *chunks, QUIT))
    yield _two(
        "bdat-refused",
        (ehlo(), mail(), rcpt(), *chunks, *transaction(), QUIT),
        Child((rule("T", reply("r"), message=1),)),
    )
    greeting = ("EHLO x", "MAIL FROM:<a@example.com>")
    recipients = ("RCPT TO:<user1@example.org>", "RCPT TO:<user2@example.org>")
    yield _two("pipelining", (("pipeline", *greeting, *recipients), message(), *transaction(), QUIT))
    yield _two("ipv6", ONE_MESSAGE, postfix=PostfixSettings(ipv6=True))
    yield _two("blank-lines", (ehlo(), *transaction("\r\n\r\nbody\r\n"), *transaction(""), QUIT))
    raw = "Subject: \xe4\xff\r\nX:\xfc\r\n\r\n\x01\x80\x00\xff\r\n"
    yield _two("eight-bit", (ehlo(), *transaction(raw), QUIT))


def _submissions() -> Iterator[Scenario]:
    def sent(name: str, children: tuple[Child, ...], args: tuple[str, ...] = ROOT) -> Scenario:
        return Scenario(f"submission-{name}", children, (("sendmail", PLAIN_TEXT, *args),))

    yield sent("plain", (Child(), Child()))
    yield sent("null-sender", (Child(), Child()), ("-f", "", "user1@example.org"))
    edits = rule("E", add_header("X-A", "1"), replace_body("new\r\n"), CONTINUE)
    yield sent("edit", (Child((edits,)), Child()))
    for stage in "CHMRTLNBE":
        for letter in "artd":
            yield sent(f"{letter}-{stage}", (Child((rule(stage, reply(letter), nth=1),)), Child()))
        yield sent(f"second-r-{stage}", (Child(), Child((rule(stage, reply("r"), nth=1),))))


def _sizes() -> Iterator[Scenario]:
    line = "0123456789" * 7 + "\r\n"
    whole = (ehlo(), mail(), rcpt(), ("big", MESSAGE, line, "3000"), *transaction(), QUIT)
    yield _two("big-body", whole)
    yield _two("big-body-edited", whole, Child((rule("E", add_header("X-A", "1"), CONTINUE),)))
    yield _two("big-body-skip", whole, Child((rule("B", reply("s"), nth=1),)))
    yield _two("big-body-skip-second", whole, Child((rule("B", reply("s"), nth=2),)))
    yield _two("big-body-refused", whole, Child((rule("B", reply("r"), nth=2, message=1),)))
    yield _two("big-body-no-reply", whole, Child(protocol=int(Protocol.NR_BODY | Protocol.NR_HDR)))
    new = "x" * 70 + "\r\n"
    parts = tuple(replace_body(new * 900) for _ in range(8))
    yield _two("big-replacement", ONE_MESSAGE, Child((rule("E", *parts, CONTINUE),)))
    yield _two("replacement-1M", ONE_MESSAGE, Child((rule("E", replace_body(new * 14000), CONTINUE),)))
    yield _two("header-100k", ONE_MESSAGE, Child((rule("E", add_header("X-Long", "v" * 100000), CONTINUE),)))
    many = "".join(f"X-H{number}: {number}\r\n" for number in range(300))
    yield _two("many-headers", (ehlo(), *transaction(many + HEADERS), QUIT))
    recipients = tuple(f"r{number}@example.org" for number in range(60))
    yield _two("many-recipients", (ehlo(), *transaction(MESSAGE, "a@example.com", *recipients), QUIT))


def _times() -> Iterator[Scenario]:
    for stage in "CHMRTLNBE":
        hanging = Child((rule(stage, ("mute",), nth=1),))
        yield Scenario(f"hang-{stage}", (hanging, Child()), TWO_MESSAGES, SHORT)
    yield Scenario("hang-O", (Child(negotiate=(("mute",),)), Child()), TWO_MESSAGES, SHORT)
    for action in ("accept", "reject", "quarantine"):
        for stage in "ME":
            hanging = Child((rule(stage, ("mute",), nth=1),), on_error=action)
            yield Scenario(f"hang-{stage}-{action}", (hanging, Child(on_error=action)), TWO_MESSAGES, SHORT)
    for stage in "CMRE":
        waits = (("delay", "1.5"), reply("p")) * 3
        slow = Child((rule(stage, *waits, CONTINUE, nth=1, message=None if stage == "C" else 1),))
        yield Scenario(f"progress-{stage}", (slow, Child()), TWO_MESSAGES, LONGER)
    for stage in "ME":
        bytewise = Child((rule(stage, ("trickle", "0000000163", "0.4"), message=1),))
        yield Scenario(f"trickle-{stage}", (bytewise, Child()), TWO_MESSAGES, LONGER)
    slowly = (("delay", "2.5"), add_header("X-1", "1"), ("delay", "2.5"), CONTINUE)
    slow_edits = Child((rule("E", *slowly, message=1),))
    yield Scenario("edits-slow-E", (slow_edits, Child()), TWO_MESSAGES, LONGER)


def _postfix_settings() -> Iterator[Scenario]:
    def with_main(name: str, *main: tuple[str, str]) -> Scenario:
        return _two(name, TWO_MESSAGES, postfix=PostfixSettings(main=main))

    client = "{client_addr} {client_name} {client_port} {client_ptr} {client_resolve} {client_connections}"
    yield with_main("macros-connect", ("milter_connect_macros", f"j {client} {{daemon_port}} v _"))
    yield with_main(
        "macros-everywhere",
        ("milter_macro_defaults", "foo=bar {if_addr}=192.0.2.99"),
        ("milter_helo_macros", "j foo"),
        ("milter_mail_macros", "i {mail_addr} client_addr {if_addr}"),
        ("milter_rcpt_macros", "{rcpt_addr} {mail_addr} {client_addr}"),
        ("milter_data_macros", ""),
        ("milter_end_of_header_macros", "i foo"),
        ("milter_end_of_data_macros", "i {client_name} foo"),
        ("milter_unknown_command_macros", "j"),
    )
    yield with_main("soft-bounce", ("soft_bounce", "yes"))
    yield with_main("no-delay-reject", ("smtpd_delay_reject", "no"))
    for version in "234":
        yield _two(f"version-{version}", TWO_MESSAGES, postfix=PostfixSettings(protocol=version))
    discarding = Child((rule("T", reply("d"), message=1),))
    phantom = PostfixSettings(phantom=True)
    yield _two("phantom-after-discard", TWO_MESSAGES, discarding, postfix=phantom)
