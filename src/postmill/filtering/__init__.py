"""Runs a ``postmill.api.Milter``: what an MTA says goes to its handlers, what they say goes back as packets.

No socket and no timer: whoever drives it runs the coroutines that it hands out, on whatever event loop.
The chain does not know this room: to it a milter in the manager is a child like any other.
"""

from postmill.filtering.served import Served
from postmill.filtering.session import FilterSession

__all__ = ["FilterSession", "Served"]
