"""Lists in files: read once, with their comments; what is wrong is told by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postmill.api.domains import Domain
from postmill.api.list_file import Lines, ListFile

KIND = ListFile(Domain())


def test_one_element_a_line(tmp_path: Path) -> None:
    file = tmp_path / "domains"
    file.write_text("\ufeff# ours\nExample.org\r\n\n  .example.net  # and below\nbücher.example")
    lines = KIND.parse(str(file))
    assert lines == Lines(str(file), frozenset({"example.org", ".example.net", "xn--bcher-kva.example"}))
    assert KIND.show(lines) == f'"{file}"'


def test_no_file_is_an_empty_list() -> None:
    assert KIND.parse("") == Lines()
    assert KIND.show(Lines()) == '""'


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "domains"
    file.write_text("example.org")
    before = KIND.parse(str(file))
    file.write_text("example.net")
    assert before.entries == {"example.org"}
    assert KIND.parse(str(file)).entries == {"example.net"}


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "domains"
    file.write_text("example.org\n# no\njoe@example.org\n")
    with pytest.raises(ValueError, match=rf'^{file}:3: must be a domain .*, not "joe@example\.org"$'):
        KIND.parse(str(file))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^cannot read {tmp_path}/none: No such file"):
        KIND.parse(f"{tmp_path}/none")
    with pytest.raises(ValueError, match=rf"^cannot read {tmp_path}: Is a directory"):
        KIND.parse(str(tmp_path))
    (tmp_path / "latin").write_bytes(b"b\xfccher.example\n")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/latin is not text in UTF-8$"):
        KIND.parse(f"{tmp_path}/latin")


@pytest.mark.parametrize("raw", ["domains", "./domains", "/a\0b", 5, None, ["/a"]])
def test_what_is_no_path(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        KIND.parse(raw)
