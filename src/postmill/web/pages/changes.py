"""Changes: who had the daemon do what, and which of it lasts."""

from __future__ import annotations

from starlette.responses import Response

from postmill.web.visit import Visit, page


async def show(visit: Visit) -> Response:
    """Show what the daemon remembers since its start."""
    status = await visit.status()
    changes = [*reversed(status["changes"])] if status is not None else []
    lasting = [milter for milter in status["milters"] if milter["overridden"]] if status is not None else []
    return visit.page("changes.html", daemon=status, changes=changes, lasting=lasting)


ROUTES = (page("/changes", show),)
