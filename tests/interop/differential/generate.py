"""Random scenarios from a seed: `scenario` always returns the same one for the same seed and number.

The choices are weighted so that most messages get through most filters: a scenario whose first filter refuses
the connection teaches nothing about the others.  Only faults that show at once are drawn (hanging filters:
`families`), and neither ACCEPT nor DISCARD in
answer to UNKNOWN, which crash smtpd outside a transaction (protocol §6.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from postmill.wire.codes import ALL_ACTIONS, VERSION, Protocol
from tests.interop.differential import plays
from tests.interop.differential.dialogues import HEADERS, MESSAGE, QUIT, ehlo, mail, message, rcpt
from tests.interop.differential.matrix import EVERYTHING_AS_POSTFIX
from tests.interop.differential.permitted import is_content_edit, may_fail
from tests.interop.differential.plays import CONTINUE, rule, verdict
from tests.interop.differential.scenario import (
    Child,
    ChildRule,
    ManagerSettings,
    PostfixSettings,
    Scenario,
    Step,
)

MANAGERS = {
    ManagerSettings(): 6,
    ManagerSettings(pipeline=True): 4,
    ManagerSettings("parallel"): 3,
    ManagerSettings("parallel", pipeline=True): 3,
    ManagerSettings("parallel", content="parallel", pipeline=True): 2,
    ManagerSettings(content="parallel"): 1,
    ManagerSettings(pool=True): 1,
    ManagerSettings("parallel", pipeline=True, pool=True): 2,
}
"""How Postmill is set, and how often."""
FLAGS = [flag for flag in Protocol if flag.value < 0x200000]
NAMES = ("X-A", "x-a", "Subject", "Received", "To", "X-New", "X-Folded")
VALUES = ("value", "", " blank first", "two\n lines", "two\nlines", "8bit \xe4", "v" * 300, "trailing ")
BODIES = ("new body\r\n", "", "no end", "bare\nlines\n", ".\r\n", "cr\rcr\r\n", "z" * 90000)
RECIPIENTS = (
    "user1@example.org",
    "user2@example.org",
    "nosuch@example.org",
    "blocked@example.org",
    "u@[192.0.2.1]",
)
ADDRESSES = ("<added@example.org>", "user1@example.org", "<user2@example.org>", "<>", "")
MACROS = (
    "i",
    "j",
    "{i}",
    "{mail_addr}",
    "rcpt_addr",
    "{rcpt_addr}",
    "{client_addr}",
    "v",
    "_",
    "{nothing}",
    "{auth_type}",
)
NOISE: tuple[Step, ...] = (
    ("line", "NOOP"),
    ("line", "RSET"),
    ("line", "VRFY user1@example.org"),
    ("line", "XYZZY one two"),
    ("line", "HELP"),
    ("line", "HELO again"),
    ("line", "EHLO again"),
    ("message", MESSAGE),
    ("line", "MAIL FROM:<nested@example.com>"),
    ("line", "RCPT TO:<bad syntax"),
)
VERDICTS = (
    "c",
    "a",
    "r",
    "t",
    "d",
    "s",
    "p+c",
    "y550 5.7.1 no",
    "y450 4.7.1 later",
    "y550-5.7.1 a\r\n550 5.7.1 b",
)
WEIGHTS = (6, 4, 3, 2, 2, 4, 3, 2, 2, 1)
SEVERE = ("y421 4.7.0 gone", "4")


def scenarios(seed: int, count: int, start: int = 0) -> Iterator[Scenario]:
    """``count`` scenarios of this seed."""
    for number in range(start, start + count):
        yield scenario(seed, number)


def scenario(seed: int, number: int) -> Scenario:
    """The ``number``-th scenario of this seed."""
    random = Random(f"{seed}/{number}")
    manager = random.choices(tuple(MANAGERS), tuple(MANAGERS.values()))[0]
    on_error = random.choice(("tempfail", "tempfail", "accept", "reject"))
    count = random.choice((1, 2, 2, 3, 3))
    children = _settled(tuple(_child(random, _uncounted(manager), on_error) for _ in range(count)))
    if manager.content == "parallel":
        children = (*map(_without_content_edits, children[:-1]), children[-1])
    if manager.pool:
        children = tuple(map(_without_faults_at_connect, children))
    client = _client(random)
    if manager.pool:
        client += (("connect",), *_client(random))
    return Scenario(
        f"random-{seed}-{number}",
        children,
        client,
        _settings(random),
        replace(manager, same_as_postfix=EVERYTHING_AS_POSTFIX),
    )


def _uncounted(manager: ManagerSettings) -> bool:
    """Whether a filter may hear more than it would in turn: its rules must not depend on what it heard before."""
    return manager.pipeline or "parallel" in (manager.ask, manager.content)


def _settled(children: tuple[Child, ...]) -> tuple[Child, ...]:
    """Let only one child refuse the connection, and no child before it say more than continue to MAIL or UNKNOWN.

    Postfix repeats the refusal of a manager's connection by itself; where the refusals of several children would
    compete, one connection cannot do what many do (protocol §9.10).  Nor can it ask anybody about UNKNOWN in a
    transaction that somebody discards, nor show a failure at a command that no filter wants to be told of.
    """
    if any(rule.at in "MRT" and plays.reply("d") in rule.do for child in children for rule in child.rules):
        children = tuple(_without(child, "U") for child in children)
    if any(may_fail(child) and child.on_error != "accept" for child in children):
        children = (_told_of_all(children[0]), *children[1:])
    result: list[Child] = []
    for child in children:
        if any(_refuses_connection(rule) for rule in child.rules):
            result = [_without(earlier, "MU") for earlier in result]
            later = [_without(other, "CH") for other in children[len(result) + 1 :]]
            return (*result, child, *later)
        result.append(child)
    return children


def _without_content_edits(child: Child) -> Child:
    """What an independent filter edits, those behind it do not see."""
    kept = ((rule, tuple(step for step in rule.do if not is_content_edit(step))) for rule in child.rules)
    return replace(child, rules=tuple(replace(rule, do=steps) for rule, steps in kept if steps))


def _without_faults_at_connect(child: Child) -> Child:
    """A kept link that breaks at CONNECT is taken for one that broke before."""
    return _without(child, "C") if any(rule.at == "C" for rule in child.rules) and may_fail(child) else child


def _told_of_all(child: Child) -> Child:
    silent = Protocol.NOHELO | Protocol.NOMAIL | Protocol.NORCPT | Protocol.NODATA
    return replace(child, version=VERSION, protocol=child.protocol & ~int(silent))


def _refuses_connection(rule: ChildRule) -> bool:
    return rule.at in ("C", "H") and rule.do[-1][:2] not in {("reply", letter) for letter in "casd"}


def _without(child: Child, stages: str) -> Child:
    return replace(child, rules=tuple(rule for rule in child.rules if rule.at not in stages))


def _settings(random: Random) -> PostfixSettings:
    draw = random.random()
    if draw < 0.06:
        return PostfixSettings(protocol=random.choice("24"))
    return PostfixSettings(delay_open=draw < 0.94)


def _child(random: Random, uncounted: bool, on_error: str) -> Child:
    protocol = 0
    if random.random() < 0.5:
        for flag in random.sample(FLAGS, random.randint(1, 4)):
            protocol |= int(flag)
    version = random.choice((6,) * 12 + (2, 3, 4))
    rules = tuple(_rule(random, uncounted) for _ in range(random.choice((0, 1, 1, 2, 3))))
    symlists = _symlists(random) if random.random() < 0.25 else ()
    edits_at_all = any(rule.at == "E" for rule in rules)
    return Child(
        rules,
        version=version,
        actions=ALL_ACTIONS if edits_at_all or random.random() < 0.5 else random.choice((0, 0x11)),
        protocol=protocol,
        symlists=symlists,
        on_error=on_error,
    )


def _symlists(random: Random) -> tuple[tuple[int, str], ...]:
    stages = random.sample(range(7), random.randint(1, 4))
    return tuple((stage, " ".join(random.sample(MACROS, random.randint(0, 4)))) for stage in stages)


def _rule(random: Random, uncounted: bool) -> ChildRule:
    """One rule.

    Uncounted ones do not depend on what the filter heard before: if asked in parallel or in bursts it may hear more.
    """
    stage = random.choice("CHMMRRTLNBUEEEEEE")
    nth = None if uncounted else random.choice((None, 1, 1, 2))
    number = None if uncounted or stage in "CHU" else random.choice((None, None, 1, 2))
    containing = random.choice((None, "user2", "b@")) if stage in "MR" else None
    return rule(stage, *_deed(random, stage), nth=nth, message=number, containing=containing)


def _deed(random: Random, stage: str) -> tuple[Step, ...]:
    draw = random.random()
    if draw < 0.05:
        return random.choice(((("close",),), (plays.reply("Z"),), (("raw", "00000000"),)))
    if draw < 0.08:
        return verdict(random.choice(SEVERE))
    if stage != "E":
        word = random.choices(VERDICTS, WEIGHTS)[0]
        return verdict("c" if stage == "U" and word in "ad" else word)
    edits = tuple(_edit(random) for _ in range(random.choice((0, 1, 1, 2, 3, 5))))
    last = (CONTINUE,) if random.random() < 0.75 else verdict(random.choice((*VERDICTS, "q+c", "q+a", "q+r")))
    body = (plays.replace_body(random.choice(BODIES)),) if random.random() < 0.3 else ()
    return (*edits, *body, *last)


def _edit(random: Random) -> Step:
    name, value = random.choice(NAMES), random.choice(VALUES)
    index = random.choice((0, 0, 1, 1, 2, 3, 7, 99))
    address = random.choice(ADDRESSES)
    kinds = (
        plays.add_header(name, value),
        plays.insert_header(index, name, value),
        plays.change_header(index, name, value),
        plays.change_header(index, name, ""),
        plays.add_rcpt(address),
        plays.del_rcpt(address),
        plays.add_rcpt_par("<par@example.org>", random.choice(("", "NOTIFY=NEVER"))),
        plays.change_from(random.choice(("<new@example.com>", "<>", "")), random.choice((None, "RET=HDRS"))),
    )
    return random.choices(kinds, (3, 4, 4, 3, 1, 1, 1, 1))[0]


def _client(random: Random) -> tuple[Step, ...]:
    steps: list[Step] = []
    if random.random() < 0.05:
        steps.append(("line", "XCLIENT NAME=client.example ADDR=192.0.2.9 HELO=x.example"))
    steps += random.choice(((ehlo(),), (ehlo(),), (("line", "HELO client.example.com"),), ()))
    for _ in range(random.choice((1, 1, 2, 2, 3))):
        steps += _transaction(random)
    return (*steps, random.choice((QUIT, QUIT, QUIT, ("drop",))))


def _transaction(random: Random) -> Iterator[Step]:
    yield from _noise(random)
    sender = random.choice(("a@example.com", "b@example.com", ""))
    yield mail(sender, random.choice(("", "", " BODY=8BITMIME", " SIZE=500", " RET=FULL")))
    yield from _noise(random)
    for recipient in random.sample(RECIPIENTS, random.choice((1, 1, 2, 3))):
        yield rcpt(recipient, random.choice(("", "", " NOTIFY=NEVER")))
        yield from _noise(random)
    yield _content(random)


def _noise(random: Random) -> Iterator[Step]:
    if random.random() < 0.08:
        yield random.choice(NOISE)


def _content(random: Random) -> Step:
    draw = random.random()
    if draw < 0.3:
        return message(MESSAGE)
    if draw < 0.5:
        return message(HEADERS)
    if draw < 0.53:
        return ("big", MESSAGE, "0123456789" * 6 + "\r\n", str(random.choice((1100, 2300))))
    if draw < 0.56:
        return ("bdat", MESSAGE, "LAST")
    if draw < 0.58:
        return ("half", MESSAGE)
    return message(_text(random))


def _text(random: Random) -> str:
    lines = []
    for _ in range(random.randint(0, 8)):
        value = random.choice(VALUES).replace("\nl", "\n l").replace("\n", "\r\n")
        lines.append(f"{random.choice(NAMES)}:{random.choice(('', ' ', '  '))}{value}\r\n")
    lines.append(MESSAGE.partition("\r\n\r\n")[0] + "\r\n\r\n")
    for _ in range(random.randint(0, 5)):
        lines.append(random.choice(("text", ".", "..", "", "\xe4\x00", "x" * 900, "From here")) + "\r\n")
    return "".join(lines)
