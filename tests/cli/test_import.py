"""``postmill import milter-manager`` and ``config show --format milter-manager`` as a person meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
security.effective_user = "mail"
define_milter("a") do |milter|
  milter.connection_spec = "unix:/a"
  milter.add_applicable_condition("Remote Network")
end
"""
TOML = """\
[manager]
user = "mail"

[milters.a]
socket = "unix:/a"
on_error = "accept"
when = ["remote-network"]
"""


def postmill(*arguments: object, given: bytes = b"") -> tuple[int, str, list[str]]:
    command = [sys.executable, "-m", "postmill", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, input=given, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode().splitlines()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "old.conf"
    file.write_text(GOOD)
    return file


def test_a_whole_configuration(old: Path) -> None:
    assert postmill("import", "milter-manager", old) == (0, TOML, [])


def test_from_the_standard_input_to_a_file(tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    assert postmill("import", "milter-manager", "-", "--output", new, given=GOOD.encode()) == (0, "", [])
    assert new.read_text() == TOML
    assert postmill("config", "check", new) == (0, f"{new}: ok; milters: a\n", [])


def test_what_was_not_carried_over_is_named_and_the_rest_is_written(old: Path) -> None:
    old.write_text(GOOD + "x = 1\nmanager.daemon = true\n")
    assert postmill("import", "milter-manager", old) == (
        1,
        TOML,
        [
            f"postmill: warning: {old}:6: not carried over: x = 1 (Ruby is not run here: say in TOML what it comes to)",
            f"postmill: note: {old}:7: manager.daemon is not needed (`postmill run` stays in the foreground, as systemd "
            "likes)",
        ],
    )


def test_notes_alone_are_no_loss(old: Path) -> None:
    old.write_text(GOOD + "manager.daemon = true\n")
    status, text, said = postmill("import", "milter-manager", old)
    assert (status, text, len(said)) == (0, TOML, 1)


def test_a_file_that_is_not_whole_writes_nothing(old: Path, tmp_path: Path) -> None:
    old.write_text('define_milter("a") do |milter|\n')
    new = tmp_path / "new.toml"
    error = f"postmill: error: {old}:1: `do` has no `end` at column 20"
    assert postmill("import", "milter-manager", old, "--output", new) == (78, "", [error])
    assert not new.exists()


def test_bytes_that_are_no_text() -> None:
    error = "postmill: error: standard input:2: byte 0xe9 is not UTF-8 at column 4 (convert it with iconv(1))"
    assert postmill("import", "milter-manager", "-", given=b"# ok\n# d\xe9j\xe0\n") == (78, "", [error])


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_matter() -> None:
    given = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert postmill("import", "milter-manager", "-", given=given) == (0, TOML, [])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    error = f"postmill: error: {tmp_path}/no: cannot be read: No such file or directory"
    assert postmill("import", "milter-manager", tmp_path / "no") == (69, "", [error])


def test_an_output_that_cannot_be_written(old: Path, tmp_path: Path) -> None:
    error = f"postmill: error: {tmp_path}/no/new.toml: cannot be written: No such file or directory"
    assert postmill("import", "milter-manager", old, "-o", tmp_path / "no" / "new.toml") == (69, "", [error])


def test_without_a_file() -> None:
    assert postmill("import", "milter-manager")[0] == 2


def test_several_files(old: Path, tmp_path: Path) -> None:
    local = tmp_path / "local.conf"
    local.write_text("manager.n_workers = 2\n")
    old.write_text('load_if_exist("local.conf")\n')
    assert postmill("import", "milter-manager", old, local) == (0, "[manager]\nworkers = 2\n", [])


def test_show_in_the_predecessors_words(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(TOML)
    status, shown, said = postmill("config", "show", "--format", "milter-manager", new)
    assert (status, said) == (0, [])
    assert f'# {new}:2\nsecurity.effective_user = "mail"\n' in shown
    assert f'# {new}:5\ndefine_milter("a") do |milter|\n' in shown
    assert postmill("import", "milter-manager", "-", given=shown.encode()) == (0, TOML, [])


def test_other_formats(tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(TOML)
    json = postmill("config", "show", "--json", new)
    assert json[1].startswith("{")
    assert postmill("config", "show", "--format", "json", new) == json
    assert postmill("config", "show", "--format", "toml", new) == postmill("config", "show", new)
    assert postmill("config", "show", "--format", "yaml", new)[0] == 2
