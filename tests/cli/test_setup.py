"""`postmill setup` as a person meets it: asked first, told all, and what is wrong in one line.

On a sendmail.mc, since no program of Sendmail's is needed for that; `tests/interop/setup` has the real mail servers.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.cli import main

MC = "OSTYPE(`linux')dnl\nINPUT_MAIL_FILTER(`dkim', `S=unix:/run/dkim.sock, F=T')dnl\nMAILER(`smtp')dnl\n"
TOML = """\
[manager]
listen = ["unix:{directory}/p.sock"]

[milters.opendkim]
socket = "unix:/run/dkim.sock"
"""
LINE = "INPUT_MAIL_FILTER(`postmill', `S=unix:{directory}/p.sock, F=T, T=C:30s;S:30s;R:1m;E:10m')dnl\n"


@pytest.fixture
def mc(tmp_path: Path) -> Path:
    file = tmp_path / "sendmail.mc"
    file.write_text(MC)
    (tmp_path / "postmill.toml").write_text(TOML.format(directory=tmp_path))
    return file


Run = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which is quick."""
    monkeypatch.setenv("NO_COLOR", "1")

    def run(mc: Path, *options: str, answer: str = "") -> Done:
        words = ["setup", "sendmail", "--mc", str(mc), "-c", str(mc.parent / "postmill.toml"), *options]
        monkeypatch.setattr(sys, "argv", ["postmill", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def changed(mc: Path) -> str:
    line = LINE.format(directory=mc.parent)
    return MC.replace("INPUT_MAIL_FILTER(`dkim', `S=unix:/run/dkim.sock, F=T')dnl\n", line)


def test_it_shows_asks_and_tells(setup: Run, mc: Path) -> None:
    done = setup(mc, answer="y\n")
    assert done.returncode == 0
    assert mc.read_text() == changed(mc)
    line = LINE.format(directory=mc.parent)
    assert (
        done.stdout
        == f"""\
--- {mc}
+++ {mc}
@@ -1,3 +1,3 @@
 OSTYPE(`linux')dnl
-INPUT_MAIL_FILTER(`dkim', `S=unix:/run/dkim.sock, F=T')dnl
+{line} MAILER(`smtp')dnl
out: dkim (Postmill asks it: opendkim)
note: F=T: while Postmill is away mail is deferred, neither let in unfiltered nor refused for good; what happens when a milter fails says its on_error
Change {mc}? [y/N]: changed: {mc}
as it was: {mc.parent}/postmill-backup/0001; back to it with --undo
now: cd {mc.parent} && m4 sendmail.mc > sendmail.cf
now: systemctl restart sendmail
"""
    )
    warning = f"nobody listens at unix:{mc.parent}/p.sock: start Postmill before Sendmail is restarted, or mail is deferred"
    assert done.stderr == f"postmill: warning: {warning}\n"


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_without_a_yes_nothing_changes(setup: Run, mc: Path, answer: str) -> None:
    assert setup(mc, answer=answer).returncode == 130
    assert mc.read_text() == MC
    assert not (mc.parent / "postmill-backup").exists()


def test_dry_run(setup: Run, mc: Path) -> None:
    done = setup(mc, "--dry-run")
    assert done.returncode == 0
    assert "+INPUT_MAIL_FILTER(`postmill'" in done.stdout
    assert done.stdout.endswith("dry run: nothing was changed\n")
    assert mc.read_text() == MC
    assert not (mc.parent / "postmill-backup").exists()


def test_twice_and_back(setup: Run, mc: Path) -> None:
    assert setup(mc, "--yes").returncode == 0
    again = setup(mc, "--yes")
    assert again.stdout == f"nothing to do: Postmill is in place, unix:{mc.parent}/p.sock\n"
    back = setup(mc, "--undo", answer="y\n")
    assert back.returncode == 0
    assert f"restored: {mc}\n" in back.stdout
    assert mc.read_text() == MC
    assert setup(mc, "--undo", "--yes").stdout == "nothing to undo\n"


def test_undo_refuses_to_lose_what_was_changed_since(setup: Run, mc: Path) -> None:
    setup(mc, "--yes")
    mc.write_text(changed(mc) + "by hand\n")
    done = setup(mc, "--undo", "--yes")
    assert done.returncode == 78
    assert "+by hand\n" in done.stdout
    assert f"{mc}: was changed since" in done.stderr
    assert mc.read_text() == changed(mc) + "by hand\n"
    assert setup(mc, "--undo", "--yes", "--force", "--dry-run").returncode == 0
    assert mc.read_text() == changed(mc) + "by hand\n"
    assert setup(mc, "--undo", "--yes", "--force").returncode == 0
    assert mc.read_text() == MC


def test_json(setup: Run, mc: Path) -> None:
    done = setup(mc, "--yes", "--json")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert report["changed"] is True
    assert report["removed"] == [{"written": "dkim", "name": "opendkim"}]
    assert report["backup"] == f"{mc.parent}/postmill-backup/0001"
    assert report["files"][0]["path"] == str(mc)
    assert "nobody listens" in report["warnings"][0]
    assert json.loads(setup(mc, "--dry-run", "--json").stdout)["changed"] is False
    assert json.loads(setup(mc, "--undo", "--yes", "--json").stdout)["undone"] is True


def test_bytes_that_are_no_utf8_stay_and_can_be_shown(setup: Run, mc: Path) -> None:
    mc.write_bytes(MC.encode() + b"# \xff\n")
    done = setup(mc, "--yes")
    assert (done.returncode, "# \\xff" in done.stdout) == (0, True)
    assert mc.read_bytes() == changed(mc).encode() + b"# \xff\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--undo", "--adopt"], "--adopt does not go with it"),
        (["--force"], "--force belongs to --undo"),
        (["--json"], "--json cannot ask: add --yes or --dry-run"),
    ],
)
def test_options_that_contradict_each_other(setup: Run, mc: Path, options: list[str], said: str) -> None:
    done = setup(mc, *options)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_a_file_that_is_not_there(setup: Run, mc: Path) -> None:
    done = setup(mc.parent / "no.mc", "-c", str(mc.parent / "postmill.toml"), "--yes")
    assert done.returncode == 78
    assert done.stderr == f"postmill: error: {mc.parent}/no.mc: does not exist\n"
