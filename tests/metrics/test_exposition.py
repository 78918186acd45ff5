"""Metrics are what the status says, in both formats, and the catalogue is what comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from postmill.metrics import CATALOGUE, LABELS
from postmill.metrics.exposition import IncompleteError, render
from postmill.metrics.values import FAULTS, MESSAGE_VERDICTS, MILTER_VERDICTS
from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Tally
from tests.daemon.test_status import child, of, report
from tests.metrics.reading import Samples, openmetrics, samples

FACTS = {
    "postmill": "1.2.3",
    "state": "serving",
    "started": 1_700_000_000.5,
    "configuration": {"file": "/etc/postmill/postmill.toml", "since": 1_700_000_600.0},
}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def the_status(*tallies: Tally, **more: Any) -> dict[str, Any]:
    """What the daemon says with a worker for each tally, after its way over the control socket."""
    reports = [report(child(links=2, queued=1), tally, sessions=3) for tally in tallies]
    return {**json.loads(json.dumps({**of(*reports, **more), **FACTS}))}


def read(text: bytes, metric: str) -> Samples:
    """The samples of one name, by the values of their labels in the order of the catalogue."""
    found = samples(text_string_to_metric_families(text.decode()))
    return {key[1:]: value for key, value in found.items() if key[0] == metric}


def message(verdict: str = "accept", **child: Any) -> MessageRecord:
    record = ChildRecord("spam", **child)
    return MessageRecord(sender="<a@x>", verdict=verdict, children={"spam": record})


def tally(*records: MessageRecord, sessions: int = 0) -> Tally:
    counted = Tally()
    counted.sessions = sessions
    for record in records:
        counted.add(record, 1.0)
    return counted


def test_the_workers_are_added_up() -> None:
    refused = [Answer("mail", "continue", 0.5), Answer("end-of-message", "reject", 4.0)]
    one = tally(message("reject", answers=refused), sessions=1)
    one.messages["reject"] += 1
    two = tally(message("accept", changes=[Change("add-header", "X-Spam")]), sessions=2)
    text, _ = render(the_status(one, two, past=tally(message("tempfail"), sessions=4)))
    messages = read(text, "postmill_messages_total")
    assert messages == {(v,): {"reject": 2, "accept": 1, "tempfail": 1}.get(v, 0) for v in MESSAGE_VERDICTS}
    assert read(text, "postmill_sessions_total") == {(): 7}
    assert read(text, "postmill_open_sessions") == {(): 6}
    assert read(text, "postmill_tagged_messages_total") == {("X-Spam",): 1}
    assert read(text, "postmill_milter_links") == {("spam",): 4}
    assert read(text, "postmill_workers") == {("serving",): 2, ("finishing",): 0}


def test_what_is_known_of_a_milter() -> None:
    trust = {"trust": Decision("trust", False, "known")}
    counted = tally(
        message("reject", answers=[Answer("mail", "reject", 1.0)]),
        message("accept", answers=[Answer("mail", "lost:timeout", 9.0)]),
        message("accept", conditions=trust),
        message("accept", answers=[Answer("mail", "reject", 1.0)], evaluated=True),
    )
    counted.children["spam"].decided["reject"] = 1
    text, _ = render(the_status(counted))
    assert read(text, "postmill_milter_asked_total") == {("spam",): 3}
    said = {"reject": 2, "lost": 1, "skipped": 1}
    assert read(text, "postmill_milter_verdicts_total") == {
        ("spam", v): said.get(v, 0) for v in MILTER_VERDICTS
    }
    assert read(text, "postmill_milter_errors_total") == {("spam", k): float(k == "timeout") for k in FAULTS}
    assert read(text, "postmill_milter_skipped_total") == {("spam", "trust"): 1}
    assert read(text, "postmill_milter_evaluated_total") == {("spam", "reject", "accept"): 1}
    assert read(text, "postmill_milter_decided_total") == {("spam", "reject"): 1}
    assert read(text, "postmill_milter_answer_seconds_count") == {("spam", "mail"): 2}


def test_states_and_modes_are_one_of_several() -> None:
    text, _ = render(the_status(Tally()))
    states = read(text, "postmill_milter_state")
    assert states[("spam", "up")] == 1
    assert sum(states.values()) == 1
    assert len(states) == 5
    assert read(text, "postmill_milter_mode")[("spam", "enforce")] == 1
    assert read(text, "postmill_state") == {("serving",): 1, ("draining",): 0, ("stopping",): 0}
    assert read(text, "postmill_start_time_seconds") == {(): 1_700_000_000.5}
    assert read(text, "postmill_build_info") == {("1.2.3",): 1}


def test_a_histogram_has_every_answer_below_its_bound() -> None:
    times = [0.01, 0.13, 0.2, 0.6, 1.0, 1.1, 40.0, 39_000.0, 290_000.0]
    answers = [Answer("mail", "continue", ms) for ms in times]
    text, _ = render(the_status(tally(message(answers=answers))))
    buckets = {labels[2]: n for labels, n in read(text, "postmill_milter_answer_seconds_bucket").items()}
    assert len(buckets) == 23
    assert next(iter(buckets)) == "0.000128"
    for bound, count in buckets.items():
        assert count == sum(ms / 1000 < float(bound) for ms in times), bound
    (total,) = read(text, "postmill_milter_answer_seconds_sum").values()
    assert total == pytest.approx(sum(times) / 1000, rel=0.1)


def test_smaller_numbers_are_not_told() -> None:
    silent = {**of(report(child()), None), **FACTS}
    with pytest.raises(IncompleteError, match="worker 2 does not react"):
        render(silent)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "text/plain; version=0.0.4"),
        ("text/html", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        (f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5", "application/openmetrics-text; version=1.0.0"),
    ],
)
def test_the_reader_chooses_the_format(accept: str, wanted: str) -> None:
    text, media_type = render(the_status(Tally()), accept)
    assert media_type.startswith(wanted)
    assert text.endswith(b"# EOF\n") == media_type.startswith("application/openmetrics")


WORDS = st.text(max_size=12)
RECORDS = st.builds(
    MessageRecord,
    sender=st.none() | WORDS,
    verdict=st.sampled_from(MESSAGE_VERDICTS),
    by=st.sampled_from(("", "spam", "virus")),
    children=st.dictionaries(
        st.sampled_from(("spam", "virus", 'odd "name"\\\n')),
        st.builds(
            ChildRecord,
            name=st.just("spam"),
            answers=st.lists(
                st.builds(
                    Answer,
                    st.sampled_from(("connect", "mail", "end-of-message")),
                    st.sampled_from(("continue", "reject", "lost:timeout")),
                    st.floats(0, 400_000),
                ),
                max_size=4,
            ),
            changes=st.lists(st.builds(Change, st.just("add-header"), WORDS), max_size=3),
            evaluated=st.booleans(),
        ),
        max_size=3,
    ),
)


def counted(tally: Tally) -> Samples:
    """All samples that count."""
    text, _ = render(the_status(tally), OPENMETRICS)
    families = openmetrics(text.decode())
    return samples(family for family in families if family.type in {"counter", "histogram"})


@given(st.lists(RECORDS, max_size=6), st.lists(RECORDS, max_size=6))
def test_whatever_happens_the_format_is_kept_and_no_counter_goes_down(
    first: list[MessageRecord], then: list[MessageRecord]
) -> None:
    before = counted(tally(*first))
    after = counted(tally(*first, *then))
    assert before.keys() <= after.keys()
    for name, value in before.items():
        assert after[name] >= value
    messages = sum(record.sender is not None for record in (*first, *then))
    assert sum(n for (name, *_), n in after.items() if name == "postmill_messages_total") == messages


def test_the_catalogue_is_whole() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    assert {label for metric in CATALOGUE for label in metric.labels} == LABELS.keys()
    everything = message(
        answers=[Answer("mail", "continue", 1.0)],
        changes=[Change("add-header", "X")],
        conditions={"trust": Decision("trust", False, "")},
    )
    everything.by = "spam"
    trial = message(answers=[Answer("mail", "continue", 1.0)], evaluated=True)
    refused = MessageRecord(verdict="reject")
    whole = tally(everything, trial, refused, message(conditions={"trust": Decision("trust", False, "")}))
    status = the_status(whole)
    status["milters"][0]["pool"] = {"idle": 4, "trust": "proven", "why": ""}
    text, _ = render(status)
    families = list(text_string_to_metric_families(text.decode()))
    assert {sample.name for family in families for sample in family.samples} == {
        name for metric in CATALOGUE for name in metric.series
    }
    kinds = {family.name: (family.type, family.documentation) for family in families}
    assert kinds == {metric.family: (metric.kind, metric.meaning) for metric in CATALOGUE}
    for metric in CATALOGUE:
        for family in families:
            for sample in family.samples if family.name == metric.family else ():
                assert sample.labels.keys() - {"le"} == {*metric.labels}
