"""The picture of a message's way."""

from __future__ import annotations

from postmill.record import Answer, ChildRecord, Decision, MessageRecord, journey_of


def test_stages_across_and_children_down() -> None:
    asked = ChildRecord(
        "spam",
        [
            Answer("mail", "continue", 1.0),
            Answer("rcpt", "continue", 1.0),
            Answer("rcpt", "reject", 2.0, "550 5.1.1 no"),
            Answer("rcpt", "continue", 4.0),
            Answer("body", "continue", 0.5),
            Answer("end-of-message", "tempfail", 0.5, "451 4.7.1 later", "busy"),
        ],
    )
    skipped = ChildRecord("virus", conditions={"trust": Decision("trust", False, "trusted domain")})
    picture = journey_of(MessageRecord(by="spam", children={"spam": asked, "virus": skipped}))
    assert picture.columns == ("mail", "rcpt", "message")
    spam, virus = picture.rows
    assert {column: (cell.verdict, cell.ms) for column, cell in spam.cells.items()} == {
        "mail": ("continue", 1.0),
        "rcpt": ("reject", 7.0),
        "message": ("tempfail", 1.0),
    }
    assert (spam.decided, virus.decided) == (True, False)
    assert spam.last is not None
    assert spam.last.text == "451 4.7.1 later"
    assert (virus.cells, virus.last) == ({}, None)


def test_nobody_was_asked() -> None:
    assert journey_of(MessageRecord()).columns == ()
