"""The names that exist in the tests' DNS: one domain of ours, one sender outside, and their mail policies."""

from __future__ import annotations

from collections.abc import Iterable

from tests.stack.keys import DkimKey

RECORDS = """\
test.example MX 10 mx.test.example.
mx.test.example A 127.0.0.1
test.example TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.test.example TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
ext.example MX 10 mail.ext.example.
mail.ext.example A 192.0.2.5
ext.example TXT "v=spf1 ip4:192.0.2.5 -all"
_dmarc.ext.example TXT "v=DMARC1; p=quarantine"
5.2.0.192.in-addr.arpa PTR mail.ext.example.
1.0.0.127.in-addr.arpa PTR localhost.
localhost A 127.0.0.1
"""


def zone_text(keys: Iterable[DkimKey]) -> str:
    """Return the zone with the public halves of `keys`."""
    return RECORDS + "".join(key.zone_line + "\n" for key in keys)
