"""Runs a ``postmill.api.Milter``: what an MTA says goes to its handlers, what they say goes back as packets.

Pure but for the handlers: no socket and no event loop; whoever drives it runs the coroutines it hands out.
The chain does not know this room: to it a milter in the manager is a child like any other.
"""

from postmill.filtering.served import Served
from postmill.filtering.session import FilterSession

__all__ = ["FilterSession", "Served"]
