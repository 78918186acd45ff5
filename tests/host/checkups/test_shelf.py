"""What holds for every checkup, those to come included."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from postmill.errors import ConfigError
from postmill.host import checkups
from postmill.host.checkups import shelf
from postmill.host.diagnosis import Level
from postmill.host.gathering import examine
from postmill.host.patient import Patient
from postmill.host.postfix import Postfix
from postmill.host.talking import Answer
from tests.host.checkups.patients import TOML, patient, with_postfix, with_sendmail, wrong

DEAD = Answer(trouble="Connection refused")
BARRED = Answer(trouble="Permission denied", barred=True)

PATIENTS: dict[str, Callable[[], Patient]] = {
    "empty": lambda: Patient("/nowhere", no_mta="nothing there", detect=tuple),
    "configuration with mistakes": lambda: Patient(
        "/nowhere", problems=(ConfigError("bad", file="/f", line=3),), no_mta="no postconf"
    ),
    "healthy": with_postfix,
    "no mail server": lambda: patient(TOML, no_mta="there is no postconf(1)"),
    "no milters": lambda: with_postfix(TOML),
    "Sendmail": with_sendmail,
    "Postfix without a parameter": lambda: patient(TOML, Postfix("/etc/postfix", {})),
    "nobody answers": lambda: with_postfix(talk=lambda endpoint, within: DEAD),
    "nobody lets us in": lambda: with_postfix(talk=lambda endpoint, within: BARRED),
    "nothing is there": lambda: with_postfix(look=lambda path: None, listener=lambda path: None),
    "no such users": lambda: with_postfix(account=lambda name: None, listener=lambda path: None),
}


@pytest.mark.parametrize("name", [*shelf()])
@pytest.mark.parametrize("case", [*PATIENTS])
def test_a_checkup_looks_at_any_patient_and_never_raises(case: str, name: str) -> None:
    for one in shelf()[name](PATIENTS[case]()):
        assert one.check == name
        assert one.text == one.text.strip() != ""
        assert "\n" not in one.text
        assert not one.safe or one.command
        assert one.level >= Level.WARNING or not one.safe, "there is nothing to mend"
        assert one.table is None or {len(row) for row in one.table.rows} == {len(one.table.columns)}
        assert one.as_values()["check"] == name


def test_a_healthy_host_is_called_healthy() -> None:
    assert wrong(examine(with_postfix())) == []
    assert wrong(examine(with_sendmail())) == []


def test_what_cannot_be_looked_at_hides_nothing_else() -> None:
    def broken(path: str) -> None:
        raise OSError("the disk is on fire")

    found = wrong(examine(with_postfix(look=broken)))
    assert {one.check for one in found} == {"own-socket", "milters"}
    assert all("the disk is on fire" in one.text for one in found)


def test_only_some() -> None:
    assert {one.check for one in examine(with_postfix(), ["order", "macros"])} == {"order", "macros"}


def test_each_has_a_place_of_its_own() -> None:
    places = [_module(name).PLACE for name in shelf()]
    assert places == sorted(set(places))


def test_they_do_not_know_each_other() -> None:
    for name in shelf():
        tree = ast.parse(Path(str(_module(name).__file__)).read_text())
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert [one for one in imported if one.startswith(checkups.__name__)] == []


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{checkups.__name__}.{name.replace('-', '_')}")
