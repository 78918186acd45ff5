"""Units with their drop-ins, as systemd.unit(5) says they are loaded."""

from __future__ import annotations

import pytest

from postmill.detectors.readers.systemd.units import Unit, load_unit, logical_rows
from postmill.testing.paper_machine import Entry, Link, PaperMachine

LIB, ETC, RUN = "/usr/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system"


def loaded(files: dict[str, Entry], name: str = "x.service") -> Unit:
    unit = load_unit(PaperMachine(files), name)
    assert unit is not None
    return unit


def service(**keys: str) -> str:
    return "[Service]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())


def user(unit: Unit) -> str:
    found = unit.last("Service", "User")
    return found.text if found else ""


def test_there_is_none() -> None:
    assert load_unit(PaperMachine({"/etc/systemd/system/y.service": ""}), "x.service") is None


def test_the_administrators_file_replaces_the_packages() -> None:
    unit = loaded(
        {f"{LIB}/x.service": service(User="lib", Type="x"), f"{ETC}/x.service": service(User="etc")}
    )
    assert (unit.file, user(unit), unit.last("Service", "Type")) == (f"{ETC}/x.service", "etc", None)


def test_drop_ins_come_over_it_in_the_order_of_their_names() -> None:
    files: dict[str, Entry] = {
        f"{LIB}/x.service": service(User="unit"),
        f"{ETC}/x.service.d/10-a.conf": service(User="ten"),
        f"{RUN}/x.service.d/20-b.conf": service(User="twenty"),
        f"{LIB}/x.service.d/15-c.conf": service(User="fifteen"),
        f"{ETC}/x.service.d/30-d.txt": service(User="no drop-in"),
    }
    assert user(loaded(files)) == "twenty"


def test_of_two_drop_ins_of_one_name_the_stronger_counts() -> None:
    files: dict[str, Entry] = {
        f"{LIB}/x.service": service(User="unit"),
        f"{LIB}/x.service.d/a.conf": service(User="lib"),
        f"{ETC}/x.service.d/a.conf": service(Type="simple"),
    }
    assert user(loaded(files)) == "unit"
    files[f"{ETC}/x.service.d/a.conf"] = Link("/dev/null")
    assert user(loaded(files)) == "unit", "masked"


def test_drop_ins_for_many_units() -> None:
    files: dict[str, Entry] = {
        f"{LIB}/a-b-c.service": service(User="unit"),
        f"{ETC}/service.d/1.conf": service(User="all"),
        f"{ETC}/a-.service.d/2.conf": service(User="a-"),
        f"{ETC}/a-b-.service.d/3.conf": service(User="a-b-"),
    }
    assert user(loaded(files, "a-b-c.service")) == "a-b-"


def test_an_empty_assignment_clears_a_list() -> None:
    text = "[Service]\nExecStart=/a\nExecStart=\nExecStart=/b\nExecStart=/c\n"
    unit = loaded({f"{LIB}/x.service": text})
    assert [value.text for value in unit.all("Service", "ExecStart")] == ["/b", "/c"]
    assert [value.source.line for value in unit.all("Service", "ExecStart")] == [4, 5]


@pytest.mark.parametrize("mask", [Link("/dev/null"), ""])
def test_a_mask_is_stronger_than_the_unit(mask: Entry) -> None:
    unit = loaded({f"{LIB}/x.service": service(User="unit"), f"{ETC}/x.service": mask})
    assert (unit.is_masked, unit.file) == (True, f"{ETC}/x.service")


def test_an_alias_is_a_link_to_another_unit() -> None:
    unit = loaded({f"{LIB}/y.service": service(User="y"), f"{ETC}/x.service": Link(f"{LIB}/y.service")})
    assert user(unit) == "y"


def test_an_instance_comes_of_its_template() -> None:
    files: dict[str, Entry] = {
        f"{LIB}/x@.service": service(User="template"),
        f"{ETC}/x@one.service.d/a.conf": service(User="one"),
    }
    assert user(loaded(files, "x@one.service")) == "one"
    assert user(loaded(files, "x@two.service")) == "template"


def test_rows_are_continued_and_comments_within_are_not() -> None:
    text = "# a\nA=1 \\\n  2 \\\n# b\n; c\n  3\nB=x\\\n\n\nC=\\"
    assert list(logical_rows(text)) == [(2, "A=1  2  3"), (7, "B=x"), (10, "C=")]
