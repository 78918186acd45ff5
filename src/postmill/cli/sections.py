"""Help in sections, and option types, for commands with many options (`send`, `milter`, their cousins)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from postmill.testing.words import NotationError, seconds

Function = Callable[..., None]
Decorator = Callable[[Function], Function]


class SectionOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    section = "Options"


class SectionedCommand(click.Command):
    """A command whose help lists its options under the headings of `SectionOption`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list for each heading, in the order in which the headings first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(param, "section", "Other"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def section(title: str) -> Callable[..., Decorator]:
    """A maker of options like `click.option`, whose options stand under `title`."""
    kind = type("TitledOption", (SectionOption,), {"section": title})

    def option(*declarations: str, **settings: Any) -> Decorator:
        return click.option(*declarations, cls=kind, **settings)

    return option


def together(*decorators: Decorator) -> Decorator:
    """One decorator for several options, in the order given."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration such as ``2s`` or ``250ms``; a bare number means seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text; click reports what cannot be read."""
        if isinstance(value, float):
            return value
        try:
            return seconds(str(value))
        except NotationError as error:
            self.fail(str(error), param, ctx)
