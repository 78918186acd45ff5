"""The condition ``message-size``: messages that are at least or at most so large.

What the MTA takes at all is its own limit's business (``message_size_limit``).
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Message, Sender, Skip, condition, key
from postmill.api.kinds import Flag, Size


@dataclass(frozen=True, slots=True)
class Settings:
    """The bounds."""

    at_least: int = key(Size(), 0, "The smallest message about which the milter is asked.")
    at_most: int = key(Size(), 0, "The largest one; 0: there is none.")
    trust_announced: bool = key(
        Flag(),
        False,
        "Leave the milter out by the size that the client announced. A client can say anything.",
    )


@condition("message-size", Settings)
def message_size(noun: Sender | Message, settings: Settings) -> Applies | None:
    """Ask the milter only about messages of a certain size.

    The size is that of headers and body together. If the client announces one with MAIL (SIZE, RFC 1870) and
    it is within the bounds, the milter is asked without waiting for the message. If it is not, the message
    itself decides: otherwise a sender could avoid a filter by announcing too much. `trust_announced` saves
    that wait where clients are known to be honest.
    """
    if isinstance(noun, Message):
        return _decide(noun.size, "the message has", settings)
    if noun.announced_size is None:
        return None
    answer = _decide(noun.announced_size, "the client announced", settings)
    return answer if isinstance(answer, Apply) or settings.trust_announced else None


def _decide(size: int, what: str, settings: Settings) -> Applies:
    if size < settings.at_least:
        return Skip(f"{what} {size} bytes, fewer than {settings.at_least}")
    if settings.at_most and size > settings.at_most:
        return Skip(f"{what} {size} bytes, more than {settings.at_most}")
    return Apply(f"{what} {size} bytes")
