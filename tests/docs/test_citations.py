"""Every paragraph of the protocol that is cited anywhere exists."""

from __future__ import annotations

import pytest

from tests.docs.citations import PROTOCOL, Citation, citations, dead, headings, tree


def test_every_cited_paragraph_exists() -> None:
    lost = dead(tree(), headings(PROTOCOL.read_text(encoding="utf-8")))
    assert not lost, "\n".join(f"{c.file}:{c.line}: there is no protocol §{c.paragraph}" for c in lost)


def test_the_tree_cites_the_protocol() -> None:
    files = {citation.file for citation in tree()}
    assert {"src/postmill/wire/framing.py", "src/postmill/mail/reply.py", "docs/protocol.md"} <= files
    assert len({citation.paragraph for citation in tree()}) > 30


def test_paragraphs_are_numbered_without_gaps() -> None:
    numbers = [
        tuple(map(int, number.split("."))) for number in headings(PROTOCOL.read_text(encoding="utf-8"))
    ]
    assert numbers == sorted(set(numbers))
    for number in numbers:
        before = (*number[:-1], number[-1] - 1)
        assert before[-1] == 0 or before in numbers
    assert [number for number in numbers if len(number) == 1] == [(n,) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see protocol §3.3", ["3.3"]),
        ("(protocol §3.3, §3.4 and §9.5)", ["3.3", "3.4", "9.5"]),
        ("protocol §6.3 to\n  §6.7.", ["6.3", "6.7"]),
        ("protocol §12.", ["12"]),
        ("protocol §9.11)", ["9.11"]),
        ("RFC 5321 §4.2 and RFC 5322, §2.2", []),
        ("no sign, 3.3", []),
    ],
)
def test_what_counts_as_a_citation(text: str, found: list[str]) -> None:
    assert [citation.paragraph for citation in citations("f", text)] == found


def test_a_dead_citation_is_found() -> None:
    there = headings(PROTOCOL.read_text(encoding="utf-8"))
    planted = '"""Alive (protocol §3.2, §10)\n\nand dead (protocol §3.9, §11, §3.2.1)."""'
    assert dead(citations("planted.py", planted), there) == [
        Citation("planted.py", 3, "3.9"),
        Citation("planted.py", 3, "11"),
        Citation("planted.py", 3, "3.2.1"),
    ]
