"""``[[filter]]``: what is read, what is wrong with it, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.api import Message, Milter, Sender, key
from postmill.api.kinds import Count, Duration, Text
from postmill.config import ConfigErrors, Loaded
from postmill.config.loading import parse
from postmill.config.showing import as_toml
from postmill.errors import ConfigError
from postmill.migration.printing import as_milter_manager as printed


@dataclass(frozen=True)
class Settings:
    limit: int = key(Count(1), 10, "The most.")
    word: str = key(Text(), "spam", "Refused.")
    wait: float = key(Duration(), "20s", "The longest wait.")


class Words:
    def __init__(self, word: str) -> None:
        self.word = word


APP = Milter("words", Settings)


@APP.prepare
def prepare(settings: Settings) -> Words:
    if settings.word == "bad":
        raise ValueError("bad is not allowed")
    if settings.word.startswith("/"):
        Path(settings.word).read_text()
    return Words(settings.word)


@APP.on_error
def on_error(words: Words) -> str:
    return {"no": "reject", "drop": "drop"}.get(words.word, "")


@APP.longest(Sender)
def longest(settings: Settings, words: Words) -> float:
    return settings.wait


@APP.longest(Message)
def longest_at_the_end(settings: Settings, words: Words) -> float:
    return 600.0 if words.word == "slow" else 30.0


PLAIN = Milter("plain")
LAST = Milter("last", order=800)


def find(use: str) -> Milter:
    known = {"words": APP, "plain": PLAIN, "last": LAST}
    if use not in known:
        raise ConfigError(f"there is no built-in filter {use}", hint="did you mean words?")
    return known[use]


def read(text: str) -> Loaded:
    return parse("p.toml", text, find_filter=find)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_filters_and_milters_stand_in_one_row() -> None:
    loaded = read("""
[milters.second]
socket = "inet:8000"
order = 2
[milters.first]
socket = "inet:8001"
order = 1
[[filter]]
use = "words"
on_error = "accept"
[filter.settings]
limit = 3
[[filter]]
use = "plain"
name = "last"
order = 9
mode = "evaluate"
""")
    row = [(child.name, child.order) for child in loaded.settings.children]
    assert row == [("words", 1), ("first", 1), ("second", 2), ("last", 9)]
    words, last = loaded.settings.filters
    assert (words.settings, words.on_error) == (Settings(3), "accept")
    assert isinstance(words.prepared, Words)
    assert (last.milter, last.settings, last.mode) == (PLAIN, None, "evaluate")


def test_all_filters_stand_before_the_milters() -> None:
    text = '[milters.m1]\nsocket = "inet:1"\n[milters.m2]\nsocket = "inet:2"\n'
    text += "".join(f'[[filter]]\nuse = "plain"\nname = "{name}"\n' for name in ("f1", "f2", "f3"))
    row = [(child.name, child.order) for child in read(text).settings.children]
    assert row == [("f1", 1), ("f2", 2), ("f3", 3), ("m1", 4), ("m2", 5)]


def test_a_milter_may_know_its_place() -> None:
    loaded = read("""
[milters.found]
socket = "inet:8000"
order = 600
[[filter]]
use = "last"
[[filter]]
use = "plain"
[[filter]]
use = "last"
name = "moved"
order = 3
""")
    row = [(child.name, child.order) for child in loaded.settings.children]
    assert row == [("plain", 2), ("moved", 3), ("found", 600), ("last", 800)]


def test_its_settings_may_say_what_becomes_of_mail_when_it_fails() -> None:
    said = '[[filter]]\nuse = "words"\nsettings.word = "no"\n'
    assert read(said).settings.filters[0].on_error == "reject"
    assert 'on_error = "reject"' in as_toml(read(said))
    assert "# the settings of words" in as_toml(read(said))
    assert read(f'{said}on_error = "accept"\n').settings.filters[0].on_error == "accept"
    assert read('[[filter]]\nuse = "words"\n').settings.filters[0].on_error == "tempfail"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[filter]]\n", "p.toml:1: filter[0].use: is missing"),
        ('[[filter]]\nuse = "wrods"\n', "p.toml:2: filter[0].use: there is no built-in filter wrods (did you mean words?)"),
        ('[[filter]]\nuse = "words"\nsocket = "inet:1"\n', "p.toml:3: filter[0].socket: unknown key"),
        ('[[filter]]\nuse = "words"\n[filter.settings]\nlimt = 1\n', "p.toml:4: filter[0].settings.limt: unknown key (did you mean limit?)"),
        ('[[filter]]\nuse = "words"\n[filter.settings]\nlimit = 0\n', "p.toml:4: filter[0].settings.limit: must be"),
        ('[[filter]]\nuse = "words"\nsettings.word = "bad"\n', "p.toml:3: filter[0].settings: bad is not allowed"),
        ('[[filter]]\nuse = "words"\nsettings.word = "drop"\n', "p.toml:3: filter[0].settings: on_error of words must be"),
        ('[[filter]]\nuse = "words"\nsettings.word = "/nowhere"\n', "p.toml:3: filter[0].settings: [Errno 2]"),
        ('[[filter]]\nuse = "plain"\nsettings.word = "x"\n', "p.toml:3: filter[0].settings.word: unknown key"),
        ('[[filter]]\nuse = "plain"\nname = "a b"\n', "p.toml:3: filter[0].name: must be made of letters"),
        ('[filter]\nuse = "plain"\n', "p.toml:1: filter: must be a list of tables (write [[filter]]"),
        ('[[filter]]\nuse = "plain"\n[[filter]]\nuse = "plain"\n', "p.toml:3: filter[1]: there is another milter named plain"),
        ('[milters.plain]\nsocket = "inet:1"\n[[filter]]\nuse = "plain"\n', "p.toml:3: filter[0]: there is another milter named plain"),
        ('[[filter]]\nuse = "plain"\nwhen = ["nope"]\n', "p.toml:3: filter[0].when[0]: there is no condition nope"),
    ],
)  # fmt: skip
def test_problems(text: str, expected: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_the_predecessor_has_none() -> None:
    assert "# no equivalent: [[filter]] plain, which uses plain  (p.toml:2)" in printed(
        read('[[filter]]\nuse = "plain"\n')
    )


def test_shown_and_read_again_it_is_the_same() -> None:
    loaded = read(
        '[[filter]]\nuse = "words"\nname = "a"\nsettings.limit = 3\n[[filter]]\nuse = "plain"\norder = -1\n'
    )
    text = as_toml(loaded)
    assert "settings.limit = 3" in text
    assert "# p.toml:4" in text
    again = read(text).settings.filters
    assert [(one.name, one.settings, one.order) for one in again] == [
        ("plain", None, -1),
        ("a", Settings(3), 1),
    ]
    assert as_toml(read(text)).count("[[filter]]") == 2


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ("settings.wait = 25", "1: filter[0].timeouts.command: words counts as failed after 25s, and may wait for 25s"),
        ('settings.wait = "60s"', "1: filter[0].timeouts.command: words counts as failed after 25s, and may wait for 60s"),
        ('timeouts.command = "5s"', "3: filter[0].timeouts.command: words counts as failed after 5s, and may wait for 20s"),
        ("settings.wait = 24", ""),
        ("settings.wait = 60\ntimeouts.command = 61", ""),
        ('timeouts.content = "30s"', "3: filter[0].timeouts.content: words counts as failed after 30s, and may wait for 30s"),
        ('timeouts.content = "31s"', ""),
        ('settings.word = "slow"', "1: filter[0].timeouts.content: words counts as failed after 300s, and may wait for 600s"),
    ],
)  # fmt: skip
def test_who_gives_a_filter_too_little_time_is_warned(more: str, warned: str) -> None:
    found = [str(one) for one in read(f'[[filter]]\nuse = "words"\n{more}\n').warnings]
    whole = f"p.toml:{warned} (give it more, or set shorter times in its settings)"
    assert found == ([whole] if warned else [])
