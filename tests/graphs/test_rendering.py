"""Pictures and pages: everything a page names is there, nothing is fetched from elsewhere, numbers are right."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from postmill.graphs.drawing import PERIODS
from postmill.graphs.pages import amount
from postmill.graphs.rendering import due, render
from postmill.graphs.store import Store
from postmill.graphs.updating import update
from postmill.record import Tally
from tests.graphs.databases import NOW, put, real_rrdtool, tally

pytestmark = real_rrdtool
MINUTES = NOW // 60 * 60
VOID = {"meta", "img", "source", "link", "br"}


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "graphs")
    with store.locked():
        yield store


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Graphs of a history; what a test changes in them, it puts back."""
    directory = tmp_path_factory.mktemp("graphs")
    url, place = f"sqlite:{directory}/history.db", Store(directory / "graphs")
    odd = Tally()
    odd.tagged = {'X-<b>"odd"</b>': 3, "": 1, **{f"X-{n}": n for n in range(1, 15)}}
    odd.findings = {"spf=pass": 2}
    odd.child("a..b/c").errors = {"timeout": 2}
    put(
        url,
        *((MINUTES - 60 * n, 60, tally(n, 1, name="spam")) for n in range(4, 44)),
        *((MINUTES - 60 * n, 60, tally(1, ms=2000.0, name="av")) for n in range(4, 44, 9)),
        (MINUTES - 3000, 60, odd),
        (MINUTES // 3600 * 3600 - 20 * 86400, 3600, tally(100, name="gone")),
    )
    with place.locked():
        update(place, url, NOW)
        render(place, "Mail <through> & mx1", NOW)
    return place


def pages(place: Store) -> dict[str, str]:
    return {file.name: file.read_text() for file in place.html.glob("*.html")}


def test_there_is_a_page_for_each_period_and_all_it_names(drawn: Store) -> None:
    found = pages(drawn)
    assert set(found) == {"index.html", "hour.html", "week.html", "month.html", "year.html"}
    named: set[str] = set()
    for text in found.values():
        page = Page(text)
        assert not page.tags & {"script", "iframe", "object", "link"}
        for link in page.links:
            assert not re.match(r"[a-z]+:|//|/", link), "nothing from elsewhere"
            if not link.startswith("#"):
                assert (drawn.html / link).is_file()
                named.add(link)
        assert {f"#{one}" for one in re.findall(r' id="(s\d+)"', text)} >= set(
            re.findall(r'href="(#.*?)"', text)
        )
        assert "url(" not in text
        assert "@import" not in text
    assert {file.name for file in drawn.html.iterdir()} == named


def test_pictures_are_pictures(drawn: Store) -> None:
    pictures = list(drawn.html.glob("*.png"))
    assert len(pictures) > 100
    for picture in pictures:
        data = picture.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", data[16:24]) == (840, 340)
    light = {picture.name for picture in pictures if "-light" in picture.name}
    assert {name.replace("-light", "-dark") for name in light} == {one.name for one in pictures} - light


def test_names_and_numbers_are_written_out(drawn: Store) -> None:
    text = pages(drawn)["hour.html"]
    assert "<title>Mail &lt;through&gt; &amp; mx1: hour</title>" in text
    assert "X-&lt;b&gt;&quot;odd&quot;&lt;/b&gt;" in text
    assert "<b>odd" not in text
    assert 'alt="Messages by verdict: reject 40, accept 945"' in text
    assert ">a..b/c</h2>" in text


def test_what_is_too_old_for_a_page_is_not_on_it(drawn: Store) -> None:
    found = pages(drawn)
    assert ">gone</h2>" in found["month.html"]
    assert ">gone</h2>" not in found["week.html"]


def test_pictures_of_what_is_gone_are_removed(drawn: Store, tmp_path: Path) -> None:
    shutil.copytree(drawn.data.parent, tmp_path / "copy")
    drawn = Store(tmp_path / "copy")
    assert list(drawn.html.glob("month-milter-gone-*.png"))
    for file in (drawn.databases / "child" / "gone").rglob("*.rrd"):
        file.unlink()
    render(drawn, "Mail", NOW)
    assert not list(drawn.html.glob("month-milter-gone-*.png"))


def test_pages_without_anything(place: Store) -> None:
    assert len(render(place, "Mail", NOW)) == len(PERIODS)
    assert all("Nothing was counted" in text and Page(text) for text in pages(place).values())


def test_a_page_is_due_when_it_would_look_different(drawn: Store) -> None:
    written = drawn.written("year.html")
    assert due(drawn, written + 1) == []
    assert [period.name for period in due(drawn, written + 300)] == ["hour", "day"]
    assert due(drawn, written + 86400) == list(PERIODS)
    assert due(Store(drawn.data), 10e9) == list(PERIODS), "those that are not there"


@pytest.mark.parametrize(
    ("number", "text"), [(12345.6, "12,346"), (3.0, "3"), (3.21, "3.2"), (0.0412, "0.041"), (0.0, "0")]
)
def test_amounts(number: float, text: str) -> None:
    assert amount(number) == text
