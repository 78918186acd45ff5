"""Writes ``docs/reference/side-by-side.md`` from what the milters and the filters do now; as root."""

from __future__ import annotations

import sys

from tests.filters.side_by_side.columns import see
from tests.filters.side_by_side.corpus import letters
from tests.filters.side_by_side.page import FILE, page
from tests.filters.side_by_side.stand import standing
from tests.stack import peers

if __name__ == "__main__":
    if reason := peers.missing():
        sys.exit(reason)
    made = letters()
    with standing(made) as stand:
        FILE.write_text(page(made, see(stand, made)))
