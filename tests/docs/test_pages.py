"""What the pages say can be checked: links lead somewhere, configurations load, names exist."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from postmill import filters
from postmill.api.kinds import Choice, SetOf
from postmill.cli import COMMANDS
from postmill.conditions import shelf
from postmill.config import ConfigErrors, load
from postmill.config.describing import entries, entries_of
from postmill.config.settings import ManagerSettings
from postmill.config.showing import as_toml
from postmill.daemon import configuration
from postmill.detectors import detect
from postmill.host.checkups import shelf as checkups
from postmill.testing.paper_machine import PaperMachine
from postmill.testing.policy_cases import Case, load_cases
from tests.detectors.examples import whole_machine

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=ids)
def test_configurations_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = PaperMachine(whole_machine())
    monkeypatch.setattr(configuration, "milters_here", lambda: detect(machine).findings)
    (tmp_path / "policy.d").mkdir()
    for number, block in enumerate(one for one in blocks(page, "python") if "@condition" in one):
        (tmp_path / "policy.d" / f"policy{number}.py").write_text(block)
    for block in blocks(page, "toml"):
        file = tmp_path / "postmill.toml"
        file.write_text(
            block.replace("/etc/postmill/house_rules.py", str(ROOT / "examples" / "house_rules.py"))
        )
        if block.startswith("[[case]]"):
            assert load_cases(file)
        else:
            configuration.load_configuration(file)


def test_what_detection_shows_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "detection.md"
    machine = PaperMachine(whole_machine())
    monkeypatch.setattr(configuration, "milters_here", lambda: detect(machine).findings)
    (block,) = blocks(page, "toml")
    file = tmp_path / "postmill.toml"
    file.write_text(block)
    shown = as_toml(configuration.load_configuration(file)).replace(str(tmp_path), "/etc/postmill")
    (console,) = [one for one in blocks(page, "console") if "config show" in one]
    for line in console.splitlines()[2:-1]:
        assert f"{line}\n" in shown


def test_the_example_of_an_error_is_what_is_printed(tmp_path: Path) -> None:
    page = ROOT / "docs" / "start.md"
    printed = re.findall(r"^postmill: error: (.*)$", page.read_text(), re.MULTILINE)
    file = tmp_path / "postmill.toml"
    file.write_text(blocks(page, "toml")[0].replace("on_error", "on_eror"))
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    assert printed == [str(caught.value).replace(str(tmp_path), "/etc/postmill")]


def test_the_example_of_a_check_is_what_is_printed(tmp_path: Path) -> None:
    page = ROOT / "docs" / "start.md"
    file = tmp_path / "postmill.toml"
    file.write_text(blocks(page, "toml")[0])
    names = ", ".join(milter.name for milter in load(file).settings.milters)
    assert f"/etc/postmill/postmill.toml: ok; milters: {names}\n" in page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_exist(page: Path) -> None:
    used = re.findall(r"(?:^|`|# |/bin/)postmill ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    assert set(used) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_settings_exist(page: Path) -> None:
    """Words in code that look like one of our assignments name keys that there are."""
    shelves: tuple[Any, ...] = (*shelf().values(), *filters.shelf().values())
    tables: list[type[Any]] = [Case, *(one.settings for one in shelves if one.settings)]
    declared = [*entries(), *(entry for table in tables for entry in entries_of(table))]
    known = {part for entry in declared for part in entry.key.split(".")}
    assert set(re.findall(r"`([a-z_]+) = [\[{\"0-9tf]", page.read_text())) <= known


def test_each_switch_for_sameness_is_explained() -> None:
    declared = ManagerSettings.__dataclass_fields__["same_as_postfix"].metadata["kind"]
    assert isinstance(declared, SetOf)
    assert isinstance(declared.item, Choice)
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "differences.md").read_text(), re.MULTILINE)
    assert rows == list(declared.item.words)


def test_the_picture_is_well_formed() -> None:
    ET.parse(ROOT / "docs" / "overview.svg")


def test_the_licence_is_the_declared_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_each_switch_for_sameness_switches_something() -> None:
    words = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "differences.md").read_text(), re.MULTILINE)
    code = "".join(file.read_text() for file in (ROOT / "src" / "postmill" / "chain").glob("*.py"))
    assert [word for word in words if f'copies_postfix("{word}")' not in code] == []


def test_each_checkup_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "doctor.md").read_text(), re.MULTILINE)
    assert rows == list(checkups())
