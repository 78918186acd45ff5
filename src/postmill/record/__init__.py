"""The record of a message as a value, and the folding of the brain's notes into it.

Everything that looks at mail (log line, later metrics, history, dashboard) reads this record; ``tally``
counts what records say, and nothing else counts anything. What becomes of a finished record is decided by
whoever hands in the sink.
"""

from postmill.record.change import Change
from postmill.record.journey import Cell, Journey, Row, journey_of
from postmill.record.recorder import Recorder
from postmill.record.tally import CLASSES, ChildTally, Histogram, Tally, percentile, spent
from postmill.record.text import one_line
from postmill.record.value import Answer, ChildRecord, Decision, MessageRecord, Recipient

__all__ = [
    "CLASSES",
    "Answer",
    "Cell",
    "Change",
    "ChildRecord",
    "ChildTally",
    "Decision",
    "Histogram",
    "Journey",
    "MessageRecord",
    "Recipient",
    "Recorder",
    "Row",
    "Tally",
    "journey_of",
    "one_line",
    "percentile",
    "spent",
]
