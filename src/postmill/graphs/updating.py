"""Bringing the databases up to what was counted; again and again, and nothing twice.

Each update takes whole minutes from where the last one ended up to a little while ago, when nobody adds to
them any more. It is noted only when all databases have them, and a database that already has a minute leaves
it out, so an update that was interrupted is simply done again.
"""

from __future__ import annotations

from contextlib import closing

from postmill.errors import UnavailableError
from postmill.graphs.databases import DAY, STEP, Spans, store
from postmill.graphs.rrdtool import Rrdtool
from postmill.graphs.spans import joined
from postmill.graphs.store import Store
from postmill.history import History, Limits, keep_within, open_database
from postmill.history.keeping import BY_THE_MINUTE, HOUR, SETTLED

OWN, FOREIGN = "postmill", "milter-manager"
"""Whose log lines were imported."""


def update(place: Store, url: str, now: float, *, anew: bool = False) -> bool:
    """Add what the history at ``url`` ("": none) and imports have counted; return whether all was made anew.

    ``anew`` makes all databases again from what is still counted. The place must be locked. Raises
    UnavailableError when the history cannot be read or rrdtool fails.
    """
    until = int(now - SETTLED) // STEP * STEP
    since = 0 if anew or _is_lost(place.until, now) else place.until
    made_anew = since == 0
    if since >= until:
        return False
    spans = _counted(place, url, since, until, now)
    if made_anew:
        place.clear()
        since = min((start for start, _ in spans), default=until) // DAY * DAY
    with Rrdtool(place.databases) as tool:
        store(tool, place.databases, spans, since, until)
    place.reached(until)
    return made_anew


def _is_lost(since: int, now: float) -> bool:
    """Whether the minutes from there on may be hours by now, with a part that the databases have already."""
    return since % HOUR != 0 and since < now - BY_THE_MINUTE + HOUR


def _counted(place: Store, url: str, since: int, until: int, now: float) -> Spans:
    history = _spans(url, since, until) if url else {}
    imported: list[Spans] = []
    for kind in (OWN, FOREIGN):
        database = place.imported(kind)
        there = database.exists()
        imported.append(_spans(f"sqlite:{database}", since, until, now) if there else {})
    return joined(history, *imported)


def _spans(url: str, since: int, until: int, now: float = 0.0) -> Spans:
    """Return the spans that one database has; ``now`` for one of ours, of which old ones are put together."""
    try:
        with closing(open_database(url, writes=bool(now))) as database:
            if now:
                keep_within(database, Limits(), now)
            counted = History(database).counted(since, until)
    except OSError as error:
        raise UnavailableError(f"the counts cannot be read: {error}") from error
    return {span: tally for span, tally in counted.items() if sum(span) <= until}
