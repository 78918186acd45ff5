"""What holds for every condition on the shelf, present and future.

Each has its test module here, of its name, with ``SETTINGS``: examples of its settings as in the
configuration, which these tests use.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import postmill.conditions
from postmill.api import Apply, Condition, Skip, condition
from postmill.api.conditions import Answer
from postmill.api.nouns import NOUNS
from postmill.api.settings import is_key
from postmill.conditions import collect, shelf
from postmill.testing.conditions import decide
from postmill.testing.settings import settings_of
from tests.conditions.any_nouns import OF_TYPE, ports

SHELF = sorted(shelf().items())
PROMISED = {
    *(
        "remote-network",
        "s25r",
        "authenticated",
        "unauthenticated",
        "trust",
        "dnsbl-listed",
        "not-dnsbl-listed",
    ),
    *("stress-notify", "no-stress", "sendmail-compatible", "restrict-accounts", "sender-domain"),
    *("recipient-domain", "header-matches", "message-size", "time-window", "percentage", "verdict-of"),
}


def examples(name: str) -> list[dict[str, Any]]:
    """The settings that the condition's own test gives as examples."""
    module = importlib.import_module(f"tests.conditions.test_{name.replace('-', '_')}")
    found: list[dict[str, Any]] = module.SETTINGS
    return found


@pytest.mark.parametrize(("name", "one"), SHELF)
class TestEach:
    def test_is_named_as_its_file_which_holds_nothing_else(self, name: str, one: Condition) -> None:
        module = inspect.getmodule(one.function)
        assert module is not None
        assert module.__name__ == f"postmill.conditions.{name.replace('-', '_')}"
        assert list(collect([module])) == [name]

    def test_says_what_it_is_for(self, name: str, one: Condition) -> None:
        first, _, rest = one.doc.partition("\n\n")
        assert first.endswith(".")
        assert "\n" not in first, "one line, for lists"
        assert rest or not one.settings
        for declared in filter(is_key, dataclasses.fields(one.settings)) if one.settings else ():
            assert declared.metadata["doc"].endswith("."), declared.name

    def test_has_settings_that_can_be_written_and_read_again(self, name: str, one: Condition) -> None:
        assert examples(name), "one example at least, {} where there is nothing to set"
        for example in examples(name):
            value = settings_of(one, **example)
            for declared in filter(is_key, dataclasses.fields(value)) if value else ():
                kind, given_ = declared.metadata["kind"], getattr(value, declared.name)
                assert kind.parse(tomllib.loads(f"v = {kind.show(given_)}")["v"]) == given_

    def test_examples_show_every_setting(self, name: str, one: Condition) -> None:
        known = {field.name for field in dataclasses.fields(one.settings)} if one.settings else set()
        assert {setting for example in examples(name) for setting in example} == known
        assert not known & {"name", "not", "use"}, "words of the configuration around them"

    @settings(max_examples=60)
    @given(data=st.data())
    def test_decides_whatever_comes_and_says_why(
        self, name: str, one: Condition, data: st.DataObject
    ) -> None:
        noun_type = data.draw(st.sampled_from(one.nouns))
        noun = data.draw(OF_TYPE[noun_type])
        answer = decide(one, noun, data.draw(ports), **data.draw(st.sampled_from(examples(name))))
        if answer is None:
            assert noun_type is not one.nouns[-1], "it must decide at its last stage"
        else:
            assert_well_formed(answer)

    def test_knows_the_public_words_only(self, name: str, one: Condition) -> None:
        file = inspect.getsourcefile(one.function)
        assert file is not None
        for module in imported(Path(file)):
            if module.split(".")[0] == "postmill":
                assert re.fullmatch(r"postmill\.(api(\.\w+)?|errors|conditions\._\w+)", module), module


def assert_well_formed(answer: Answer) -> None:
    assert isinstance(answer, Apply | Skip)
    assert answer.because.strip()
    if isinstance(answer, Apply):
        for macro, value in answer.macros.items():
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", macro), "names stand without braces"
            assert isinstance(value, str)


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found.add(node.module)
    return found


def test_what_was_promised_is_there() -> None:
    assert {name for name, _ in SHELF} >= PROMISED


def test_every_file_on_the_shelf_is_a_condition_or_what_some_share() -> None:
    names = {module.name for module in pkgutil.iter_modules(postmill.conditions.__path__)}
    public = {name for name in names if not name.startswith("_")}
    assert public == {name.replace("-", "_") for name, _ in SHELF}


def test_every_noun_can_be_made() -> None:
    assert tuple(OF_TYPE) == NOUNS


def test_two_conditions_of_one_name_are_a_mistake() -> None:
    @condition("authenticated")
    def other(sender: postmill.api.Sender) -> Apply | Skip:
        """Say no."""
        return Skip("no")

    own = ModuleType("own")
    own.other = other  # type: ignore[attr-defined]
    shelf_module = importlib.import_module("postmill.conditions.authenticated")
    assert dict(collect([own])) == {"authenticated": other}
    assert len(collect([shelf_module, shelf_module])) == 1
    with pytest.raises(TypeError, match="own has another condition named authenticated"):
        collect([shelf_module, own])
