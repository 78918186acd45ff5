"""Samples: mails sent at a click, to see what becomes of them; only where a server for them is named."""

from __future__ import annotations

import itertools
from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from postmill.demo.greylist import NEWCOMER
from postmill.demo.samples import SAMPLES, Sample, send
from postmill.web.visit import Visit, action, page

_CLEAN, _SPAM, _VIRUS, _NEWCOMER = (SAMPLES[place] for place in (3, 1, 2, 4))
OFFERED = {"clean": _CLEAN, "spam": _SPAM, "virus": _VIRUS, "newcomer": _NEWCOMER}
_numbers = itertools.count(1)


async def show(visit: Visit) -> Response:
    """Show what can be sent, and what became of the last one."""
    _server(visit)
    return visit.page("samples.html", offered=OFFERED, sent=visit.asked("sent"), reply=visit.asked("reply"))


async def post(visit: Visit) -> Response:
    """Send one, and tell what the server said."""
    host, port = _server(visit)
    sample = OFFERED.get(visit.form.get("sample", ""))
    if sample is None:
        return visit.problem(400, "There is no such sample.")
    transcript = await send(_fresh(sample), port, host)
    query = visit.request.url.include_query_params(sent=visit.form["sample"], reply=transcript.last).query
    return RedirectResponse(f"/samples?{query}", 303)


def _server(visit: Visit) -> tuple[str, int]:
    found = visit.house.loaded.settings.web.samples
    if found is None:
        raise HTTPException(404)
    return found.host, found.port


def _fresh(sample: Sample) -> Sample:
    """Return the sample as nobody knows it yet, where that matters."""
    if sample is not _NEWCOMER:
        return sample
    return replace(sample, sender=f"stranger{next(_numbers)}@{NEWCOMER}")


ROUTES = (page("/samples", show), action("/samples", post))
