"""Messages and client dialogues that the scenario shelves share."""

from __future__ import annotations

from tests.interop.differential.scenario import Step

DATE = "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"

MESSAGE = (
    "From: a@example.com\r\nTo: user1@example.org\r\nSubject: hello\r\nMessage-ID: <1@example.com>\r\n"
    + DATE
    + "\r\nline one\r\nline two\r\n"
)

HEADERS = (
    "Received: from up1; d1\r\nReceived: from up2; d2\r\nX-A: one\r\nX-A: two\r\nX-A: three\r\n"
    "From: a@example.com\r\nTo: user1@example.org\r\nSubject: s\r\nMessage-ID: <1@example.com>\r\n"
    + DATE
    + "X-Folded: first\r\n second\r\n\tthird\r\nX-Empty:\r\nX-Tight:x\r\nX-Two:  y\r\n"
    + "\r\nline one\r\n.dotted\r\n"
)

QUIT: Step = ("line", "QUIT")


def ehlo(name: str = "client.example.com") -> Step:
    """EHLO."""
    return ("line", f"EHLO {name}")


def mail(sender: str = "a@example.com", args: str = "") -> Step:
    """MAIL FROM."""
    return ("line", f"MAIL FROM:<{sender}>{args}")


def rcpt(recipient: str = "user1@example.org", args: str = "") -> Step:
    """RCPT TO."""
    return ("line", f"RCPT TO:<{recipient}>{args}")


def message(text: str = MESSAGE) -> Step:
    """DATA with this text."""
    return ("message", text)


def transaction(text: str = MESSAGE, sender: str = "a@example.com", *recipients: str) -> tuple[Step, ...]:
    """MAIL, RCPT…, DATA."""
    return (mail(sender), *map(rcpt, recipients or ("user1@example.org",)), message(text))


ONE_MESSAGE = (ehlo(), *transaction(), QUIT)
TWO_MESSAGES = (
    ehlo(),
    *transaction(MESSAGE, "a@example.com", "user1@example.org", "user2@example.org"),
    *transaction(MESSAGE, "b@example.com"),
    QUIT,
)
WITH_UNKNOWN = (
    ehlo(),
    ("line", "XYZZY one two"),
    mail(),
    ("line", "XYZZY three"),
    rcpt(),
    message(),
    *transaction(MESSAGE, "b@example.com"),
    QUIT,
)
MANY_HEADERS = (ehlo(), *transaction(HEADERS), QUIT)
