"""The condition ``no-stress``: leaves a milter out as long as the mail host is under stress.

``stress-notify`` tells the milter instead. When it is stress stands in ``_stress``.
"""

from __future__ import annotations

from postmill.api import Applies, Apply, Client, Load, Skip, condition
from postmill.conditions._stress import Settings, stress


@condition("no-stress", Settings)
def no_stress(client: Client, settings: Settings, load: Load) -> Applies:
    """Ask the milter only as long as the mail host is not under stress.

    It is stress when as many sessions are open as a share of the SMTP server processes that the MTA may run
    (`mta_processes` in `[manager]`), or as a number of your own. Use it for milters that are slow and can be
    done without for a while. Whoever opens many sessions brings stress about, so do not use it for those that
    protect against harm.
    """
    stressed, because = stress(load, settings)
    return Skip(because) if stressed else Apply(because)
