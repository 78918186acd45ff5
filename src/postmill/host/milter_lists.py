"""What becomes of a list of milters of Postfix when Postmill comes in: who goes, who stays, where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from postmill.config import MilterSettings, Settings
from postmill.host.known import counts, is_ours, milter_at
from postmill.host.postfix import ListedMilter, parse_milters, split_list
from postmill.wire.endpoint import Endpoint

Fate = Literal["ours", "child", "stranger"]
"""Postmill itself; a milter that Postmill asks; one that Postmill does not know or asks without effect."""

REFERENCES = ("$smtpd_milters", "${smtpd_milters}", "$(smtpd_milters)")
"""How another parameter includes the general list."""


@dataclass(frozen=True, slots=True)
class Sorter:
    """Tells the fate of each milter, given Postfix's queue directory and Postmill's settings."""

    queue_directory: str
    settings: Settings
    adopted: frozenset[str] = frozenset()
    """Elements, as they are written, that count as children because they are about to become some."""

    def readings(self, milter: ListedMilter) -> list[Endpoint]:
        """Return what an element may mean: in a chroot, or not."""
        both = (milter.endpoint(self.queue_directory, chrooted=chrooted) for chrooted in (False, True))
        return [endpoint for endpoint in both if endpoint is not None]

    def fate(self, milter: ListedMilter) -> Fate:
        """Tell whose socket an element is."""
        readings = self.readings(milter)
        if is_ours(readings, self.settings):
            return "ours"
        child = self.child(milter)
        if milter.text in self.adopted or counts(child):
            return "child"
        return "stranger"

    def child(self, milter: ListedMilter) -> MilterSettings | None:
        """Return the settings of a milter that Postmill has in its configuration, whatever its mode."""
        return milter_at(self.readings(milter), self.settings)

    def name(self, milter: ListedMilter) -> str:
        """Return the name of such a milter, "" for others."""
        child = self.child(milter)
        return "" if child is None else child.name

    def with_postmill(self, milters: Sequence[ListedMilter], ours: str) -> list[str]:
        """Return the new list: Postmill once, in the place of the first that goes, else last."""
        going = [self.fate(milter) != "stranger" for milter in milters]
        elements = [milter.text for milter, goes in zip(milters, going, strict=True) if not goes]
        place = going.index(True) if True in going else len(elements)
        return [*elements[:place], ours, *elements[place:]]

    def without_doubles(self, value: str) -> str:
        """Take what would be asked twice out of a list: children beside Postmill, Postmill beside itself.

        ``$smtpd_milters`` in the list stands for Postmill.
        """
        elements = split_list(value)
        fates = {text: self.fate(parse_milters(text)[0]) for text in elements if text not in REFERENCES}
        postmill = [text for text in elements if text in REFERENCES] or [
            text for text in elements if fates[text] == "ours"
        ]
        if not postmill:
            return value
        staying = (text for text in elements if text == postmill[0] or fates.get(text) == "stranger")
        kept = list(dict.fromkeys(staying))
        return value if len(kept) == len(elements) else ", ".join(kept)


def same_elements(value: str, elements: Iterable[str]) -> bool:
    """Tell whether a list has these elements in this order, however it is spaced."""
    return [" ".join(text.split()) for text in split_list(value)] == [
        " ".join(text.split()) for text in elements
    ]
