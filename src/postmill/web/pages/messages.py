"""Messages: looking for them, and the picture of one."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import Response

from postmill.history import History, Selection
from postmill.record import journey_of
from postmill.web.charts import VERDICTS, WORDS
from postmill.web.visit import Visit, page

_ON_A_PAGE = 50
_MOST_ROW = 1 << 62
_SINCE = {"hour": 3600, "day": 86400, "week": 7 * 86400}
_FIELDS = ("text", "address", "verdict", "child", "said", "since", "until")
_NO_WORD = ("continue", "skipped", "accept")
"""What the history does not look for: a milter says it of nearly every message."""


async def show_list(visit: Visit) -> Response:
    """Show the messages that fit a search, the newest first."""
    archive = visit.house.archive
    if archive is None:
        return visit.page("no_history.html", title="Messages")
    fields = {name: visit.asked(name) for name in _FIELDS}
    before = _row(visit.asked("before"))
    selection = _selection(fields, visit.house.now())
    found = await visit.from_history(
        archive.ask(lambda history: history.latest(selection, _ON_A_PAGE + 1, before)), []
    )
    more = ""
    if len(found) > _ON_A_PAGE:
        found = found[:_ON_A_PAGE]
        more = urlencode({**{key: value for key, value in fields.items() if value}, "before": found[-1].row})
    status = await visit.status()
    return visit.page(
        "messages.html",
        fields=fields,
        searched=any(fields.values()),
        found=found,
        more=more,
        first=not before,
        verdicts=VERDICTS,
        words=[word for word in WORDS if word not in _NO_WORD],
        milters=[milter["name"] for milter in status["milters"]] if status is not None else [],
    )


def _selection(fields: dict[str, str], now: float) -> Selection:
    since = fields["since"]
    return Selection(
        text=fields["text"],
        address=fields["address"],
        verdict=fields["verdict"],
        child=fields["child"],
        child_verdict=fields["said"] if fields["child"] else "",
        since=now - _SINCE[since] if since in _SINCE else _moment(since),
        until=_moment(fields["until"]),
    )


def _moment(text: str) -> float:
    """Return a local time as browsers send it; 0 for none, or for what is none."""
    try:
        return max(0.0, min(datetime.fromisoformat(text).timestamp(), 1e11))
    except (ValueError, OverflowError):
        return 0.0


def _row(text: str) -> int:
    return min(int(text), _MOST_ROW) if text.isascii() and text.isdigit() and len(text) < 20 else 0


async def show_one(visit: Visit) -> Response:
    """Show the way of one message."""
    archive = visit.house.archive
    row = _row(visit.request.path_params["row"])
    if archive is None or not row:
        return visit.problem(404, "There is no such message.")

    def look(history: History) -> object:
        return history.one(row)

    entry = await visit.from_history(archive.ask(look), None)
    if entry is None:
        return visit.problem(404, "There is no such message, or the history does not keep it any more.")
    return visit.page("message.html", entry=entry, record=entry.record, journey=journey_of(entry.record))


ROUTES = (page("/messages", show_list), page("/messages/{row}", show_one))
