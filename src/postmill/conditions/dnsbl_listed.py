"""The condition ``dnsbl-listed``: clients that a DNS block list names. Its opposite is ``not-dnsbl-listed``.

How lists are asked stands in ``_dnsbl``.
"""

from __future__ import annotations

from postmill.api import Applies, Apply, Client, Resolver, Skip, condition
from postmill.conditions._dnsbl import Settings, look_up


@condition("dnsbl-listed", Settings)
async def dnsbl_listed(client: Client, settings: Settings, resolver: Resolver) -> Applies:
    """Ask the milter only about clients that are in a DNS block list.

    All lists of `zones` are asked at once, about IPv4 and IPv6 addresses, and the first that has the client
    decides. An answer counts if it is among those given for the zone, or in 127.0.0.0/8 if none are given.
    By answers in 127.255.255.0/24 lists refuse to answer, for example to a public resolver; they count as
    failures. Answers are remembered as long as DNS says. Use it for what is costly or slow and worth it for
    suspects only, such as greylisting.
    """
    finding = await look_up(client, settings, resolver)
    return Apply(finding.because) if finding.listed else Skip(finding.because)
