"""Where our filters do something else on purpose: in which cells, what each does, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.filters.side_by_side.columns import Side


@dataclass(frozen=True)
class Difference:
    """One reason, in one column: what only they do and what only we do (sorted), for each letter it is about."""

    column: str
    letters: tuple[str, ...]
    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    why: str


def between(theirs: Side, ours: Side) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what only one of them does; signatures, which are other ones each day, without their beginning."""
    return _only(theirs.lines, ours.lines), _only(ours.lines, theirs.lines)


def _only(lines: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    left = sorted((Counter(lines) - Counter(others)).elements())
    return tuple(re.sub(r" b=\S+", "", line) for line in left)


DKIM, DMARC = "authentication: DKIM", "authentication: SPF, DMARC"
OWN = "mx.test.example: "
NO_AUTHOR = (
    "no headers",
    "no headers, no body",
    "one header",
    "8-bit headers and body",
    "EICAR without headers",
)
WITHOUT_WORDS = "reject 550 5.7.1 Command rejected"
USERS = ("a user who logged in", "a user who logged in, GTUBE")

DIFFERENCES = (
    Difference(
        "spamassassin",
        ("other X-Spam headers",),
        (),
        ("-X-Spam-Own: yes",),
        "Every `X-Spam-` header of the sender goes; spamass-milter leaves those whose names it does not know.",
    ),
    Difference(
        "spamassassin",
        ("X-Spam-Status twice",),
        (),
        ("-X-Spam-Status: No, really",),
        "Headers of the sender that are there more than once all go; spamass-milter replaces the first.",
    ),
    Difference(
        "clamav",
        ("no headers, no body",),
        (),
        ("+X-Virus-Scanned: by … at …", "+X-Virus-Status: Clean"),
        "A message with nothing in it gets the two headers, too.",
    ),
    Difference(
        DKIM,
        NO_AUTHOR,
        (OWN + "dkim=permerror",),
        (OWN + "dkim=none",),
        "A message without `From` has no signature, so the result is `none`; OpenDKIM cannot read such a message.",
    ),
    Difference(
        DMARC,
        NO_AUTHOR,
        (WITHOUT_WORDS,),
        ("reject 550 5.6.0 no From header",),
        "The client is told why it is refused (`bad_from`); OpenDMARC (`RequiredHeaders`) does not say.",
    ),
    Difference(
        DMARC,
        ("From twice",),
        (WITHOUT_WORDS,),
        ("reject 550 5.6.0 2 From headers",),
        "The client is told why it is refused (`bad_from`); OpenDMARC (`RequiredHeaders`) does not say.",
    ),
    Difference(
        DMARC,
        ("no Date", "Subject twice"),
        (WITHOUT_WORDS,),
        (
            "accept",
            OWN + "dmarc=pass from=ext.example (p=quarantine dis=none)",
            OWN + "spf=pass mailfrom=ext.example",
        ),
        "`bad_from` is about `From` alone; OpenDMARC's `RequiredHeaders` is about all headers of RFC 5322.",
    ),
    Difference(
        DKIM,
        ("our Authentication-Results without results",),
        (),
        ("-Authentication-Results: mx.test.example",),
        "What has our name goes even if it says nothing.",
    ),
    Difference(
        DMARC,
        ("our Authentication-Results without results",),
        (),
        ("-Authentication-Results: mx.test.example",),
        "What has our name goes even if it says nothing.",
    ),
    Difference(
        DKIM,
        USERS,
        (OWN + "dkim=none",),
        (),
        "Nothing is said of mail of users who have logged in (`skip_authenticated`).",
    ),
    Difference(
        DKIM,
        ("no key",),
        (OWN + "dkim=fail d=nokey.example i=@nokey.example s=s1",),
        (OWN + "dkim=permerror d=nokey.example i=@nokey.example s=s1",),
        "A key that is not there is `permerror` (RFC 8601 §2.7.1).",
    ),
    Difference(
        DKIM,
        ("SHA-1",),
        (OWN + "dkim=pass d=relaxed.example i=@relaxed.example s=s1",),
        (OWN + "dkim=policy d=relaxed.example i=@relaxed.example s=s1",),
        "SHA-1 no longer counts (RFC 8301 §3.1).",
    ),
    Difference(
        DMARC,
        ("SHA-1",),
        ("accept", OWN + "dmarc=pass from=relaxed.example (p=quarantine dis=none)"),
        (
            OWN + "dmarc=fail from=relaxed.example (p=quarantine dis=quarantine)",
            "quarantine quarantined by DMARC policy for relaxed.example",
        ),
        "SHA-1 no longer counts (RFC 8301 §3.1).",
    ),
    Difference(
        DMARC,
        ("two policies",),
        ("reject 550 5.7.1 rejected by DMARC policy for twice.example",),
        ("accept", OWN + "dmarc=none from=twice.example", OWN + "spf=not pass mailfrom=quiet.example"),
        "Several policies are none (RFC 7489 §6.6.3); OpenDMARC takes one of them.",
    ),
)
