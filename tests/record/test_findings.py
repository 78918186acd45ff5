"""What is read out of the headers that milters are known by."""

from __future__ import annotations

import pytest

from postmill.record import Change, ChildRecord, MessageRecord, Tally
from postmill.record.findings import findings_of


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("X-Spam-Flag", "YES", ["spam"]),
        ("x-spam", "Yes", ["spam"]),
        ("X-Spam-Flag", "NO", []),
        ("X-Spam-Status", "No, score=0.1 required=5.0 tests=DKIM_VALID\n autolearn=ham", []),
        (
            "X-Spam-Status",
            "Yes, score=9 required=5 tests=BAYES_99,\n\tURIBL_BLACK autolearn=no",
            ["spam", "uribl"],
        ),
        ("X-Spam-Status", "No, score=0 tests=NONE autolearn=URIBL_x", []),
        ("X-Virus-Status", "Infected (Eicar-Test-Signature)", ["virus"]),
        ("X-Virus-Status", "Clean", []),
        (
            "Authentication-Results",
            "mx.example.org; spf=pass smtp.mailfrom=a.example; dkim=hardfail (x)\n reason=spf; dmarc=none",
            ["spf=pass", "dkim=fail", "dmarc=none"],
        ),
        ("Authentication-Results", "mx.example.org; none", []),
        ("Received-SPF", "softfail (mx: domain of a) client-ip=192.0.2.1", ["spf=softfail"]),
        ("Received-SPF", "nonsense (x)", []),
        ("X-Greylist", "Delayed for 00:05:01 by milter-greylist-4.6.4", ["greylisting=pass"]),
        ("X-Greylist", "Message whitelisted by tarpit 65s, not delayed", ["tarpitting=pass"]),
        ("X-Greylist", "Sender passed SPF test, not delayed by x", ["spf=pass"]),
        ("Subject", "YES", []),
    ],
)
def test_a_header_says(name: str, value: str, said: list[str]) -> None:
    assert list(findings_of(name, value)) == said


def test_a_message_counts_once_for_each_and_a_child_by_itself() -> None:
    flag = [Change("add-header", "X-Spam-Flag", "", "YES"), Change("add-header", "X-Spam", "", "Yes")]
    one, two = ChildRecord("one", changes=flag), ChildRecord("two", changes=flag[:1])
    trial = ChildRecord("trial", changes=flag, evaluated=True)
    tally = Tally()
    for verdict in ("accept", "reject"):
        children = {child.name: child for child in (one, two, trial)}
        tally.add(MessageRecord(sender="<a@example.com>", verdict=verdict, children=children), 1.0)
    assert tally.findings == {"spam": 1}
    assert {name: child.findings for name, child in tally.children.items()} == {
        "one": {"spam": 1},
        "two": {"spam": 1},
        "trial": {},
    }
    again = Tally()
    again.merge(tally.as_dict())
    again.merge(Tally().as_dict())
    assert again.as_dict() == tally.as_dict()


def test_what_was_stored_before_findings_were_counted_can_still_be_added() -> None:
    tally = Tally()
    tally.add(MessageRecord(sender="", verdict="accept", children={"one": ChildRecord("one")}), 1.0)
    old = tally.as_dict()
    del old["findings"], old["children"]["one"]["findings"]
    again = Tally()
    again.merge(old)
    assert again.as_dict() == tally.as_dict()
