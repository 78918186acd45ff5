"""How far the conditions of one child are decided; who asks them is ``conditions``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.api.conditions import Applies, Apply, Skip, Use
from postmill.api.nouns import NOUNS, Noun, Recipient, Sender
from postmill.chain.macros import braced
from postmill.wire.symbols import Pairs

LEVEL: Mapping[type[Noun], int] = {noun: level for level, noun in enumerate(NOUNS)}
OF_MESSAGE = LEVEL[Sender]
"""What is decided from here on holds for one message, what is decided before for the connection."""
_NEVER = -1


class Applying:
    """The conditions of one child in one session, and their answers so far."""

    __slots__ = ("_asked", "answers", "uses")

    def __init__(self, uses: tuple[Use, ...]) -> None:
        """Know nothing yet."""
        self.uses = uses
        self.answers: list[Applies | None] = [None] * len(uses)
        self._asked = [_NEVER] * len(uses)
        """Level of the noun that each was asked about last."""

    @property
    def skipped(self) -> bool:
        """Whether a condition leaves the child out."""
        return any(type(answer) is Skip for answer in self.answers)

    @property
    def decided(self) -> bool:
        """Whether it is settled if the child takes part."""
        return None not in self.answers or self.skipped

    def macros(self) -> Pairs:
        """Return the macros that the conditions hand to the child, names as on the wire (protocol §5.1)."""
        return tuple(
            (braced(name.encode()), value.replace("\0", "").encode("utf-8", "surrogateescape"))
            for answer in self.answers
            if isinstance(answer, Apply)
            for name, value in answer.macros.items()
        )

    def questions(self, level: int) -> Iterator[tuple[int, type[Noun]]]:
        """Yield what can be asked when this much is known: which use, about which noun."""
        for index, use in enumerate(self.uses):
            for noun in use.condition.nouns:
                at = LEVEL[noun]
                now = at == level if noun is Recipient else self._asked[index] < at <= level
                if now and self.answers[index] is None:
                    yield index, noun

    def take(self, index: int, noun: type[Noun], answer: Applies | None) -> None:
        """Take in what a use means; None: it cannot tell yet."""
        self._asked[index] = LEVEL[noun]
        self.answers[index] = answer

    def label(self, index: int) -> str:
        """Return what a use is called in the record: numbered where a condition is used several times."""
        name = str(self.uses[index])
        earlier = sum(str(use) == name for use in self.uses[:index])
        return f"{name} #{earlier + 1}" if earlier else name

    def must_decide(self, index: int, noun: type[Noun]) -> bool:
        """Tell whether this noun is the last that a use is asked about."""
        return self.uses[index].condition.nouns[-1] is noun

    def forget(self, level: int) -> None:
        """Take back what was asked at this level or later."""
        for index, asked in enumerate(self._asked):
            if asked >= level:
                self._asked[index] = _NEVER
                self.answers[index] = None
