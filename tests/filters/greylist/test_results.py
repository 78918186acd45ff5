"""What SPF and DKIM came to, as rules ask for it and as texts show it."""

from __future__ import annotations

import pytest

from postmill.filters.greylist import app
from postmill.testing.pytest_plugin import Deliverer
from tests.filters import keys

KEY = keys.rsa()
DNS = {
    "s1._domainkey.good.example": [KEY.record],
    "s1._domainkey.revoked.example": ["v=DKIM1; k=rsa; p="],
    "s1._domainkey.odd.example": ["v=DKIM1; k=rsa; p=!!!"],
    "s1._domainkey.down.example": TimeoutError("no answer"),
}
ASKED = "nospf\nracl whitelist default\n" + "".join(
    f'dacl blacklist dkim {word} msg "{word}: %Qd"\n' for word in ("pass", "fail", "unknown", "error", "none")
)


def signed(*domains: str, message: bytes = keys.MESSAGE) -> bytes:
    """Return a message with a signature for each domain, the first at its top."""
    lines = (KEY.sign(message, domain=one)[: -len(message)] for one in domains)
    return b"".join(lines) + message


OTHER = signed("good.example")[:-5] + b"Jim\r\n"
"""Changed after it was signed."""
GARBAGE = b"DKIM-Signature: garbage\r\n"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (signed("good.example"), "pass: pass"),
        (OTHER, "fail: fail"),
        (signed("revoked.example"), "fail: fail"),
        (signed("odd.example"), "unknown: neutral"),
        (signed("nokey.example"), "error: permerror"),
        (signed("down.example"), "error: temperror"),
        (keys.MESSAGE, "none: none"),
        (GARBAGE + keys.MESSAGE, "none: none"),
        (GARBAGE + OTHER, "fail: fail"),
        (signed("nokey.example", "odd.example", "good.example"), "pass: pass"),
        (signed("nokey.example", "odd.example"), "error: permerror"),
        (signed("odd.example", "nokey.example"), "unknown: neutral"),
    ],
)
def test_the_words_of_dkim(postmill_deliver: Deliverer, message: bytes, said: str) -> None:
    postmill_deliver.dns.update(DNS)
    reply = postmill_deliver(app, message=message, settings={"rules": ASKED}).reply
    assert reply == f"551 5.7.1 {said}"
