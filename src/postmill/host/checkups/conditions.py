"""Whether the conditions of the milters answer: each is tried with a plain mail, without a network."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.daemon.composition import plan_of
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.testing.policy_cases import Case, Placed
from postmill.testing.policy_playing import play_case

PLACE = 1
_MARK = "lost:condition"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Play a mail through the chain, as ``postmill policy test`` does, and look for conditions that fail."""
    if patient.loaded is None or not any(milter.when for milter in patient.milters):
        return
    case = Placed(Case("a plain mail"), patient.config_file, 0)
    record = play_case(plan_of(patient.loaded.settings), case).record
    failed = False
    for child in record.children.values():
        for answer in child.answers:
            if answer.verdict == _MARK:
                failed = True
                advice = f"until it is mended, the on_error of {child.name} decides about every such mail"
                yield Diagnosis("conditions", Level.ERROR, f"{child.name}: {answer.text}", advice)
    if not failed:
        yield Diagnosis("conditions", Level.OK, "every condition answers")
