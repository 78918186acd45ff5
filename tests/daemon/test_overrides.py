"""What operators change, over what the file says."""

from __future__ import annotations

import pytest

from postmill.config import LogSettings, MilterSettings, Settings
from postmill.daemon.overrides import ON, Overrides
from postmill.errors import RequestError
from postmill.wire.endpoint import Endpoint


def settings(**modes: str) -> Settings:
    milters = tuple(
        MilterSettings(name=name, socket=Endpoint("unix", f"/{name}"), mode=mode)
        for name, mode in modes.items()
    )
    return Settings(milters=milters)


def modes(overrides: Overrides, of: Settings) -> dict[str, str]:
    return {milter.name: milter.mode for milter in overrides.over(of).milters}


FILE = settings(spam="enforce", new="evaluate", old="off")


@pytest.mark.parametrize(
    ("milter", "steps", "mode", "overridden"),
    [
        ("spam", ["off"], "off", True),
        ("spam", ["off", ON], "enforce", False),
        ("spam", ["evaluate", ON], "enforce", False),
        ("spam", [ON], "enforce", False),
        ("spam", ["off", "enforce"], "enforce", False),
        ("new", ["off", ON], "evaluate", False),
        ("new", ["enforce"], "enforce", True),
        ("old", [ON], "enforce", True),
        ("old", ["evaluate"], "evaluate", True),
        ("old", [ON, "off"], "off", False),
    ],
)
def test_one_milter(milter: str, steps: list[str], mode: str, overridden: bool) -> None:
    overrides = Overrides()
    for step in steps:
        overrides = overrides.with_mode(FILE, milter, step, "alice")
    assert modes(overrides, FILE) == {**modes(Overrides(), FILE), milter: mode}
    assert (milter in overrides.modes) == overridden


def test_who_did_it_and_when_is_kept_until_it_is_changed() -> None:
    first = Overrides().with_mode(FILE, "spam", "off", "alice")
    assert first.modes["spam"].by == "alice"
    assert first.with_mode(FILE, "spam", "off", "bob") is first, "nothing is changed"
    assert first.with_mode(FILE, "spam", "evaluate", "bob").modes["spam"].by == "bob"


def test_an_unknown_milter_is_refused_with_the_nearest_spelling() -> None:
    with pytest.raises(RequestError, match="there is no milter 'spma'; did you mean spam"):
        Overrides().with_mode(FILE, "spma", "off", "alice")
    with pytest.raises(RequestError, match="there is no milter 'x'; known here: none"):
        Overrides().with_mode(Settings(), "x", "off", "alice")


def test_after_a_reload_what_still_differs_from_the_file_is_kept() -> None:
    overrides = Overrides().with_log_level("debug", "alice")
    for milter, mode in (("spam", "off"), ("new", "off"), ("old", "enforce")):
        overrides = overrides.with_mode(FILE, milter, mode, "alice")
    changed = settings(spam="evaluate", new="off", other="enforce")
    kept = overrides.still_over(changed)
    assert kept.modes == {"spam": overrides.modes["spam"]}, (
        "new is off in the file too, old is not there any more"
    )
    assert kept.log_level == overrides.log_level


def test_the_log_level() -> None:
    file = Settings(log=LogSettings(level="warning"))
    louder = Overrides().with_log_level("debug", "alice")
    assert louder.over(file).log.level == "debug"
    assert louder.with_log_level("reset", "bob").over(file).log.level == "warning"
