"""Ruby itself as the judge: what it does when it runs a configuration is what we read in it.

Ruby runs configurations against objects that only write down what is done to them (``witness.rb``). What we
print is as good for it as for us, and whatever Ruby program there is on the machine comes through our reader.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from postmill.conditions import shelf
from postmill.config import parse
from postmill.migration.faults import Unreadable
from postmill.migration.grammar import Assignment, Block, Call, Statement, read, read_value
from postmill.migration.importing import import_texts
from postmill.migration.printing import as_milter_manager
from postmill.migration.ruby import literal
from postmill.migration.tokens import UNKNOWN, Pattern

RUBY = shutil.which("ruby")
pytestmark = [pytest.mark.interop, pytest.mark.skipif(RUBY is None, reason="ruby is not installed")]

HERE = Path(__file__).parent
DATA = sorted((HERE / "data").glob("*.conf"))


def witnessed(*files: Path) -> list[Any]:
    command = [str(RUBY), str(HERE / "witness.rb"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def plain(value: Any) -> Any:
    if isinstance(value, Pattern):
        return {"source": value.source.replace("\\/", "/"), "ignores_case": "i" in value.flags}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def as_done(statements: Sequence[Statement], block: str = "") -> Iterator[list[Any]]:
    """Say what running the statements does, as Ruby sees it."""
    for one in statements:
        owner = "block" if block and getattr(one, "owner", "") == block else getattr(one, "owner", "")
        if isinstance(one, Assignment):
            yield from before(owner, one)
            if one.operator == "=":
                yield [owner, f"{one.name}=", [plain(one.value)], {}]
        elif isinstance(one, Call):
            yield [owner, one.name, plain(one.values), plain(one.options)]
        elif isinstance(one, Block):
            yield ["", one.name, [one.argument], {}]
            yield ["", "begin"]
            yield from as_done(one.statements, one.variable)
            yield ["", "end"]
        else:
            raise AssertionError(f"line {one.line} is not understood")


def before(owner: str, one: Assignment) -> Iterator[list[Any]]:
    """``+=`` reads first; what it reads from the witness is nil, so it is left at that."""
    if one.operator != "=":
        yield [owner, one.name, [], {}]


def without_sums(text: str) -> str:
    """Nothing can be added to what the witness gives."""
    return "\n".join(line for line in text.splitlines() if "+= [" not in line and "-= [" not in line)


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.stem)
def test_a_configuration(file: Path, tmp_path: Path) -> None:
    text = without_sums(file.read_text())
    copy = tmp_path / "x.conf"
    copy.write_text(text)
    assert witnessed(copy) == [list(as_done(read(text)))]


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.stem)
def test_what_we_print(file: Path, tmp_path: Path) -> None:
    toml = import_texts({"x": file.read_text()}, shelf()).toml
    printed = as_milter_manager(parse("p.toml", toml, shelf()))
    copy = tmp_path / "x.conf"
    copy.write_text(printed)
    assert witnessed(copy) == [list(as_done(read(printed)))]


PIECES = st.sampled_from(
    [
        '\\"', "\\\\", "\\n", "\\s", "\\e", "\\0", "\\101", "\\x41", "\\u3042", "\\u{41 42}", "\\q", "\\#", "#", "{", "}",
        "'", "a", "é", " ", "\\'", "#{1}", "\\#{1}", "\\\n", "%", "/", "$", "#$", "@",
    ]
)  # fmt: skip
LITERALS = st.one_of(
    st.lists(PIECES).map(lambda pieces: f'"{"".join(pieces)}"'),
    st.lists(PIECES).map(lambda pieces: "'" + "".join(piece for piece in pieces if piece != "'") + "'"),
    st.text(st.characters(codec="utf-8", exclude_characters="\r")).map(literal),
    st.sampled_from(
        ["1_000", "0660", "0o17", "0x1F", "0b101", "-7", "2.5e-1", "1e3", "0", "00", ":a", ':"b c"', "nil"]
    ),
    st.sampled_from(
        [r"/a\/b/i", "%r{a/b}", "%w[a b]", "%q(a (b))", "%Q[a]", "[1, 'a', nil,]", r"/\A[^.]*\d{5}/"]
    ),
)


def value_of(text: str) -> Any:
    try:
        return read_value(text)
    except Unreadable:  # `"#$"`, in which the quote is a part of the variable's name
        return UNKNOWN


@settings(max_examples=8, phases=[Phase.generate])
@given(st.lists(LITERALS, min_size=60, max_size=60))
def test_literals(tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
    understood = [(text, value) for text in written if (value := value_of(text)) is not UNKNOWN]
    file = tmp_path_factory.mktemp("ruby") / "x.conf"
    file.write_text("".join(f"manager.x = {text}\n" for text, _ in understood))
    assert [done[2][0] for done in witnessed(file)[0]] == [plain(value) for _, value in understood]


def test_every_program_on_this_machine_is_whole() -> None:
    """Blocks, strings and here-documents of real programs end where Ruby says they do: none is left open."""
    programs = sorted(Path("/usr/lib/ruby").rglob("*.rb"))[::3]
    assert len(programs) > 100
    for program in programs:
        read(program.read_text(errors="surrogateescape").replace("\r\n", "\n"))
