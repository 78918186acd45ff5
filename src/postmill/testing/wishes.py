"""Wishes for single stages ("delay data by 2s", "reject rcpt") collected into the rules of a scripted child.

Here belongs what the options of `postmill milter` mean; the words are `behaviour`'s and `words`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from postmill.testing.behaviour import number
from postmill.testing.script import Close, Default, Delay, Rule, Send, Step, Steps, Trickle
from postmill.testing.words import NotationError, edit, raw_bytes, reply, seconds, send, stage_letter
from postmill.wire.packets import Continue
from postmill.wire.tables import EVENTS

EVERY_EVENT = "".join(map(chr, sorted(EVENTS)))


@dataclass(slots=True)
class Wishes:
    """What was wished for at the stages, by letter: collected from single options, then made into rules.

    `scope` holds the conditions of `Rule` that limit all of it (connection, share, message, nth,
    containing, forced).
    """

    scope: dict[str, Any] = field(default_factory=dict)
    before: dict[str, list[Step]] = field(default_factory=dict)
    answers: dict[str, Step] = field(default_factory=dict)
    instead: dict[str, list[Step]] = field(default_factory=dict)
    after: dict[str, list[Step]] = field(default_factory=dict)

    def delay(self, text: str) -> None:
        """Wait before the answer: ``STAGE=TIME``."""
        for letter, value in _at(text):
            self.before.setdefault(letter, []).append(Delay(seconds(value)))

    def edit(self, text: str) -> None:
        """Edit at the end of the message: ``EDIT``; elsewhere, against the protocol: ``STAGE=EDIT``."""
        stage, equals, rest = text.partition("=")
        letter = "E"
        if equals and ":" not in stage:
            letter, text = stage_letter(stage), rest
        self.before.setdefault(letter, []).append(edit(text))

    def progress(self, text: str) -> None:
        """Send PROGRESS so many times before the answer: ``STAGE=COUNT`` or ``STAGE=COUNTxTIME``."""
        for letter, value in _at(text):
            times, _, pause = value.partition("x")
            one: list[Step] = [reply("progress"), *([Delay(seconds(pause))] if pause else [])]
            self.before.setdefault(letter, []).extend(one * number(times))

    def reply(self, text: str) -> None:
        """Answer: ``STAGE=REPLY``."""
        for letter, value in _at(text):
            self.answers[letter] = reply(value)

    def trickle(self, text: str) -> None:
        """Answer byte by byte: ``STAGE=TIME``, the pause before each byte."""
        for letter, value in _at(text):
            answer = self.answers.get(letter)
            data = answer.data if isinstance(answer, Send) else send(Continue()).data
            self.answers[letter] = Trickle(data, seconds(value))

    def close(self, text: str) -> None:
        """Close instead of an answer: ``STAGE``; or after it: ``STAGE=after``."""
        stage, _, when = text.partition("=")
        if when not in ("", "after", "before"):
            raise NotationError(f"{text!r} does not have the form STAGE or STAGE=after")
        place = self.after if when == "after" else self.instead
        for letter in _letters(stage):
            place.setdefault(letter, []).append(Close())

    def fault(self, stages: str, *steps: Step) -> None:
        """Do these steps instead of an answer."""
        for letter in _letters(stages):
            self.instead.setdefault(letter, []).extend(steps)

    def raw(self, text: str) -> None:
        """Send any bytes instead of an answer: ``STAGE=BYTES``."""
        for letter, value in _at(text):
            self.instead.setdefault(letter, []).append(Send(raw_bytes(value)))

    def surplus(self, text: str) -> None:
        """Send one more reply after the answer: ``STAGE`` (continue) or ``STAGE=REPLY``."""
        stage, _, words = text.partition("=")
        for letter in _letters(stage):
            self.after.setdefault(letter, []).append(reply(words or "continue"))

    def rules(self) -> list[Rule]:
        """One rule for each stage with a wish."""
        letters = {**self.before, **self.answers, **self.instead, **self.after}
        return [Rule(letter, self._steps(letter), **self.scope) for letter in letters]

    def _steps(self, letter: str) -> Steps:
        answer = self.instead.get(letter) or [self.answers.get(letter, Default())]
        return (*self.before.get(letter, ()), *answer, *self.after.get(letter, ()))


def _letters(stages: str) -> str:
    letter = stage_letter(stages)
    return EVERY_EVENT if letter == "*" else letter


def _at(text: str) -> list[tuple[str, str]]:
    stage, equals, value = text.partition("=")
    if not equals:
        raise NotationError(f"{text!r} does not have the form STAGE=VALUE")
    return [(letter, value) for letter in _letters(stage)]
