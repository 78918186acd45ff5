"""The condition ``stress-notify``: tells a milter that the mail host is under stress.

It leaves nobody out; ``no-stress`` does. When it is stress stands in ``_stress``.
"""

from __future__ import annotations

from postmill.api import Applies, Apply, Client, Load, condition
from postmill.conditions._stress import Settings, stress


@condition("stress-notify", Settings)
def stress_notify(client: Client, settings: Settings, load: Load) -> Applies:
    """Tell the milter when the mail host is under stress; it is asked in either case.

    Under stress the milter gets the macro `stress` with the value `yes`, the word that Postfix itself uses.
    milter-greylist, for example, can be told to do without its slower checks then.
    """
    stressed, because = stress(load, settings)
    return Apply(because, {"stress": "yes"} if stressed else {})
