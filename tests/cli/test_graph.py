"""What ``postmill graph`` says when it cannot draw."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from postmill.cli.graph import command
from postmill.errors import UnavailableError
from tests.graphs.databases import put, tally


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "postmill.toml"
    file.write_text(
        f'[manager]\nlisten = ["unix:{tmp_path}/mta.sock"]\n[milters.spam]\nsocket = "unix:{tmp_path}/spam"\n'
        f'[history]\nurl = "sqlite:{tmp_path}/history.db"\n[graphs]\ndirectory = "{tmp_path}/graphs"\n'
    )
    return file


def failure(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, UnavailableError)
    return str(result.exception)


def test_without_rrdtool_it_says_what_to_install(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(f"sqlite:{config.parent}/history.db", (1_700_000_040, 60, tally()))
    monkeypatch.setenv("PATH", "/nonexistent")
    for arguments in (["update"], ["render"], []):
        assert "apt install rrdtool" in failure(
            *(["-c", str(config)] if not arguments else [*arguments, "-c", str(config)])
        )


def test_with_nothing_to_draw_it_says_where_counts_come_from(config: Path) -> None:
    text = config.read_text().partition("[history]")[0]
    config.write_text(f'{text}[graphs]\ndirectory = "{config.parent}/graphs"\n')
    assert "set history.url" in failure("update", "-c", str(config))


def test_a_directory_that_cannot_be_made_is_told(config: Path) -> None:
    (config.parent / "graphs").write_text("in the way")
    assert f"{config.parent}/graphs" in failure("render", "-c", str(config))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be in somebody else's directory")
def test_root_is_told_as_whom_to_run_it(config: Path) -> None:
    place = config.parent / "graphs"
    place.mkdir()
    shutil.chown(place, "nobody")
    assert "runuser -u nobody" in failure("render", "-c", str(config))
    os.chown(place, 54321, -1)
    assert "user 54321" in failure("render", "-c", str(config))
    assert list(place.iterdir()) == []


def test_a_log_without_mail_is_told(config: Path) -> None:
    (config.parent / "log").write_text("Jul  1 12:00:00 mx1 sshd[1]: hello\n")
    result = CliRunner().invoke(command, ["import", "-c", str(config), str(config.parent / "log")])
    assert result.exit_code == 0
    assert "no lines of Postmill or milter-manager" in result.output
