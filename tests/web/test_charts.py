"""Charts as values: nothing is lost between a count and what is drawn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.record import Tally
from postmill.web import shown
from postmill.web.archive import PERIODS, Period
from postmill.web.charts import HEIGHT, VERDICTS, bars, latencies, slowest_stage, starts

HOUR = PERIODS[0]
NOW = 1_700_000_000.0


@given(
    st.dictionaries(
        st.integers(0, 59), st.dictionaries(st.sampled_from(VERDICTS), st.integers(1, 10**9), min_size=1)
    )
)
def test_bars_are_as_high_as_the_counts(counted: dict[int, dict[str, int]]) -> None:
    moments = starts(HOUR, NOW)
    chart = bars({moments[place]: counts for place, counts in counted.items()}, HOUR, NOW, VERDICTS)
    assert chart.width == len(chart.steps) == 60
    top = float(chart.scale[0].replace(",", ""))
    assert float(chart.scale[1].replace(",", "")) * 2 == top
    for place, step in enumerate(chart.steps):
        counts = counted.get(place, {})
        assert {part.name: part.height for part in step.parts} == {
            name: pytest.approx(HEIGHT * count / top, abs=0.01) for name, count in counts.items()
        }
        edge = HEIGHT
        for part in step.parts:
            assert part.y + part.height == pytest.approx(edge, abs=0.02)
            edge = part.y
        assert edge >= -0.02
    sums = {
        name: shown.number(sum(each.get(name, 0) for each in counted.values())) for name, _ in chart.names
    }
    assert dict(chart.names) == sums


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_a_period_ends_now(period: Period) -> None:
    moments = starts(period, NOW)
    assert moments[-1] <= NOW < moments[-1] + period.step
    assert len(moments) * period.step == period.length


def test_lines_have_gaps_where_nothing_was_asked() -> None:
    moments = starts(HOUR, NOW)
    spans: dict[int, Tally] = {}
    for place in (3, 4, 9):
        tally = spans[moments[place]] = Tally()
        tally.child("spam").times = {"end-of-message": {60: 99, 80: 1}}
    chart = latencies(spans, "spam", "end-of-message", HOUR, NOW)
    assert [line.name for line in chart.lines] == ["p50", "p99"]
    assert [len(re.findall("M", line.path)) for line in chart.lines] == [2, 2]
    assert re.fullmatch(r"M3.2 [\d.]+H3.8L4.2 [\d.]+H4.8M9.2 [\d.]+H9.8", chart.lines[0].path)
    assert [bool(step.values) for step in chart.steps[2:5]] == [False, True, True]
    empty = latencies({}, "spam", "end-of-message", HOUR, NOW)
    assert (empty.names, [line.path for line in empty.lines]) == ((), ["", ""])


def test_the_stage_that_takes_time() -> None:
    assert slowest_stage({"connect": {80: 1}, "end-of-message": {4: 1}}) == "end-of-message"
    assert slowest_stage({"connect": {8: 1}, "rcpt": {40: 1}}) == "rcpt"
    assert slowest_stage({}) == ""


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[1m", r"\x1b[1m"),
        ("a\u202eb", r"a\u202eb"),
        ("ü 中", "ü 中"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_no_character_is_invisible(text: str, seen: str) -> None:
    assert shown.visible(text) == seen


@pytest.mark.parametrize(
    ("shown_value", "text"),
    [
        (shown.number(1234567), "1,234,567"), (shown.share(1, 0), "–"), (shown.share(1, 3), "33 %"), (shown.share(1, 300), "0.3 %"),
        (shown.share(0, 5), "0 %"), (shown.milliseconds(0.31), "0.3 ms"), (shown.milliseconds(431.2), "431 ms"),
        (shown.milliseconds(61_000), "61.0 s"), (shown.size(500), "500 bytes"), (shown.size(3 << 20), "3.0 MB"),
        (shown.span(0.2), "0 s"), (shown.span(3661), "1 h 1 min"), (shown.span(90000), "1 d 1 h"), (shown.span(86400), "1 d"),
        (shown.address("<a@b>"), "a@b"), (shown.address("<>"), "<>"), (shown.address(None), ""),
    ],
)  # fmt: skip
def test_values_as_people_read_them(shown_value: str, text: str) -> None:
    assert shown_value == text
