"""The condition ``not-dnsbl-listed``: clients that no DNS block list names. Its opposite is ``dnsbl-listed``.

How lists are asked stands in ``_dnsbl``.
"""

from __future__ import annotations

from postmill.api import Applies, Apply, Client, Resolver, Skip, condition
from postmill.conditions._dnsbl import Settings, look_up


@condition("not-dnsbl-listed", Settings)
async def not_dnsbl_listed(client: Client, settings: Settings, resolver: Resolver) -> Applies:
    """Ask the milter only about clients that are in no DNS block list.

    Lists are asked and answers counted as `dnsbl-listed` does. Use it for what need not be done for clients
    whose mail will be refused anyhow.
    """
    finding = await look_up(client, settings, resolver)
    return Skip(finding.because) if finding.listed else Apply(finding.because)
