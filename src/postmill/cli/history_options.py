"""What the commands share that look into the history: where it is, which messages, since when."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from postmill.api.kinds import Duration
from postmill.cli.options import config_file
from postmill.config import load_history
from postmill.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from postmill.history import History, Selection

VERDICTS = ("accept", "reject", "tempfail", "discard", "quarantine", "shutdown", "aborted")
_YEARS = Duration(0, 3660 * 86400.0)


@contextmanager
def opened(config_file: str, url: str) -> Iterator[History]:
    """Open the history, for reading.

    Raises UnavailableError when there is none or it cannot be read, now or while it is used.
    """
    from postmill.history import History, open_database  # noqa: PLC0415 - keeps `postmill --help` quick

    url = url or load_history(config_file).url
    if not url:
        raise UnavailableError(f"no history is kept: history.url is not set in {config_file}")
    try:
        history = History(open_database(url, writes=False))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise UnavailableError(f"the history cannot be read: {error}") from error
    try:
        yield history
    except BrokenPipeError:  # who reads our output has seen enough
        raise
    except OSError as error:
        raise UnavailableError(f"the history cannot be read: {error}") from error
    finally:
        history.close()


def with_history(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an open history as its first argument, and the options that say which."""

    @config_file
    @click.option(
        "--history", "url", default="", metavar="URL", help="The history; else the configuration says it."
    )
    @functools.wraps(function)
    def run(config_file: str, url: str, **rest: Any) -> None:
        with opened(config_file, url) as history:
            function(history, **rest)

    return run


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time: how long ago (``24h``, ``30m``, ``7d``), or a date with or without a time of day."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds of the wall clock."""
        if isinstance(value, float):
            return value
        try:
            return time.time() - _YEARS.parse(value)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time: write 30m, 24h, 7d, 2026-11-26 or 2026-11-26T14:30", param, ctx)


def selecting(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command a ``Selection``, and the options that make one."""

    @click.option("--verdict", type=click.Choice(VERDICTS), help="Only messages with this verdict.")
    @click.option(
        "--address",
        "--rcpt",
        "--from",
        "address",
        metavar="ADDRESS",
        help="A sender or recipient, or @DOMAIN.",
    )
    @click.option(
        "--child",
        "--milter",
        "child",
        metavar="NAME",
        help="That this milter said something of, or was lost at.",
    )
    @click.option("--said", metavar="VERDICT", help="With --child: what it said; lost, when it was lost.")
    @functools.wraps(function)
    def run(
        *args: Any, verdict: str | None, address: str | None, child: str | None, said: str | None, **rest: Any
    ) -> None:
        if said and not child:
            raise click.UsageError("--said needs --child")
        function(*args, selection=_selection(verdict, address, child, said), **rest)

    return run


def _selection(verdict: str | None, address: str | None, child: str | None, said: str | None) -> Selection:
    from postmill.history import Selection  # noqa: PLC0415 - keeps `postmill --help` quick

    return Selection(
        verdict=verdict or "", address=address or "", child=child or "", child_verdict=said or ""
    )
