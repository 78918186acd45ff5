"""``when`` and ``[conditions.NAME]``: what they become, the words for what is wrong, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.api import Applies, Apply, Client, condition, key, required
from postmill.api.kinds import Count, ListOf, MilterName, Text
from postmill.config import ConfigErrors, Loaded, load
from postmill.config.showing import as_toml


@dataclass(frozen=True, slots=True)
class Nets:
    local: tuple[str, ...] = key(ListOf(Text()), ["10/8"], "Networks.")


@dataclass(frozen=True, slots=True)
class Share:
    of: int = required(Count(1, 100), "Percent.")


@condition("remote-network", Nets)
def remote_network(client: Client, settings: Nets) -> Applies:
    return Apply()


@condition("percentage", Share)
def percentage(client: Client, settings: Share) -> Applies:
    return Apply()


@condition("authenticated")
def authenticated(client: Client) -> Applies:
    return Apply()


SHELF = {one.name: one for one in (remote_network, percentage, authenticated)}
MILTER = '[milters.m]\nsocket = "/run/m.sock"\n'


def read(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "p.toml"
    file.write_text(text)
    return load(file, SHELF)


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_names_opposites_and_tables(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        MILTER
        + 'when = ["remote-network", "not authenticated", { name = "percentage", of = 7 }, { not = "canary" }]\n'
        '[conditions.canary]\nuse = "percentage"\nof = 3\n'.replace('{ not = "canary" }', '"not canary"'),
    )
    uses = loaded.settings.milters[0].conditions
    assert [str(use) for use in uses] == ["remote-network", "not authenticated", "percentage", "not canary"]
    assert [use.condition for use in uses] == [remote_network, authenticated, percentage, percentage]
    assert [use.settings for use in uses if use.condition is percentage] == [Share(7), Share(3)]
    assert uses[0].settings == Nets(("10/8",))


def test_a_table_sets_a_condition_for_all_that_name_it(tmp_path: Path) -> None:
    loaded = read(
        tmp_path, '[conditions.remote-network]\nlocal = ["192/8"]\n' + MILTER + 'when = ["remote-network"]\n'
    )
    assert loaded.settings.milters[0].conditions[0].settings == Nets(("192/8",))


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        MILTER
        + 'when = ["remote-network", "not authenticated", { not = "percentage", of = 7 }, "canary"]\n'
        + '[conditions.canary]\nuse = "percentage"\nof = 3\n',
    )
    text = as_toml(loaded)
    assert 'when = ["remote-network", "not authenticated", { not = "percentage", of = 7 }, "canary"]' in text
    assert '[conditions.canary]\nuse = "percentage"\nof = 3' in text
    assert "[conditions.authenticated]" not in text  # there is nothing to be set
    again = read(tmp_path, text)
    assert again.settings == loaded.settings
    assert loaded.origins["conditions.remote-network.local"].is_default
    assert loaded.origins["conditions.canary.of"].line == 6


CASES = {
    "unknown": (
        MILTER + 'when = ["remot-network"]\n',
        ["p.toml:3: milters.m.when[0]: there is no condition remot-network (did you mean remote-network?)"],
    ),
    "unknown and nothing near": (
        MILTER + 'when = ["x"]\n',
        [
            "p.toml:3: milters.m.when[0]: there is no condition x"
            " (there are authenticated, percentage, remote-network)"
        ],
    ),
    "what is required": (
        MILTER + 'when = ["percentage"]\n',
        ["p.toml: conditions.percentage.of: is missing (must be a whole number from 1 to 100)"],
    ),
    "required in place": (
        MILTER + 'when = [{ name = "percentage" }]\n',
        ["p.toml:3: milters.m.when[0].of: is missing (must be a whole number from 1 to 100)"],
    ),
    "unknown setting in place": (
        MILTER + 'when = [{ name = "percentage", off = 3 }]\n',
        [
            "p.toml:3: milters.m.when[0].off: unknown key (did you mean of?)",
            "p.toml:3: milters.m.when[0].of: is missing (must be a whole number from 1 to 100)",
        ],
    ),
    "no table of settings": (
        "conditions = 3\n",
        ["p.toml:1: conditions: must be a table of conditions (write [conditions.NAME])"],
    ),
    "unknown table": (
        "[conditions.authentcated]\n",
        [
            "p.toml:1: conditions.authentcated: there is no condition authentcated"
            ' (for one of your own name, write use = "…"; did you mean authenticated?)'
        ],
    ),
    "unknown use": (
        '[conditions.mine]\nuse = "percentag"\n' + MILTER + 'when = ["mine"]\n',
        ["p.toml:2: conditions.mine.use: there is no condition percentag (did you mean percentage?)"],
    ),
    "a built-in under another's name": (
        '[conditions.authenticated]\nuse = "percentage"\nof = 3\n',
        ["p.toml:2: conditions.authenticated.use: authenticated is a condition itself; choose another name"],
    ),
    "settings where there are none": (
        "[conditions.authenticated]\nlocal = 3\n",
        ["p.toml:2: conditions.authenticated.local: unknown key (known here: )"],
    ),
    "settings of a named one in place": (
        '[conditions.canary]\nuse = "percentage"\nof = 3\n'
        + MILTER
        + 'when = [{ name = "canary", of = 4 }]\n',
        ["p.toml:6: milters.m.when[0]: canary has its settings in [conditions.canary]"],
    ),
    "no list": (
        MILTER + 'when = "remote-network"\n',
        ["p.toml:3: milters.m.when: must be a list; each the name of a condition"],
    ),
    "a table without a name": (
        MILTER + "when = [{ of = 3 }]\n",
        ['p.toml:3: milters.m.when: a table in `when` needs a condition: name = "…" or not = "…"'],
    ),
    "no name": (
        MILTER + 'when = ["a b"]\n',
        ['p.toml:3: milters.m.when: "a b" is no name of a condition, nor its opposite'],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong(name: str, tmp_path: Path) -> None:
    text, expected = CASES[name]
    found = complaints(tmp_path, text)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


@dataclass(frozen=True, slots=True)
class Other:
    milter: str = required(MilterName(), "Another milter.")


@condition("verdict-of", Other)
def verdict_of(client: Client, settings: Other) -> Applies:
    return Apply()


@pytest.mark.parametrize(
    ("first", "asked", "complaint"),
    [
        ("", "a", ""),
        ("", "aa", "p.toml:6: milters.b.when[0]: verdict-of: there is no milter aa (did you mean a?)"),
        ("", "b", "p.toml:6: milters.b.when[0]: verdict-of: b does not stand before b (before it stand: a)"),
        ("order = 9\n", "a", "verdict-of: a does not stand before b (before it stand: none)"),
        ('mode = "off"\n', "a", "verdict-of: a does not stand before b (before it stand: none)"),
    ],
)
def test_a_milter_that_a_condition_names_must_stand_before(
    first: str, asked: str, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        f'[milters.a]\nsocket = "/run/a.sock"\n{first}[milters.b]\nsocket = "/run/b.sock"\n\n'
        f'when = [{{ name = "verdict-of", milter = "{asked}" }}]\n'
    )
    shelf = {"verdict-of": verdict_of}
    if not complaint:
        assert load(file, shelf).settings.milters[1].conditions
        return
    with pytest.raises(ConfigErrors) as caught:
        load(file, shelf)
    assert complaint in str(caught.value).replace(f"{tmp_path}/", "")
