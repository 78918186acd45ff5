"""What milter-manager's own lines come to in our words."""

from __future__ import annotations

import pytest

from postmill.graphs.manager_lines import counter_of
from postmill.record import Tally

LINES = (
    "[statistics] [milter][end][end-of-message][pass][0.31](28): milter-greylist",
    "[statistics] [milter][end][helo][stop][0.002](28): clamav-milter",
    "[statistics] [milter][end][end-of-message][reject][1.5](29): spamass-milter",
    "[statistics] [milter][end][connect][error][5.1](30): opendkim",
    "[statistics] [milter][end][envelope-recipient][temporary-failure][0.2](31): milter-greylist",
    "[statistics] [milter][header][add](28): <X-Spam-Flag>=<YES>: spamass-milter",
    "[statistics] [milter][header][add](28): <X-Spam-Status>=<Yes, tests=A,URIBL_BLACK autolearn=no>: spamass-milter",
    "[statistics] [session][header][add](28): <X-Spam-Flag>=<YES>",
    "[statistics] [session][end][end-of-message][pass][0.4](28)",
    "[statistics] [session][end][end-of-message][reject][1.6](29)",
    "[statistics] [session][end][connect][abort][1e-01](30)",
    "[statistics] [session][end][envelope-recipient][temporary-failure][0.3](31)",
    "[statistics] [session][disconnected][2.2](32)",
    "[statistics] [sessions][finished] 29(+2) 3",
    "[statistics] [reply][end-of-message][quarantine](33)",
)


def test_all_lines_together() -> None:
    tally = Tally()
    for line in LINES:
        if counter := counter_of(line):
            counter(tally)
    assert tally.sessions == 4
    assert tally.open_seconds == pytest.approx(0.4 + 1.6 + 0.1 + 0.3)
    assert tally.messages == {"accept": 1, "reject": 1, "tempfail": 1}
    assert tally.connections == {"aborted": 1, "disconnected": 1}
    assert tally.tagged == {"X-Spam-Flag": 1, "X-Spam-Status": 1}
    assert tally.findings == {"spam": 2, "uribl": 1}
    children = tally.children
    assert children["milter-greylist"].verdicts == {"continue": 1, "tempfail": 1}
    assert children["clamav-milter"].skipped == {"stopped at helo": 1}
    assert children["clamav-milter"].asked == 0
    assert children["spamass-milter"].findings == {"spam": 2, "uribl": 1}
    assert children["opendkim"].errors == {"error": 1}


def test_lines_of_its_older_versions() -> None:
    tally = Tally()
    for line in (
        "[session][end][0.4](1)",
        "[reply][end-of-message][continue]",
        "[reply][helo][continue]",
        "[abort][data]",
    ):
        counter = counter_of(f"[statistics] {line}")
        assert counter is not None
        counter(tally)
    assert (tally.sessions, tally.messages) == (1, {"accept": 1, "aborted": 1})


@pytest.mark.parametrize(
    "text", ["", "[statistics] ", "[28] [milter][end] x", "[statistics] [maintain][memory] 12"]
)
def test_lines_that_count_nothing(text: str) -> None:
    assert counter_of(text) is None
