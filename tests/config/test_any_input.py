"""Whatever stands in the file, ``load`` gives a configuration or ConfigErrors, and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from postmill.config import ConfigErrors, load
from postmill.config.describing import entries

KEYS = [entry.key.replace("NAME", "a") for entry in entries()]
TABLES = sorted({key.rpartition(".")[0] for key in KEYS})
VALUES = [
    "1",
    '"5s"',
    "true",
    "[]",
    '["unix:/a"]',
    "{}",
    "{ a = 1 }",
    "1979-05-27",
    "nan",
    '"off"',
    "''",
    '"1MB"',
]
LINES = st.one_of(
    st.sampled_from(
        [f"[{table}]" for table in TABLES] + [f"[[{table}]]" for table in TABLES] + ["[x]", "[milters]"]
    ),
    st.tuples(
        st.sampled_from([key.rpartition(".")[2] for key in KEYS] + KEYS + ["x"]), st.sampled_from(VALUES)
    ).map(" = ".join),
)


def check(data: bytes) -> None:
    """Load the data: it is a configuration, or every problem names the file and has words."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        try:
            loaded = load(file.name)
        except ConfigErrors as caught:
            problems = caught.problems
        else:
            assert set(loaded.origins) >= {"manager.listen", "log.level"}
            return
    assert problems
    assert all(problem.file == file.name and problem.message for problem in problems)


@given(st.lists(LINES, max_size=10))
def test_documents_of_known_words(lines: list[str]) -> None:
    check("\n".join(lines).encode())


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.text(st.sampled_from("[]{}=.,#'\"\\\n\r\t a1-"), max_size=40))
def test_any_punctuation(text: str) -> None:
    check(text.encode())
