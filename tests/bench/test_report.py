"""The verdicts: the worst figure counts, what was not measured is not claimed, errors fail."""

from collections.abc import Sequence

import pytest

from bench.measure import Case, Growth, Memory, Row, best
from bench.report import speed_table, verdicts


def row(
    cpu: float,
    *,
    path: str = "postmill",
    sockets: str = "unix",
    children: int = 3,
    errors: int = 0,
    concurrency: int = 20,
) -> Row:
    case = Case(path, children, sockets, concurrency)
    return Row(case, 1000, 500.0, 4.0, 9.0, cpu, 0.1, 0.1, {"closed": errors} if errors else {}, 0)


def met(rows: Sequence[Row], idle: Sequence[Memory] = (), grown: Sequence[Growth] = ()) -> list[bool | None]:
    return [verdict.met for verdict in verdicts(rows, idle, grown)]


@pytest.mark.parametrize("sockets", ["unix", "inet"])
@pytest.mark.parametrize(("cpu", "expected"), [(0.92, True), (0.93, False)])
def test_cpu_is_compared_with_that_of_the_relay(sockets: str, cpu: float, expected: bool) -> None:
    relay = row(1.0, sockets=sockets, path="relay")
    assert met([relay, row(cpu, sockets=sockets)]) == [expected, None, True]


def test_every_concurrency_is_judged_against_the_relay_at_the_same_one() -> None:
    rows = [row(0.6), row(0.5, concurrency=1), row(1.0, path="relay"), row(0.5, path="relay", concurrency=1)]
    found = verdicts(rows, [], [])
    assert [(verdict.met, verdict.text[:4]) for verdict in found[:2]] == [(True, "0.60"), (False, "1.00")]
    assert "0.60 at 20, 0.50 at 1 at once" in found[2].text


def test_without_the_relay_nothing_is_claimed_about_cpu() -> None:
    assert met([row(0.1)]) == [None, True]


@pytest.mark.parametrize("path", ["relay", "postmill"])
def test_sessions_that_failed_are_no_measure(path: str) -> None:
    rows = [row(1.0, path="relay", errors=path == "relay"), row(0.1, errors=path == "postmill")]
    assert met(rows) == [None, path == "relay"]


def test_one_milter_is_no_answer_to_the_target_of_three() -> None:
    rows = [row(1.0, children=1, path="relay"), row(0.1, children=1)]
    assert [verdict.text for verdict in verdicts(rows, [], [])] == [
        "0 errors in 1000 sessions, up to 20 at once (target: none)"
    ]


def test_an_error_fails() -> None:
    assert met([row(0.3, errors=1)]) == [None, False]


@pytest.mark.parametrize(("size", "expected"), [(24_999.0, True), (25_000.0, False)])
def test_memory_of_an_idle_session(size: float, expected: bool) -> None:
    assert met([], [Memory("unix", 3, 100, "H", size, 300)]) == [expected]


@pytest.mark.parametrize(("last", "expected"), [(30_500_000, True), (30_500_001, False)])
def test_growth_over_the_second_half_is_what_counts(last: int, expected: bool) -> None:
    samples = ((5_000, 20_000_000), (10_000, 30_000_000), (15_000, 50_000_000), (20_000, last))
    assert met([], [], [Growth("unix", 3, samples)]) == [expected]


def test_the_table_gives_the_ratio_to_the_straight_path() -> None:
    straight = Row(Case("straight", 3, "unix", 20), 1000, 100.0, 8.0, 9.0, None, 0.1, 0.1, {}, 0)
    ratios = list(speed_table([straight, row(0.3)]).columns[6].cells)
    assert ratios == ["", "0.50"]


def test_the_table_gives_the_ratio_to_the_relay() -> None:
    rows = [row(0.6, path="relay"), row(0.3), row(0.3, concurrency=1)]
    assert list(speed_table(rows).columns[8].cells) == ["", "[bold]0.50[/bold]", ""]


def test_the_best_round_keeps_the_errors_of_all() -> None:
    chosen = best([row(0.5, errors=2), row(0.3), row(0.4, errors=1)])
    assert (chosen.cpu, chosen.errors, chosen.sessions) == (0.3, {"closed": 3}, 3000)
