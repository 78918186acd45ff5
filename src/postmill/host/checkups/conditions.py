"""Whether the conditions of the milters answer: each is tried with a few mails, without a network."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.daemon.composition import plan_of
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.testing.policy_cases import Case, CaseClient, Placed
from postmill.testing.policy_playing import play_case

PLACE = 1
_NAME = "conditions"
_MARK = "lost:condition"
_MAILS = (
    Case("a plain mail"),
    Case("a bounce", sender=""),
    Case("a mail of a user", user="alice"),
    Case("a mail from an unnamed IPv6 client", client=CaseClient(name="unknown", address="2001:db8::25")),
    Case("a mail to two recipients", recipients=("one@example.org", "two@example.org")),
)
"""Different enough to reach the branches of most conditions."""


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Play mails through the chain, as ``postmill policy test`` does, and look for conditions that fail."""
    if patient.loaded is None or not any(milter.when for milter in patient.children):
        return
    plan = plan_of(patient.loaded.settings)
    failures: dict[tuple[str, str], str] = {}
    for case in _MAILS:
        record = play_case(plan, Placed(case, patient.config_file, 0)).record
        for child in record.children.values():
            for answer in child.answers:
                if answer.verdict == _MARK:
                    failures.setdefault((child.name, answer.text), case.name)
    on_error = {milter.name: milter.on_error for milter in patient.children}
    for (name, text), mail in failures.items():
        advice = f"until it is mended, on_error of {name}, {on_error[name]}, decides about every such mail"
        yield Diagnosis(_NAME, Level.ERROR, f"{name}, with {mail}: {text}", advice)
    if not failures:
        yield Diagnosis(_NAME, Level.OK, "every condition answers")
