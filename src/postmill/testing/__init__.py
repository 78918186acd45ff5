"""The public test kit: both ends of a milter connection, scripted.

A filter: `script` decides, `child` serves, `seen` remembers; `words`, `wishes` and `script_file` read what
people write. An MTA: `plan` says what, `conversation` and `macros` how; `mta` (blocking) and `sender`
(event loop) carry it out, `load` does so many times; `outcome` and `result` hold what came of it, `showing`
and `trace` tell it. Conditions: `nouns` makes mail, `conditions` asks one about it. Milters written with the
API: `deliver` lets one judge a message, and pytest finds it as a fixture. Nothing here is used by the daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from postmill.testing.delivery import Delivery, deliver

__all__ = ["Delivery", "deliver"]


def __getattr__(name: str) -> Any:
    """Give what authors' tests use, imported when it is asked for: the tools do not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from postmill.testing import delivery  # noqa: PLC0415

    return getattr(delivery, name)
