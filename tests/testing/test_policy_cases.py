"""Cases for a policy: what they find right and wrong, and the words for mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmill.api import Applies, Apply, Client, Clock, Condition, Load, Resolver, Sender, Skip, condition
from postmill.api.conditions import Use
from postmill.chain.child import ChildSpec
from postmill.chain.state import Plan
from postmill.config import ConfigErrors
from postmill.errors import ConfigError
from postmill.testing.policy_cases import load_cases
from postmill.testing.policy_playing import Result, play_case


@condition("listed")
async def listed(client: Client, resolver: Resolver) -> Applies:
    found = await resolver.addresses(f"{client.ip}.bl.example")
    return Apply("listed") if found else Skip(f"{client.ip} is not listed")


@condition("by-day")
def by_day(sender: Sender, clock: Clock, load: Load) -> Applies:
    if clock.now().hour < 8:
        return Skip("at night")
    return Skip("busy") if load.sessions > 50 else Apply("by day")


@condition("stranger")
def stranger(sender: Sender) -> Applies:
    return Skip(f"{sender.user} logged in") if sender.user else Apply()


def uses(*conditions: Condition) -> tuple[Use, ...]:
    return tuple(Use(one.name, one) for one in conditions)


PLAN = Plan(
    (
        ChildSpec("greylist", when=uses(listed, stranger)),
        ChildSpec("spam", when=uses(by_day)),
        ChildSpec("virus"),
    )
)
DAY = "now = 2026-11-26T12:00:00+01:00\n"


def play(tmp_path: Path, text: str) -> list[Result]:
    file = tmp_path / "cases.toml"
    file.write_text(text)
    return [play_case(PLAN, placed) for placed in load_cases(file)]


def complaints(tmp_path: Path, text: str) -> tuple[str, ...]:
    return play(tmp_path, '[[case]]\nname = "x"\n' + text)[0].complaints


def test_everything_a_case_can_say(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_text("Subject: from a file\n\nbody\n")
    results = play(
        tmp_path,
        """
[[case]]
name = "a listed stranger is greylisted"
now = 2026-11-26T12:00:00+01:00
client = { name = "unknown", address = "192.0.2.5" }
dns = { "192.0.2.5.bl.example" = ["127.0.0.2"] }
answers.greylist = { rcpt = "451 4.7.1 later" }
expect = { run = ["greylist", "spam", "virus"], verdict = "tempfail", by = "greylist", reply = "4.7.1 later" }

[[case]]
name = "not listed, at night"
now = "2026-11-26T03:00:00+01:00"
expect.skipped = { greylist = "192.0.2.1 is not listed", spam = "at night" }
expect.run = ["virus"]
expect.verdict = "accept"

[[case]]
name = "a user, while it is busy"
now = 2026-11-26T12:00:00+01:00
user = "joe"
load = { sessions = 60 }
dns = { "192.0.2.1.bl.example" = ["127.0.0.2"] }
expect.skipped = { greylist = "joe logged in", spam = "busy" }

[[case]]
name = "edits, then a verdict"
now = 2026-11-26T12:00:00+01:00
file = "mail.eml"
answers.spam = { end-of-message = ["add-header:X-Spam: yes", "accept"] }
answers.virus = { end-of-message = "550 5.7.1 virus" }
expect = { verdict = "reject", by = "virus", reply = "5.7.1 virus" }

[[case]]
name = "DNS fails"
now = 2026-11-26T12:00:00+01:00
dns = { "192.0.2.1.bl.example" = [] }
expect = { verdict = "tempfail", by = "greylist" }
""",
    )
    assert [(result.placed.case.name, result.complaints) for result in results] == [
        ("a listed stranger is greylisted", ()),
        ("not listed, at night", ()),
        ("a user, while it is busy", ()),
        ("edits, then a verdict", ()),
        ("DNS fails", ()),
    ]
    assert [result.placed.line for result in results] == [2, 10, 17, 25, 33]


def test_what_is_not_as_expected(tmp_path: Path) -> None:
    assert complaints(tmp_path, DAY + 'expect.run = ["spam"]\n') == ("asked spam, virus, expected spam",)
    assert complaints(tmp_path, DAY + 'expect.skipped = { spam = "x", greylist = "y" }\n') == (
        "spam was not left out by a condition, expected so",
        "greylist was left out by 'listed: 192.0.2.1 is not listed', expected 'y' in it",
    )
    assert complaints(tmp_path, DAY + 'expect = { verdict = "reject", by = "virus", reply = "no" }\n') == (
        "the verdict is accept, expected reject",
        "the verdict is nobody’s, expected that of virus",
        "the client is told '', expected 'no' in it",
    )
    refused = 'answers.virus.mail = "550 5.7.1 go"\n'
    assert complaints(
        tmp_path, DAY + refused + 'expect = { verdict = "accept", by = "spam", reply = "come" }\n'
    ) == (
        "the verdict is reject, expected accept",
        "the verdict is that of virus, expected that of spam",
        "the client is told '550 5.7.1 go', expected 'come' in it",
    )


MISTAKES = {
    "no TOML": ("[[case]\n", "cannot be read: "),
    "no case": ('[case]\nname = "x"\n', "1: case: must be a list of tables (write [[case]])"),
    "another table": ("[cases]\n", "1: cases: unknown key (a file of cases holds [[case]] tables only)"),
    "no name": ("[[case]]\n", "1: case[0].name: is missing (must be a name)"),
    "misspelt": (
        '[[case]]\nname = "x"\nsendr = "y"\n',
        "3: case[0].sendr: unknown key (did you mean sender?)",
    ),
    "no stage": ('[[case]]\nname = "x"\nanswers.virus = { mial = "accept" }\n', "3: case[0].answers: "),
    "no reply": ('[[case]]\nname = "x"\nanswers.virus = { mail = "perhaps" }\n', "3: case[0].answers: "),
    "no moment": ('[[case]]\nname = "x"\nnow = "noon"\n', "3: case[0].now: "),
    "no list of records": (
        '[[case]]\nname = "x"\ndns = { a = "b" }\n',
        "3: case[0].dns: must be a table of names",
    ),
    "no verdict": ('[[case]]\nname = "x"\nexpect.verdict = "maybe"\n', "3: case[0].expect.verdict: must be"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[name]
    with pytest.raises(ConfigErrors) as caught:
        play(tmp_path, text)
    assert str(caught.value.problems[0]).partition("cases.toml:")[2].strip().startswith(expected)


def test_a_milter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cases\.toml:1: case 'x': there is no milter viruss in use \(did you mean virus"
    ):
        complaints(tmp_path, 'answers.viruss.mail = "reject"\n')
