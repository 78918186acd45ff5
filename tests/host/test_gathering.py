"""Gathering a patient on this machine: configuration files, a Postfix that does not run, none at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postmill.errors import UnavailableError
from postmill.host import gathering
from postmill.host.gathering import gather
from postmill.host.postfix import postfix_program

CONFIGURATION = '[milters.some]\nsocket = "unix:/run/some.sock"\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "postmill.toml").write_text(CONFIGURATION)
    return str(tmp_path / "postmill.toml")


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a mail server."""
    monkeypatch.setattr(gathering, "DEFAULT_DIRECTORY", str(tmp_path / "none"))
    monkeypatch.setattr(gathering, "DEFAULT_CF", str(tmp_path / "sendmail.cf"))


@pytest.mark.usefixtures("nothing")
def test_no_mail_server(config: str) -> None:
    patient = gather(config)
    assert patient.loaded is not None
    assert [milter.name for milter in patient.milters] == ["some"]
    assert (patient.postfix, patient.sendmail) == (None, None)
    assert patient.no_mta.endswith("sendmail.cf: No such file or directory")


@pytest.mark.usefixtures("nothing")
def test_sendmail(config: str, tmp_path: Path) -> None:
    (tmp_path / "sendmail.cf").write_text("O InputMailFilters=x\nXx, S=inet:1@localhost\n")
    patient = gather(config)
    assert patient.sendmail is not None
    assert [entry.written for entry in patient.entries] == ["x (inet:1@localhost)"]


@pytest.mark.usefixtures("nothing")
def test_a_directory_that_was_named_must_have_a_postfix(config: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        gather(config, str(tmp_path))


@pytest.mark.usefixtures("nothing")
def test_mistakes_and_a_missing_file_are_found_not_raised(config: str) -> None:
    Path(config).write_text("what")
    assert "no valid TOML" in str(gather(config).problems[0])
    assert "cannot be read" in str(gather(f"{config}.none").problems[0])


@pytest.mark.usefixtures("nothing")
def test_a_file_that_may_not_be_read(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UnavailableError, match=r"Permission denied; are you root\?"):
        gather(config)


@pytest.mark.skipif(postfix_program("postconf") is None, reason="needs postconf")
def test_postfix(config: str, tmp_path: Path) -> None:
    for name, text in (("main.cf", f"queue_directory = {tmp_path}\n"), ("master.cf", "")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (0, 0))
    patient = gather(config, str(tmp_path))
    assert patient.postfix is not None
    assert not patient.running
    assert patient.setup()[-1] == "--yes"
    (tmp_path / "pid").mkdir()
    (tmp_path / "pid" / "master.pid").write_text(f"{os.getpid()}\n")
    assert not gather(config, str(tmp_path)).running, "another process has the number now"
