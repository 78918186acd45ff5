"""The environment of a unit: what systemd.exec(5) says, and that an environment file is none for sh."""

from __future__ import annotations

import pytest

from postmill.detectors.readers.systemd.environment import environment_file, environment_of
from postmill.detectors.readers.systemd.units import load_unit
from postmill.testing.paper_machine import Entry, PaperMachine


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("A=1\nB=two words  \n", {"A": "1", "B": "two words"}),
        ("# A=1\n; B=2\n\n  C=3\n", {"C": "3"}),
        ("A='x y'\nB=\"x $A\"\n", {"A": "x y", "B": "x $A"}),
        ("A=$B/x\nB=`id`\n", {"A": "$B/x", "B": "`id`"}),
        ('A="x \\" \\\\ \\$ \\n"\n', {"A": 'x " \\ $ \\n'}),
        ("A='one\ntwo'\nB=3\n", {"A": "one\ntwo", "B": "3"}),
        ("A=one \\\n  two\nB=3\n", {"A": "one   two", "B": "3"}),
        ("A=x\\ y\\q\n", {"A": "x yq"}),
        ("A='x'\"y\"z\n", {"A": "xyz"}),
        ("A=x'y'\n", {"A": "x'y'"}),
        ("A=\nA B=1\n1A=2\n=3\nnothing\n", {"A": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ("A='never ended", {"A": "never ended"}),
    ],
)
def test_an_environment_file(text: str, variables: dict[str, str]) -> None:
    assert {name: value.text for name, value in environment_file(text, "/f").items()} == variables


def test_values_know_their_line() -> None:
    found = environment_file("#\nA='x\ny'\nB=1\n", "/f")
    assert [str(value.source) for value in found.values()] == ["/f:2", "/f:4"]


def environment(section: str, files: dict[str, Entry] | None = None) -> tuple[dict[str, str], str]:
    path = "/etc/systemd/system/x@y.service"
    host = PaperMachine({path: f"[Service]\n{section}\n", **(files or {})})
    unit = load_unit(host, "x@y.service")
    assert unit is not None
    found = environment_of(host, unit)
    return {name: value.text for name, value in found.variables.items()}, found.missing


def test_assignments_are_words_with_quotes_and_specifiers() -> None:
    section = "Environment=A=1 'B=two words' \"C=%i %n\" D=%%x\nEnvironment=A=2"
    assert environment(section)[0] == {"A": "2", "B": "two words", "C": "y x@y.service", "D": "%x"}


def test_files_are_stronger_wherever_they_stand() -> None:
    section = "EnvironmentFile=/f\nEnvironment=A=unit B=unit\nEnvironmentFile=-/none\nEnvironmentFile=/g"
    assert environment(section, {"/f": "A=f\nC=f\n", "/g": "C=g\n"}) == (
        {"A": "f", "B": "unit", "C": "g"},
        "",
    )


def test_a_file_may_be_a_pattern() -> None:
    section = "EnvironmentFile=/etc/x.d/*.conf"
    files: dict[str, Entry] = {"/etc/x.d/1.conf": "A=1\n", "/etc/x.d/2.conf": "A=2\n", "/etc/x.d/3": "A=3\n"}
    assert environment(section, files) == ({"A": "2"}, "")


def test_without_its_minus_a_missing_file_is_a_fault() -> None:
    missing = environment("EnvironmentFile=/none")[1]
    assert missing == "/none of /etc/systemd/system/x@y.service:2 is missing"


def test_variables_can_be_taken_away() -> None:
    assert environment("Environment=A=1 B=2\nUnsetEnvironment=A")[0] == {"B": "2"}
