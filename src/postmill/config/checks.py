"""What single values cannot show: settings that contradict each other, or that are hardly meant."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from postmill.api.kinds import MilterName
from postmill.api.nouns import Head, Message
from postmill.config.observing import WebSettings
from postmill.config.settings import ChildSettings, FilterSettings, MilterSettings, Settings
from postmill.config.tables import Reader
from postmill.errors import ConfigError

POSTFIX_PATIENCE = 30.0
"""Seconds Postfix waits for an answer or a progress report (``milter_command_timeout``; protocol §7.1)."""


def check(settings: Settings, reader: Reader) -> list[ConfigError]:
    """Note contradictions as problems of the reader; return what is only suspicious as warnings."""
    _check_listeners(settings, reader)
    for milter in settings.milters:
        _check_milter(settings, milter, reader)
    for child in settings.children:
        _check_breaker(child, reader)
    _check_names(settings, reader)
    _check_earlier_milters(settings, reader)
    if settings.tracing.endpoint and not settings.history.url:
        reader.problem(("tracing", "endpoint"), "traces are made of the history: set history.url, too")
    _check_web(settings.web, reader)
    return [*_suspicions(settings, reader)]


def _check_listeners(settings: Settings, reader: Reader) -> None:
    listeners = settings.manager.listen
    for index, endpoint in enumerate(listeners):
        if endpoint in listeners[:index]:
            reader.problem(("manager", "listen", index), f"{endpoint} is listed twice")
    if settings.control.socket in listeners:
        reader.problem(("control", "socket"), f"{settings.control.socket} is where MTAs are to connect")


def _check_milter(settings: Settings, milter: MilterSettings, reader: Reader) -> None:
    path = ("milters", milter.name)
    if milter.socket in settings.manager.listen:
        reader.problem((*path, "socket"), f"{milter.socket} is Postmill's own socket: it would ask itself")
    if milter.socket == settings.control.socket:
        reader.problem((*path, "socket"), f"{milter.socket} is Postmill's control socket")
    if milter.socket.kind != "unix" and milter.socket.port == 0:
        reader.problem((*path, "socket"), "port 0 cannot be connected to")


def _check_breaker(child: ChildSettings, reader: Reader) -> None:
    if child.breaker.retry_max < child.breaker.retry:
        reader.problem((*child.path, "breaker", "retry_max"), "must not be shorter than retry")


def _check_names(settings: Settings, reader: Reader) -> None:
    """Milters and filters share one row, and with it their names."""
    seen = {milter.name: milter.path for milter in settings.milters}
    for child in sorted(settings.filters, key=lambda one: one.place):
        if child.name in seen:
            hint = 'give one of them another name: name = "…"'
            reader.problem(child.path, f"there is another milter named {child.name}", hint)
        seen[child.name] = child.path


def _check_earlier_milters(settings: Settings, reader: Reader) -> None:
    """A condition that goes by another milter's verdict needs one that is asked before."""
    earlier: list[str] = []
    for milter in settings.children:
        for index, use in enumerate(milter.conditions):
            for name in _milters_named_in(use.settings):
                if name not in earlier:
                    there = any(other.name == name for other in settings.children)
                    text = f"{use.name}: {name} does not stand before {milter.name}"
                    near = difflib.get_close_matches(name, earlier, 1)
                    hint = (
                        f"did you mean {near[0]}?"
                        if near
                        else f"before it stand: {', '.join(earlier) or 'none'}"
                    )
                    text = text if there else f"{use.name}: there is no milter {name}"
                    reader.problem((*milter.path, "when", index), text, hint)
        if milter.mode != "off":
            earlier.append(milter.name)


def _milters_named_in(settings: Any) -> Iterator[str]:
    for declared in dataclasses.fields(settings):
        if isinstance(declared.metadata.get("kind"), MilterName):
            yield getattr(settings, declared.name)


def _check_web(web: WebSettings, reader: Reader) -> None:
    for index, endpoint in enumerate(web.listen):
        if endpoint.kind != "unix" and not web.certificate and not _is_loopback(endpoint.host):
            hint = 'set certificate, or listen on "inet:PORT@127.0.0.1" with a proxy before it'
            reader.problem(("web", "listen", index), f"{endpoint}: passwords would travel unencrypted", hint)
    if web.key_file and not web.certificate:
        reader.problem(("web", "key_file"), "is of no use without certificate")
    if web.user_header and not web.trusted_proxies:
        reader.problem(("web", "user_header"), "nobody is trusted to set it", "set trusted_proxies")
    for index, address in enumerate(web.trusted_proxies):
        if address != "unix" and not _is_address(address):
            reader.problem(("web", "trusted_proxies", index), f"{address} is no address")
    names = [user.name for user in web.user]
    for index, name in enumerate(names):
        if name in names[:index]:
            reader.problem(("web", "user", index), f"there is another user {name}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _suspicions(settings: Settings, reader: Reader) -> Iterator[ConfigError]:
    if all(milter.mode == "off" for milter in settings.children):
        hint = "`postmill detect` says why" if settings.manager.detect else "add [milters.NAME]"
        yield reader.at((), "no milter is in use: every message passes as it is", hint)
    if settings.manager.mta != "sendmail" and settings.manager.progress_interval >= POSTFIX_PATIENCE:
        yield reader.at(
            ("manager", "progress_interval"), f"Postfix gives up after {POSTFIX_PATIENCE:g}s without progress"
        )
    web = settings.web
    if web.listen and not web.user_header and not any(user.password for user in web.user):
        yield reader.at(
            ("web", "listen"), "nobody can log in to the dashboard", "add a [[web.user]] with a password"
        )
    seen: dict[object, str] = {}
    for milter in settings.milters:
        if milter.socket in seen:
            path = ("milters", milter.name, "socket")
            yield reader.at(path, f"{milter.socket} is also the socket of milter {seen[milter.socket]}")
        seen.setdefault(milter.socket, milter.name)
    for child in settings.filters:
        yield from _too_patient(child, reader)


def _too_patient(child: FilterSettings, reader: Reader) -> Iterator[ConfigError]:
    """Tell where a filter may wait until it counts as failed."""
    for noun, longest in child.milter.longest_with(child.settings, child.prepared).items():
        name = "content" if noun in (Head, Message) else "command"
        given = getattr(child.timeouts, name)
        if longest >= given:
            text = f"{child.name} counts as failed after {given:g}s, and may wait for {longest:g}s"
            hint = "give it more, or set shorter times in its settings"
            yield reader.at((*child.path, "timeouts", name), text, hint)
