"""What the filter ``greylist`` remembers, as milter-greylist's dump file and back."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from postmill.config.settings import FilterSettings, Settings
from postmill.daemon import privileges
from postmill.daemon.configuration import load_configuration
from postmill.errors import ConfigError, RequestError, UnavailableError
from postmill.filters.greylist.dump import read_dump, write_dump
from postmill.filters.greylist.keeping import bring, exported
from postmill.stores import View, open_backend

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a dump."""

    remembered: int
    late: int
    """How many entries were out of date."""
    left_out: list[str]
    """Lines that nobody can read, and why."""


def import_dump(config_file: str | os.PathLike[str], name: str, text: str, file: str) -> Brought:
    """Put the entries of a dump into the store of the filter ``name``, unless it knows better ones.

    Raises ConfigError for a file with nothing but lines that are none of a dump, or a store that is none,
    RequestError when there is no such filter, UnavailableError when the store cannot be used.
    """
    settings = load_configuration(config_file).settings
    found = _filter(settings, name)
    dump = read_dump(text)
    if dump.left_out and not dump.entries:
        raise ConfigError(dump.left_out[0], file=file)

    async def work(store: View) -> int:
        return await bring(store, dump.entries, found.prepared.config, int(time.time()))

    late = _with_store(settings, found.name, work)
    return Brought(len(dump.entries) - late, late, dump.left_out)


def export_dump(config_file: str | os.PathLike[str], name: str) -> str:
    """Return what a filter remembers as a dump; raises as ``import_dump`` does."""
    settings = load_configuration(config_file).settings
    return write_dump(_with_store(settings, _filter(settings, name).name, exported))


def _filter(settings: Settings, name: str) -> FilterSettings:
    greylists = [one for one in settings.filters if one.milter.name == "greylist"]
    for one in greylists:
        if one.name == name:
            return one
    there = (
        f"there are {', '.join(one.name for one in greylists)}" if greylists else "the configuration has none"
    )
    raise RequestError(f"there is no greylist filter {name!r}; {there}")


def _with_store(settings: Settings, name: str, work: Callable[[View], Awaitable[T]]) -> T:
    """Work with the store as who the daemon is: what root makes there, it could not open."""
    if urlsplit(settings.store.url).scheme == "memory":
        raise ConfigError(
            "each process has a store in memory of its own", key="store.url", hint="name a file or a server"
        )
    backend = open_backend(settings.store.url)

    async def run() -> T:
        try:
            return await work(View(backend, name))
        finally:
            await backend.close()

    if os.geteuid() == 0:
        privileges.drop(settings.manager.user, settings.manager.group)
    try:
        return asyncio.run(run())
    except OSError as error:
        raise UnavailableError(str(error)) from error
