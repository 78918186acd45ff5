"""What happened to every message, kept in a database: written by the workers, read by everybody who looks.

``words`` says by what a message is found, ``tables`` what is stored, ``databases`` where. ``writing`` takes
records from a worker, ``reading`` answers questions, ``keeping`` removes what is too old or too much.

A batch of records and the tally of the same records are written in one transaction, so what is listed and
what is counted never differ.
"""

from postmill.history.databases import check_url, open_database
from postmill.history.keeping import Limits, keep_within
from postmill.history.privacy import ADDRESSES, cleaner
from postmill.history.reading import Entry, History, Mark, Selection
from postmill.history.writing import Batch, Historian

__all__ = [
    "ADDRESSES",
    "Batch",
    "Entry",
    "Historian",
    "History",
    "Limits",
    "Mark",
    "Selection",
    "check_url",
    "cleaner",
    "keep_within",
    "open_database",
]
