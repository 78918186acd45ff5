"""`postmill doctor`: what it prints, and its exit status."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from postmill.cli import doctor
from postmill.errors import UnavailableError
from postmill.host.accounts import Owned
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from tests.host.checkups.patients import MAIN, SOCKET, with_postfix


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Patient:
    """The host that is looked at."""
    one = with_postfix()
    monkeypatch.setattr(doctor, "gather", lambda file, directory: one)
    return one


def run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor.command, [*arguments])


def test_a_healthy_host(patient: Patient) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.output.startswith("configuration\n  ok       /etc/postmill/postmill.toml can be used")
    assert result.output.endswith("all is well\n")
    assert (
        "           milter    if it fails  if Postmill fails\n"
        "           opendkim  tempfail     tempfail\n"
        "           rspamd    accept       tempfail\n"
    ) in result.output
    assert run("--quiet").output == ""


def test_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    ailing = with_postfix(paths={SOCKET: Owned(0o140600, 990, 105)})
    monkeypatch.setattr(doctor, "gather", lambda file, directory: ailing)
    result = run("--only", "own-socket", "-q")
    assert result.exit_code == 2
    lines = result.output.splitlines()
    assert lines[0] == "own-socket"
    assert lines[1].startswith("  error    postfix, the user of Postfix, cannot connect")
    assert lines[3] == f"           $ chmod g+w {SOCKET}"
    assert lines[4] == "1 error; --fix runs 1 safe command"
    result = run("--only", "own-socket", "-q", "--fix", "--dry-run")
    assert result.output.endswith(f"would run: chmod g+w {SOCKET}\ndry run: nothing was changed\n")


def test_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = with_postfix(main=MAIN.replace("127.0.0.0/8", "12.0.0.0/8"))
    monkeypatch.setattr(doctor, "gather", lambda file, directory: wide)
    result = run("--json", "--only", "relay")
    assert result.exit_code == 1
    values = json.loads(result.output)
    assert (values["level"], values["ran"]) == ("warning", [])
    assert {one["check"] for one in values["diagnoses"]} == {"relay"}


def test_fixing_ends_when_nothing_new_is_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter(["a", "b", "b"])
    monkeypatch.setattr(doctor, "gather", lambda file, directory: Patient(file))
    monkeypatch.setattr(doctor, "examine", lambda patient, only: [sick(next(rounds))])
    result = run("--fix")
    assert [line for line in result.output.splitlines() if line.startswith("$ ")] == [
        "$ sh -c 'echo a; exit 4'",
        "$ sh -c 'echo b; exit 4'",
    ]
    assert "  a\n  exit status 4\n" in result.output
    assert result.exit_code == 2


def sick(word: str) -> Diagnosis:
    return Diagnosis("some", Level.ERROR, word, "", ("sh", "-c", f"echo {word}; exit 4"), True)


@pytest.mark.parametrize(
    "arguments",
    [("--dry-run",), ("--only", "everything"), ("--nonsense",), ("--fix", "--config-directory", __file__)],
)
def test_wrong_usage_is_no_trouble_found(arguments: tuple[str, ...], patient: Patient) -> None:
    assert run(*arguments).exit_code == 3


def test_it_cannot_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(file: str, directory: str) -> Patient:
        raise UnavailableError("there is no postconf(1)")

    monkeypatch.setattr(doctor, "gather", gather)
    result = run()
    assert result.exit_code == 3
    assert "there is no postconf(1)" in result.output
