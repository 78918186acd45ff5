"""All six real milters with their scanners in one box, in the order of a usual set-up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.stack.box import Box
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.component import MilterComponent, running
from tests.stack.keys import make_key
from tests.stack.milter_greylist import Known, MilterGreylist
from tests.stack.opendkim import Opendkim
from tests.stack.opendmarc import Opendmarc
from tests.stack.rspamd import Rspamd
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import Spamd
from tests.stack.zone import zone_text

OWN_DOMAIN, OTHER_DOMAIN = "test.example", "ext.example"


class Filters:
    """The filters as a context manager.

    Only milter-greylist keeps state between messages, so it exists once per name in `greylists`, each with
    the same `known` tuples; all other daemons are shared by whoever uses them.
    """

    def __init__(self, directory: Path, known: Iterable[Known], greylists: Iterable[str]) -> None:
        names = (OWN_DOMAIN, OTHER_DOMAIN)
        self.keys = {key.name: key for key in (make_key(directory / "keys" / name, name) for name in names)}
        self.own_key, self.other_key = self.keys.values()
        self.box = Box(directory / "box", zone_text(self.keys.values()))
        tuples = list(known)
        self.greylists = {
            name: MilterGreylist(directory, self.box, tuples, f"milter-greylist-{name}") for name in greylists
        }
        self.spamd, self.clamd = Spamd(directory, self.box), Clamd(directory, self.box)
        self.clamav_milter = ClamavMilter(directory, self.box, self.clamd)
        self.shared: dict[str, MilterComponent] = {
            "spamass-milter": SpamassMilter(directory, self.box, self.spamd),
            "clamav-milter": self.clamav_milter,
            "opendkim": Opendkim(directory, self.box, tuple(self.keys.values())),
            "opendmarc": Opendmarc(directory, self.box),
            "rspamd": Rspamd(directory, self.box),
        }
        self._open = contextlib.ExitStack()

    def chain(self, greylist: str) -> dict[str, MilterComponent]:
        """Return the six milters in order, with the milter-greylist of this name."""
        return {"milter-greylist": self.greylists[greylist], **self.shared}

    def __enter__(self) -> Self:
        milters = (*self.greylists.values(), *self.shared.values())
        with self._open as opening:
            opening.enter_context(self.box)
            # scanners first: a clamav-milter that does not find clamd at once takes its time to look again
            opening.enter_context(running((self.spamd, self.clamd)))
            opening.enter_context(running(milters))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()
