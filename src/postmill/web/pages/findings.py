"""Findings: the milters that this machine has, and what the doctor says."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from postmill.host.diagnosis import Level
from postmill.web.visit import Visit, action, page


async def show(visit: Visit) -> Response:
    """Show what was found when somebody last looked."""
    examination = visit.house.examination
    found = examination.last
    diagnoses = sorted(found.diagnoses, key=lambda one: -one.level) if found is not None else []
    counts = {level.word: sum(one.level == level for one in diagnoses) for level in reversed(Level)}
    return visit.page(
        "findings.html",
        under_way=examination.is_under_way,
        found=found,
        diagnoses=diagnoses,
        counts=counts,
    )


async def examine(visit: Visit) -> Response:
    """Look again."""
    visit.house.examination.begin()
    return RedirectResponse("/findings", 303)


ROUTES = (page("/findings", show), action("/findings", examine))
