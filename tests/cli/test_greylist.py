"""``postmill greylist``: a dump of milter-greylist, in and out again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import environment
from tests.interop.postfix import public_directory

CONFIGURATION = """\
[[filter]]
use = "greylist"
settings.rules = "nospf\\nsubnetmatch /24"
[store]
url = "sqlite:{directory}/state.db"
"""


def greylist(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "postmill",
        "greylist",
        *arguments,
        "--config",
        str(directory / "postmill.toml"),
    ]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment(NO_COLOR="1")
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "postmill.toml").write_text(CONFIGURATION.format(directory=tmp_path))
    return tmp_path


def test_in_and_out_again(directory: Path) -> None:
    now = int(time.time())
    kept = [
        f"192.0.2.5\t<a@x.example>\t<b@y.example>\t{now + 600}",
        f"192.0.2.9\t<>\t<b@y.example>\t{now + 3600} AUTO",
        f"2001:db8::1\t<c@x.example>\t<b@y.example>\t{now - 60}",
    ]
    late = f"192.0.2.7\t<old@x.example>\t<b@y.example>\t{now - 60} AUTO"
    (directory / "dump").write_text("\n".join(("# a comment", *kept, late)) + "\n")
    done = greylist(directory, "import", str(directory / "dump"))
    assert (done.returncode, done.stdout) == (0, "3 entries remembered, 1 out of date left out\n"), (
        done.stderr
    )
    out = greylist(directory, "export")
    assert [line.partition(" #")[0] for line in out.stdout.splitlines()[1:]] == kept
    (directory / "again").write_text(out.stdout)
    assert greylist(directory, "import", str(directory / "again")).stdout.startswith("3 entries")


def test_addresses_that_are_no_text(directory: Path) -> None:
    line = f"192.0.2.5\t<gr\xfcn@x.example>\t<b@y.example>\t{int(time.time()) + 600}\r\n"
    (directory / "dump").write_bytes(line.encode("latin-1"))
    assert greylist(directory, "import", str(directory / "dump")).stdout.startswith("1 entries")
    assert "<gr\\xfcn@x.example>" in greylist(directory, "export").stdout


def test_a_line_that_is_none_is_left_out_and_named(directory: Path) -> None:
    line = f"192.0.2.5\ta@x.example\tb@y.example\t{int(time.time()) + 600}\n"
    (directory / "dump").write_text(f"{line}this is garbage\n{line.replace('a@', 'c@')}")
    done = greylist(directory, "import", str(directory / "dump"))
    assert (done.returncode, done.stdout) == (
        1,
        "2 entries remembered, 0 out of date left out, 1 line left out\n",
    )
    assert f"postmill: warning: {directory / 'dump'}: line 2: expected address" in done.stderr
    assert "<c@x.example>\t<b@y.example>" in greylist(directory, "export").stdout


@pytest.mark.parametrize("arguments", [("import", "/dev/null"), ("export",)])
def test_memory_is_no_place_for_it(directory: Path, arguments: tuple[str, ...]) -> None:
    file = directory / "postmill.toml"
    file.write_text(file.read_text().replace(f"sqlite:{directory}/state.db", "memory:"))
    done = greylist(directory, *arguments)
    assert (done.returncode, "store.url: each process has a store in memory of its own" in done.stderr) == (
        78,
        True,
    ), done.stderr


@pytest.mark.parametrize(
    ("dump", "arguments", "status", "words"),
    [
        ("192.0.2.5 x y z\n", (), 78, "dump: line 1: expected address"),
        ("", ("--name", "other"), 64, "there is no greylist filter 'other'; there are greylist"),
    ],
)
def test_what_cannot_be(
    directory: Path, dump: str, arguments: tuple[str, ...], status: int, words: str
) -> None:
    (directory / "dump").write_text(dump)
    done = greylist(directory, "import", str(directory / "dump"), *arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_a_store_that_cannot_be_had(directory: Path) -> None:
    file = directory / "postmill.toml"
    file.write_text(file.read_text().replace("state.db", "nowhere/state.db"))
    done = greylist(directory, "export")
    assert (done.returncode, "nowhere/state.db cannot be opened" in done.stderr) == (69, True)


NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    """A configuration whose state directory is nobody's."""
    directory = public_directory("greylist-cli-")
    state = directory / "state"
    state.mkdir()
    os.chown(state, NOBODY.pw_uid, NOBODY.pw_gid)
    (directory / "postmill.toml").write_text(CONFIGURATION.format(directory=state))
    yield directory
    shutil.rmtree(directory)


@as_root
@pytest.mark.parametrize("manager", ['[manager]\nuser = "nobody"\n', ""])
def test_what_root_brings_is_the_services(of_nobody: Path, manager: str) -> None:
    file, dump = of_nobody / "postmill.toml", of_nobody / "dump"
    file.write_text(manager + file.read_text())
    dump.write_text(f"192.0.2.5\t<a@x.example>\t<b@y.example>\t{int(time.time()) + 600}\n")
    dump.chmod(0o600)
    for arguments in (["import", str(dump)], ["export"]):
        done = greylist(of_nobody, *arguments)
        assert done.returncode == 0, done.stderr
        left = list((of_nobody / "state").iterdir())
        assert {(one.stat().st_uid, one.stat().st_gid) for one in left} == {(NOBODY.pw_uid, NOBODY.pw_gid)}
