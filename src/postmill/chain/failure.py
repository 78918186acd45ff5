"""What a lost child does to the mail: ``on_error`` in Postfix's meanings (protocol §7.3, §9.8)."""

from __future__ import annotations

from postmill.chain.steps import Lost, Verdict
from postmill.wire.codes import Reply

_UNAVAILABLE = b"Service unavailable"
_LATER = b"Service unavailable - try again later"
_MISCONFIGURED = b"Server configuration problem - try again later"


def sticky_verdict(on_error: str, lost: Lost, by: str) -> Verdict | None:
    """Return the verdict that a lost child repeats, or None when the others go on without it.

    ``quarantine`` is None as well: the message passes and is held (see ``Session``).
    """
    if on_error in ("accept", "quarantine"):
        return None
    if lost.kind == "config":
        code = b"421" if on_error == "shutdown" else b"451"
        return Verdict(Reply.REPLYCODE, code + b" 4.3.5 " + _MISCONFIGURED, by)
    if on_error == "reject":
        return Verdict(Reply.REPLYCODE, b"550 5.5.0 " + _UNAVAILABLE, by)
    if on_error == "shutdown":
        return Verdict(Reply.REPLYCODE, b"421 4.7.1 " + _LATER, by)
    if on_error == "discard":
        return Verdict(Reply.DISCARD, b"", by)
    return Verdict(Reply.TEMPFAIL, b"", by)
