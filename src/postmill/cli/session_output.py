"""Printing of what came of sessions, for the commands that play an MTA: text, colours, JSON, a progress bar.

What there is to say is put together in ``testing.showing``; here it only gets its colours.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from postmill.testing.load import LoadReport
from postmill.testing.outcome import MailReport, SessionReport
from postmill.testing.showing import (
    Mark,
    annotated,
    difference,
    load_summary,
    load_values,
    message_text,
    session_values,
    summary,
)
from postmill.testing.trace import command_text, reply_text

View = Literal["message", "diff", "annotated"]

_STATUS_COLOUR = {
    "accept": "green",
    "aborted": "cyan",
    "quarantine": "yellow",
    "discard": "magenta",
    "temporary-failure": "yellow",
    "reject": "red",
    "error": "red",
}
_MARK_COLOUR = {"+": "green", "-": "red", "#": "cyan"}
LONG_RUN = 200
"""Sessions from which on a progress bar is worth its line."""


def use_colour(choice: str) -> bool:
    """Whether to colour, for ``auto``, ``always`` or ``never``; NO_COLOR in the environment turns ``auto``
    off.
    """
    if choice == "auto":
        return sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return choice == "always"


class Printer:
    """Writes reports to the standard output, with or without colours."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def session(self, report: SessionReport, views: tuple[View, ...] = ()) -> None:
        """Print one session: the summary, then each message in the views asked for."""
        for line in summary(report):
            self._line(self._status(line))
        for number, mail in enumerate(report.mails, 1):
            for view in views:
                self._line("" if len(report.mails) == 1 else f"\n# message {number}")
                self._view(mail, view)

    def values(self, report: SessionReport) -> None:
        """Print one session as a JSON object."""
        self._line(json.dumps(session_values(report), indent=2, ensure_ascii=False))

    def load(self, total: LoadReport) -> None:
        """Print the sum of many sessions."""
        for line in load_summary(total):
            self._line(self._status(line))

    def load_values(self, total: LoadReport) -> None:
        """Print the sum of many sessions as a JSON object."""
        self._line(json.dumps(load_values(total), indent=2))

    def trace(self, direction: Literal[">", "<"], letter: int, payload: bytes) -> None:
        """Print one packet to the standard error output."""
        text = command_text(letter, payload) if direction == ">" else reply_text(letter, payload)
        line = f"{direction} {text}"
        click.echo(click.style(line, fg="blue") if self._colour and direction == "<" else line, err=True)

    def _view(self, mail: MailReport, view: View) -> None:
        if view == "message":
            sys.stdout.flush()
            sys.stdout.buffer.write(message_text(mail).replace(b"\r\n", b"\n"))
            sys.stdout.buffer.flush()
            return
        lines = difference(mail) if view == "diff" else annotated(mail)
        for mark, text in lines or [("#", "(unchanged)")]:
            self._line(self._marked(mark, text))

    def _marked(self, mark: Mark, text: str) -> str:
        fg = _MARK_COLOUR.get(mark)
        return click.style(text, fg=fg) if self._colour and fg else text

    def _status(self, line: str) -> str:
        word = line.rpartition(": ")[2]
        if not self._colour or word not in _STATUS_COLOUR:
            return line
        return line.removesuffix(word) + click.style(word, fg=_STATUS_COLOUR[word], bold=True)

    def _line(self, text: str) -> None:
        click.echo(text, color=self._colour)


@contextmanager
def progress_bar(sessions: int) -> Iterator[Callable[[SessionReport], None] | None]:
    """A progress bar for a long run on a terminal, as a callback for each session; else None."""
    if sessions < LONG_RUN or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("sessions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sessions", total=sessions)
        yield lambda _report: bar.advance(task)
