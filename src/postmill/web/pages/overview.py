"""The overview: how much mail, what became of it, how the milters stand, what was not let through."""

from __future__ import annotations

from starlette.responses import Response

from postmill.history import Selection
from postmill.record import Tally
from postmill.web.archive import PERIODS
from postmill.web.charts import VERDICTS, bars, total
from postmill.web.standing import standings
from postmill.web.visit import Visit, page

_LATEST = 12
_HEADERS = 6


async def show(visit: Visit) -> Response:
    """Show it for one period."""
    status = await visit.status()
    period, now = visit.period, visit.house.now()
    archive = visit.house.archive
    chart, latest = None, []
    tally = Tally()
    if archive is not None:
        spans = await visit.from_history(archive.spans(period), {})
        chart = bars({start: one.messages for start, one in spans.items()}, period, now, VERDICTS)
        tally = total(spans)
        question = archive.ask(lambda history: history.latest(Selection(), _LATEST))
        latest = await visit.from_history(question, [])
    elif status is not None:
        tally.merge(status["tally"])
    return visit.page(
        "overview.html",
        daemon=status,
        milters=standings(status, tally),
        tally=tally,
        counted=sum(tally.messages.values()),
        refused_early=sum(tally.connections.values()),
        verdicts=[name for name in VERDICTS if tally.messages.get(name) or name in ("accept", "reject")],
        tagged=sorted(tally.tagged.items(), key=lambda pair: -pair[1])[:_HEADERS],
        period=period,
        periods=PERIODS,
        chart=chart,
        latest=latest,
        history=archive is not None,
    )


ROUTES = (page("/", show),)
