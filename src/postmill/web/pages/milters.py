"""Milters: how each stands, what it says, how long it takes; and putting one into another mode."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from postmill.errors import PostmillError
from postmill.record import Tally
from postmill.web.archive import PERIODS
from postmill.web.charts import WORDS, Chart, bars, latencies, total
from postmill.web.standing import Standing, standings
from postmill.web.visit import Visit, action, page

MODES = {
    "enforce": "It is asked, and what it says decides.",
    "evaluate": "It is asked and its answers are recorded, but they change nothing.",
    "off": "It is not asked any more. Mail passes without it.",
}


async def show_all(visit: Visit) -> Response:
    """Show how they stand."""
    status = await visit.status()
    tally = await _tally(visit, status)
    return visit.page(
        "milters.html",
        milters=standings(status, tally),
        daemon=status,
        period=visit.period,
        periods=PERIODS,
        history=visit.house.archive is not None,
    )


async def _tally(visit: Visit, status: dict[str, object] | None) -> Tally:
    if visit.house.archive is not None:
        return total(await visit.from_history(visit.house.archive.spans(visit.period), {}))
    tally = Tally()
    if status is not None:
        tally.merge(status["tally"])  # type: ignore[arg-type]
    return tally


async def show_one(visit: Visit) -> Response:
    """Show one, with its times and verdicts over a period."""
    standing = await _standing(visit)
    if standing is None:
        return visit.problem(404, "There is no such milter.")
    return visit.page(
        "milter.html",
        milter=standing,
        modes=MODES,
        now=visit.house.now(),
        charts=await _charts(visit, standing),
        period=visit.period,
        periods=PERIODS,
        done=visit.asked("done"),
        history=visit.house.archive is not None,
    )


async def _standing(visit: Visit) -> Standing | None:
    name = visit.request.path_params["name"]
    status = await visit.status()
    tally = await _tally(visit, status)
    return next((one for one in standings(status, tally) if one.name == name), None)


async def _charts(visit: Visit, milter: Standing) -> tuple[Chart, Chart] | None:
    archive = visit.house.archive
    if archive is None:
        return None
    spans = await visit.from_history(archive.spans(visit.period), {})
    now, name = visit.house.now(), milter.name
    said = {start: one.children[name].verdicts for start, one in spans.items() if name in one.children}
    return (
        bars(said, visit.period, now, [word for word in WORDS if word != "skipped"]),
        latencies(spans, name, milter.stage, visit.period, now),
    )


async def confirm(visit: Visit) -> Response:
    """Ask whether it is meant."""
    mode = visit.asked("to")
    standing = await _standing(visit)
    if standing is None or mode not in MODES:
        return visit.problem(404, "There is no such milter, or no such mode.")
    assert visit.who is not None
    if not visit.who.operates:
        return visit.problem(403, "Only operators may change something; you may look.")
    return visit.page("confirm_mode.html", milter=standing, mode=mode, meaning=MODES[mode])


async def change(visit: Visit) -> Response:
    """Put it into a mode."""
    name, mode = visit.request.path_params["name"], visit.form.get("mode", "")
    if mode not in MODES:
        return visit.problem(400, "There is no such mode.")
    assert visit.who is not None
    try:
        await visit.house.daemon.change("mode", visit.who.name, milter=name, mode=mode)
    except PostmillError as error:
        return visit.problem(409, str(error))
    return RedirectResponse(f"/milters/{quote(name)}?done={mode}", 303)


ROUTES = (
    page("/milters", show_all),
    page("/milters/{name}", show_one),
    page("/milters/{name}/mode", confirm),
    action("/milters/{name}/mode", change),
)
