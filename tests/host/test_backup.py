"""Changing files with a backup, and taking it back: byte for byte, mode and owner, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.errors import ConfigError, UnavailableError
from postmill.host import backup
from postmill.host.files import FileState, look, put
from postmill.host.plan import Change
from postmill.host.undoing import Layer, Saved, unwind

ODD = b"smtpd_milters = \xff\xfe\r\n\x85no newline at the end"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.cf"
    file.write_bytes(ODD)
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 1)
    return file


def change(file: Path, after: str | None) -> Change:
    state = look(str(file))
    return Change(str(file), state.text if state else None, after)


def undo(directory: Path, force: bool = False) -> tuple[Change, ...]:
    undoing = backup.undoing(str(directory))
    if force or not undoing.conflicts:
        backup.take_back(undoing, str(directory))
    return undoing.conflicts


def identity(file: Path) -> tuple[bytes, int, int, int]:
    status = file.stat()
    return file.read_bytes(), status.st_mode, status.st_uid, status.st_gid


def test_change_and_back(main: Path) -> None:
    before = identity(main)
    layer = backup.apply([change(main, "new\n")], str(main.parent))
    assert identity(main) == (b"new\n", *before[1:])
    assert identity(main.parent / "postmill-backup" / layer / "main.cf") == before
    main.chmod(0o600)
    assert undo(main.parent) == ()
    assert identity(main) == before
    assert os.listdir(main.parent) == ["main.cf"]


def test_two_setups_in_a_row_are_undone_as_one(main: Path) -> None:
    before = identity(main)
    backup.apply([change(main, "one\n")], str(main.parent))
    backup.apply([change(main, "two\n")], str(main.parent))
    undo(main.parent)
    assert identity(main) == before


def test_what_was_changed_between_two_setups_stays(main: Path) -> None:
    backup.apply([change(main, "one\n")], str(main.parent))
    main.write_text("by hand\n")
    backup.apply([change(main, "two\n")], str(main.parent))
    undo(main.parent)
    assert main.read_text() == "by hand\n"
    (conflict,) = undo(main.parent)
    assert "-one\n+by hand\n" in conflict.diff()
    assert main.read_text() == "by hand\n"
    undo(main.parent, force=True)
    assert main.read_bytes() == ODD


def test_a_file_put_back_by_hand_is_no_conflict(main: Path) -> None:
    backup.apply([change(main, "one\n")], str(main.parent))
    main.write_bytes(ODD)
    assert undo(main.parent) == ()
    assert backup.layers(str(main.parent)) == []


def test_files_of_the_same_name_and_new_files(main: Path) -> None:
    other, new = main.parent / "other" / "main.cf", main.parent / "new.cf"
    other.parent.mkdir()
    other.write_text("other\n")
    changes = [change(main, "1"), change(other, "2"), change(new, "3")]
    backup.apply(changes, str(main.parent))
    assert (main.read_text(), other.read_text(), new.read_text()) == ("1", "2", "3")
    undo(main.parent)
    assert (main.read_bytes(), other.read_text(), new.exists()) == (ODD, "other\n", False)


def test_a_file_that_is_changed_later_in_the_same_setup(main: Path) -> None:
    other = main.parent / "other.cf"
    layer = backup.apply([change(main, "new\n")], str(main.parent))
    other.write_text("made\n")
    backup.extend(layer, [Saved(str(other), None, "made\n")], str(main.parent))
    undo(main.parent)
    assert (main.read_bytes(), other.exists()) == (ODD, False)


def test_a_symbolic_link_stays_one(main: Path) -> None:
    link = main.parent / "link.cf"
    link.symlink_to("main.cf")
    backup.apply([change(link, "new\n")], str(main.parent))
    assert link.is_symlink()
    assert main.read_text() == "new\n"
    undo(main.parent)
    assert link.is_symlink()
    assert main.read_bytes() == ODD


def test_all_or_nothing(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = main.parent / "other.cf"
    other.write_text("other\n")
    changes = [change(main, "1"), change(other, "2")]

    def broken(path: str, state: FileState | None) -> None:
        if path == str(other) and state is not None and state.text == "2":
            raise UnavailableError("disk full")
        put(path, state)

    monkeypatch.setattr(backup, "put", broken)
    with pytest.raises(UnavailableError, match="disk full"):
        backup.apply(changes, str(main.parent))
    assert (main.read_bytes(), other.read_text()) == (ODD, "other\n")
    assert backup.layers(str(main.parent)) == []


def test_a_file_that_changed_meanwhile_is_left_alone(main: Path) -> None:
    planned = change(main, "new\n")
    main.write_text("by hand\n")
    with pytest.raises(ConfigError, match=r"main\.cf: was changed by somebody else"):
        backup.apply([planned], str(main.parent))
    assert main.read_text() == "by hand\n"


def test_a_broken_record_is_named(main: Path) -> None:
    layer = backup.apply([change(main, "new\n")], str(main.parent))
    (main.parent / "postmill-backup" / layer / "record.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"record\.json: is no record of a setup"):
        backup.layers(str(main.parent))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"cannot write {tmp_path}/no/file: No such file or directory"):
        put(f"{tmp_path}/no/file", FileState("", 0o644, 0, 0))
    with pytest.raises(UnavailableError, match=f"cannot read {tmp_path}: Is a directory"):
        look(str(tmp_path))


def test_no_half_written_file_is_left(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnavailableError, match="No space left"):
        put(str(main), FileState("x", 0o644, os.getuid(), os.getgid()))
    assert os.listdir(main.parent) == ["main.cf"]
    assert main.read_bytes() == ODD


_texts = st.none() | st.text(max_size=3)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), _texts, min_size=1), min_size=1, max_size=4), st.data()
)
def test_setup_then_undo_is_the_identity(setups: list[dict[str, str | None]], data: st.DataObject) -> None:
    """Any setups in a row, undone from memory alone."""
    start = {path: _state(data.draw(_texts)) for path in "abc"}
    now, layers = dict(start), list[Layer]()
    for number, setup in enumerate(setups):
        saved = tuple(Saved(path, now[path], text) for path, text in setup.items())
        layers.insert(0, Layer(str(number), saved))
        now.update({path: _state(text) for path, text in setup.items()})
    undoing = unwind(layers, now)
    assert {**now, **undoing.states} == start
    assert len(undoing.layers) == len(setups)
    assert undoing.conflicts == ()


def _state(text: str | None) -> FileState | None:
    return None if text is None else FileState(text, 0o644, 0, 0)
