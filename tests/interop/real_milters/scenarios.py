"""The conversations that both arrangements of the six milters hear, each with what must come of it.

`EXPECTED` says what a scenario is there for, so that two arrangements which agree on nonsense do not pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from tests.stack import messages
from tests.stack.dialogue import Client, Mail
from tests.stack.filters import Filters
from tests.stack.messages import attached, eicar, gtube, message, signed
from tests.stack.milter_greylist import Known
from tests.stack.outcome import Outcome
from tests.stack.spamd import MIDDLING

OUTSIDE = Client("192.0.2.5", "mail.ext.example")
IMPOSTOR = Client("198.51.100.10", "mail.bad.example")
LOCAL = Client()

ALICE, BOB, CAROL = "alice@test.example", "bob@test.example", "carol@test.example"
HAM, SPAMMER, STRANGER = "ham@ext.example", "spam@ext.example", "stranger@ext.example"
#: Senders of tests that send by one way only: what milter-greylist learns of them is of no consequence.
CROWD, CROWD_STRANGER = "crowd@ext.example", "crowd-stranger@ext.example"

#: Sender and recipient pairs that milter-greylist has let wait long enough, from each client. Carol's mail
#: and the stranger's are not among them.
KNOWN = [
    Known(client.address, sender, recipient)
    for client in (OUTSIDE, IMPOSTOR, LOCAL)
    for sender in (HAM, SPAMMER, ALICE, CROWD, "")
    for recipient in (ALICE, BOB)
]

Steps = list[Mail | str]


@dataclass(frozen=True)
class Scenario:
    """Who connects, what is said, and a predicate that the outcome must satisfy."""

    client: Client
    steps: Callable[[Filters], Steps]
    expected: Callable[[Outcome], bool]


def mail(text: bytes | EmailMessage, sender: str = HAM, *recipients: str) -> Mail:
    """Return `text` with an envelope; to Alice unless told otherwise."""
    content = text if isinstance(text, bytes) else text.as_bytes()
    return Mail(sender, recipients or (ALICE,), content)


def one(text: bytes | EmailMessage, sender: str = HAM, *recipients: str) -> Callable[[Filters], Steps]:
    """Return the steps of a session with a single message."""
    return lambda filters: [mail(text, sender, *recipients)]


def delivers(*marks: str) -> Callable[[Outcome], bool]:
    """One message arrives, with each of the `marks` in it."""
    return lambda outcome: len(outcome.delivered) == 1 and all(mark in outcome.delivered[0] for mark in marks)


def refuses(reply: str) -> Callable[[Outcome], bool]:
    """Nothing arrives, and a reply contains `reply`."""
    return lambda outcome: not outcome.delivered and any(reply in line for line in outcome.replies)


def with_headers(*fields: tuple[str, str]) -> bytes:
    """Return a ham message with these header fields, repeated ones too, above its own."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return extra.encode() + message("Ham with history").as_bytes()


def own_mail(subject: str = "From Alice") -> EmailMessage:
    """Return a message of our own domain, which opendkim signs for local clients."""
    return message(subject, sender=ALICE)


def impostor_mail() -> EmailMessage:
    """Return a message whose domain asks for quarantine when SPF and DKIM fail."""
    return message("From an impostor")


def signed_outside(filters: Filters) -> Steps:
    """A good signature of the sender's own domain."""
    return [mail(signed(message("Signed ham").as_bytes(), filters.other_key))]


def signed_then_changed(filters: Filters) -> Steps:
    """A signature broken by a change to the body, in a domain whose policy is reject."""
    text = signed(message("Signed", sender=ALICE).as_bytes(), filters.own_key)
    return [mail(text.replace(b"lunch", b"dinner"), ALICE)]


def in_one_session(filters: Filters) -> Steps:
    """Good and bad mail by turns: a verdict must not reach into the next message."""
    return [
        mail(message("First")),
        mail(message("Bad spam", gtube()), SPAMMER),
        mail(message("Second"), HAM, BOB),
        f"MAIL FROM:<{HAM}>",
        "RSET",
        mail(attached("Bad virus", eicar().encode(), "eicar.com")),
        f"EHLO {OUTSIDE.name}",
        mail(message("Stranger"), STRANGER),
        mail(message("Third"), HAM, ALICE, BOB),
    ]


def many_in_one_session(filters: Filters) -> Steps:
    """More messages than any filter keeps a count of."""
    return [mail(message(f"Number {number}")) for number in range(6)]


def count(number: int) -> Callable[[Outcome], bool]:
    """So many messages arrive."""
    return lambda outcome: len(outcome.delivered) == number


def is_held(outcome: Outcome) -> bool:
    """The message is accepted and waits in the hold queue."""
    return len(outcome.held) == 1 and not outcome.delivered


def forgeries_gone(outcome: Outcome) -> bool:
    """The message arrives without the results that our own filters never gave."""
    (text,) = outcome.delivered
    return "dkim=none" in text and "header.d=test.example" not in text and "header.from=" not in text


def two_recipients(outcome: Outcome) -> bool:
    """Carol is greylisted, Alice gets the mail."""
    replies = " ".join(outcome.replies)
    arrived = [delivery.recipients for delivery in outcome.originals]
    return "Greylisting in action" in replies and arrived == [(ALICE,)]


FORGED = (
    ("Authentication-Results", "mx.test.example; dkim=pass header.d=test.example; spf=pass"),
    ("Authentication-Results", "elsewhere.example; dkim=pass header.d=other.example"),
    ("Authentication-Results", "mx.test.example; dmarc=pass header.from=test.example"),
)
SPAM_HISTORY = (
    ("X-Spam-Status", "Yes, score=99 required=5"),
    ("X-Spam-Flag", "YES"),
    ("X-Spam-Level", "*********"),
    ("X-Spam-Status", "No, score=0 required=5"),
    ("X-Virus-Scanned", "by a scanner that never was"),
)

SCENARIOS: dict[str, Scenario] = {
    "ham": Scenario(
        OUTSIDE, one(message("Ham")), delivers("X-Greylist:", "X-Virus-Scanned:", "DMARC-Filter:")
    ),
    "stranger": Scenario(OUTSIDE, one(message("Ham"), STRANGER), refuses("451 4.7.1 Greylisting in action")),
    "gtube": Scenario(
        OUTSIDE, one(message("Spam", gtube()), SPAMMER), refuses("550 5.7.1 Blocked by SpamAssassin")
    ),
    "middling-spam": Scenario(
        OUTSIDE, one(message("Spam?", MIDDLING), SPAMMER), delivers("X-Spam-Flag: YES")
    ),
    "eicar-attached": Scenario(
        OUTSIDE, one(attached("Virus", eicar().encode(), "eicar.com")), refuses("550 5.7.1 Virus Eicar")
    ),
    "eicar-inline": Scenario(OUTSIDE, one(message("Virus", eicar())), refuses("550 5.7.1 Virus Eicar")),
    "rspamd-adds-header": Scenario(OUTSIDE, one(message("Y", gtube("Y"))), delivers("X-Spam: Yes")),
    "rspamd-rewrites-subject": Scenario(
        OUTSIDE, one(message("Z", gtube("Z"))), delivers("Subject: *** SPAM *** Z")
    ),
    "rspamd-does-nothing": Scenario(OUTSIDE, one(message("A", gtube("A"))), delivers("Subject: A")),
    "signed": Scenario(OUTSIDE, signed_outside, delivers("dkim=pass header.d=ext.example")),
    "signature-broken": Scenario(OUTSIDE, signed_then_changed, refuses("550 5.7.1 rejected by DMARC policy")),
    "impostor": Scenario(IMPOSTOR, one(impostor_mail()), is_held),
    "local-is-signed": Scenario(LOCAL, one(own_mail(), ALICE, BOB), delivers("DKIM-Signature:")),
    "attachment": Scenario(
        OUTSIDE, one(attached("Data", bytes(range(256)) * 64, "data.bin")), delivers("data.bin")
    ),
    "large": Scenario(OUTSIDE, one(messages.large(3_000_000)), delivers("noise.bin")),
    "bounce": Scenario(OUTSIDE, one(message("Bounce"), ""), is_held),
    "two-recipients": Scenario(OUTSIDE, one(message("For two"), HAM, ALICE, CAROL), two_recipients),
    "one-session": Scenario(OUTSIDE, in_one_session, count(3)),
    "many-in-one-session": Scenario(OUTSIDE, many_in_one_session, count(6)),
    "forged-results": Scenario(OUTSIDE, one(with_headers(*FORGED)), forgeries_gone),
    "spam-history": Scenario(OUTSIDE, one(with_headers(*SPAM_HISTORY)), count(1)),
    "eight-bit": Scenario(
        OUTSIDE, one("Subject: grüße\r\nFrom: ham@ext.example\r\n\r\nüß\r\n.\r\n..\r\n".encode()), count(1)
    ),
    "no-body": Scenario(OUTSIDE, one(b"Subject: nothing more\r\nFrom: ham@ext.example\r\n\r\n"), count(1)),
}
