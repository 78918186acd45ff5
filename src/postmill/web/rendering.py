"""The templates: HTML with everything escaped, and what they may call."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from postmill import __version__
from postmill.web import shown

NAVIGATION = (
    ("/", "Overview"),
    ("/messages", "Messages"),
    ("/milters", "Milters"),
    ("/configuration", "Configuration"),
    ("/findings", "Findings"),
    ("/changes", "Changes"),
)


def templates() -> Environment:
    """Return the environment of all templates."""
    environment = Environment(
        loader=PackageLoader("postmill.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(shown.FILTERS)
    environment.globals.update(
        asset=asset, navigation=NAVIGATION, share=shown.share, version=__version__, height=100
    )
    return environment


@cache
def asset(name: str) -> str:
    """Return the address of a file in ``static``; another one when the file has changed."""
    data = (files("postmill.web") / "static" / name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(data).hexdigest()[:12]}"
