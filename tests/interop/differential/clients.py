"""STARTTLS and AUTH, and real mail tools as clients: the recorded families ``starttls-auth``, ``swaks`` and
``smtp-source`` (protocol §5.2, §6.1).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from tests.interop.differential.dialogues import (
    HEADERS,
    MESSAGE,
    QUIT,
    ehlo,
    mail,
    message,
    rcpt,
    transaction,
)
from tests.interop.differential.matrix import EVERYTHING_AS_POSTFIX, STRICT
from tests.interop.differential.plays import CONTINUE, add_header, change_header, reply, rule
from tests.interop.differential.scenario import Child, ManagerSettings, PostfixSettings, Scenario, Step
from tests.interop.differential.secured import PASSWORD, USER

SECURE = PostfixSettings(secure=True)
FAST = ManagerSettings("parallel", pipeline=True, same_as_postfix=EVERYTHING_AS_POSTFIX)
POOLED = replace(STRICT, pool=True)

STARTTLS: Step = ("starttls",)
STARTTLS_AS_ONE_KNOWN: Step = ("starttls", "certificate")
ALL_OF_IT = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {auth_type} {auth_authen} {auth_author}"
EVERYWHERE = tuple((stage, f"i {ALL_OF_IT}") for stage in range(7))
"""Lists for each stage: what TLS and AUTH make known, and when."""


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def auth(password: str = PASSWORD) -> Step:
    """AUTH PLAIN (RFC 4616) as the user that Dovecot knows."""
    return ("line", "AUTH PLAIN " + _base64(f"\0{USER}\0{password}"))


LOGIN: tuple[Step, ...] = (
    ("line", "AUTH LOGIN"),
    ("line", _base64(USER)),
    ("line", _base64(PASSWORD)),
)
RECORDED = (
    ehlo("tls.example"),
    STARTTLS,
    ehlo("tls.example"),
    auth(),
    mail(USER, " AUTH=<>"),
    rcpt(),
    message(),
    QUIT,
)


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield from recorded()
    yield from starttls_auth()
    yield from swaks()
    yield from smtp_source()


ADDRESSES = ("--from", "a@example.com", "--to", "user1@example.org", "--helo", "swaks.example")
ENVELOPE = ("-f", "a@example.com", "-t", "user1@example.org", "-M", "vm")


def recorded() -> Iterator[Scenario]:
    """The recorded sessions, with what was seen in the laboratory."""
    alone = (Child(),)
    seen = ("220 250 220 250 235 250 250 354 250 221", "1:OCHAHMRTLLLLLNBEAAQ")
    yield Scenario("starttls-auth", alone, RECORDED, SECURE, STRICT, seen)
    once = "1:OCHMRTLLLLNBEAAQ"
    thrice = ("smtp-source", *ENVELOPE, "-m", "3")
    yield Scenario("smtp-source", alone, (thrice,), SECURE, STRICT, ("0", once, once, once))
    with_tls = ("swaks", *ADDRESSES, "--tls")
    yield Scenario("swaks", alone, (with_tls,), SECURE, STRICT, ("0", "1:OCHAHMRTLLLLLLNBEAAQ"))


# ---------------------------------------------------------------- STARTTLS and AUTH


def starttls_auth() -> Iterator[Scenario]:
    """The client by hand: each dialogue with each set of filters."""
    filters: dict[str, tuple[Child, ...]] = {
        "1": (Child(),),
        "3": (Child(), Child(), Child()),
        "lists": (
            Child(symlists=EVERYWHERE),
            Child(symlists=((1, "{cipher}"), (2, "{auth_authen} {cipher}"))),
        ),
        "edit": (
            Child((rule("E", add_header("X-A", "1"), change_header(1, "Subject", "new"), CONTINUE),)),
            Child(),
        ),
    }
    for (name, client), (kind, children) in product(_dialogues().items(), filters.items()):
        yield Scenario(f"starttls-{name}-{kind}", children, client, SECURE, STRICT)
    for stage, letter, place in product("CHMRTE", "art", (0, 1)):
        decider = Child((rule(stage, reply(letter), nth=2 if stage == "H" else 1),))
        children = (decider, Child()) if place == 0 else (Child(), decider)
        client = (*RECORDED[:-1], *transaction(MESSAGE, "b@example.com"), QUIT)
        yield Scenario(f"starttls-{stage}-{letter}-{place + 1}", children, client, SECURE, STRICT)
    for name, manager in (("fast", FAST), ("pool", POOLED)):
        again = (*RECORDED, ("connect",), *RECORDED)
        yield Scenario(f"starttls-{name}", filters["lists"] + filters["1"], again, SECURE, manager)


def _dialogues() -> dict[str, tuple[Step, ...]]:
    start = (ehlo(), STARTTLS, ehlo())
    return {
        "recorded": RECORDED,
        "only": (*start, *transaction(), QUIT),
        "no-helo-again": (ehlo(), STARTTLS, *transaction(), QUIT),
        "certificate": (ehlo(), STARTTLS_AS_ONE_KNOWN, ehlo(), *transaction(HEADERS), QUIT),
        "auth-plain": (ehlo(), auth(), *transaction(), *transaction(MESSAGE, "b@example.com"), QUIT),
        "auth-login": (*start, *LOGIN, *transaction(), QUIT),
        "auth-wrong": (*start, auth("wrong"), *transaction(), auth(), *transaction(), QUIT),
        "auth-given-up": (*start, LOGIN[0], ("line", "*"), *transaction(), QUIT),
        "after-a-message": (ehlo(), *transaction(), STARTTLS, ehlo(), auth(), *transaction(), QUIT),
        "helo-later": (*start, auth(), mail(), ehlo("later"), *transaction(), QUIT),
        "dropped": (*start, auth(), mail(), rcpt(), ("half", MESSAGE)),
    }


# ---------------------------------------------------------------- swaks


WHO = ("--auth-user", USER, "--auth-password", PASSWORD)


def swaks() -> Iterator[Scenario]:
    """swaks with its own headers and body, with and without TLS."""
    calls = {
        "plain": (),
        "tls": ("--tls",),
        "tls-certificate": ("--tls", "--tls-cert", "{certificate}", "--tls-key", "{key}"),
        "auth": ("--auth", "PLAIN", *WHO),
        "tls-auth": ("--tls", "--auth", "LOGIN", *WHO),
        "auth-wrong": ("--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong"),
        "helo": ("--protocol", "SMTP"),
        "pipeline": ("--pipeline", "--to", "user1@example.org,user2@example.org,nosuch@example.org"),
        "quit-after-rcpt": ("--quit-after", "RCPT"),
        "drop-after-data": ("--drop-after", "DATA"),
        "headers": ("--header", "X-A: one", "--h-Subject", "new", "--body", "line\n.dot\n"),
        "xclient": ("--xclient-addr", "192.0.2.9", "--xclient-name", "client.example"),
    }
    refuser = Child((rule("R", reply("y", "550 5.7.1 not this one\0"), containing="user1"),))
    editor = Child((rule("E", add_header("X-A", "1"), change_header(1, "X-Mailer", ""), CONTINUE),))
    for name, args in calls.items():
        for kind, children in (("", (Child(), Child())), ("-edited", (editor, Child(symlists=EVERYWHERE)))):
            yield _tool(f"swaks-{name}{kind}", children, ("swaks", *ADDRESSES, *args))
    for name in ("plain", "tls-auth", "pipeline"):
        yield _tool(f"swaks-{name}-refused", (Child(), refuser), ("swaks", *ADDRESSES, *calls[name]))
        yield _tool(f"swaks-{name}-fast", (editor, Child()), ("swaks", *ADDRESSES, *calls[name]), FAST)


# ---------------------------------------------------------------- smtp-source


def smtp_source() -> Iterator[Scenario]:
    """smtp-source: one message after another, and many sessions side by side."""
    calls = {
        "recorded": ("-m", "3"),
        "several-in-one": ("-d", "-m", "4"),
        "recipients": ("-r", "5", "-m", "2"),
        "long": ("-l", "200000"),
        "side-by-side": ("-s", "5", "-m", "20"),
        "side-by-side-in-one": ("-d", "-s", "4", "-m", "16", "-l", "70000"),
    }
    editor = Child((rule("E", add_header("X-A", "1"), change_header(1, "Message-Id", "new"), CONTINUE),))
    refuser = Child((rule("E", reply("t")),))
    managers = {"": STRICT, "-fast": FAST, "-pool": POOLED}
    for (name, args), (kind, manager) in product(calls.items(), managers.items()):
        step = ("smtp-source", *ENVELOPE, *args)
        yield _tool(f"smtp-source-{name}{kind}", (editor, Child()), step, manager)
    yield _tool("smtp-source-refused", (Child(), refuser), ("smtp-source", *ENVELOPE, "-m", "2"))


def _tool(name: str, children: tuple[Child, ...], step: Step, manager: ManagerSettings = STRICT) -> Scenario:
    return Scenario(name, children, (step,), SECURE, manager)
