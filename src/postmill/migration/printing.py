"""Our configuration as the predecessor's ``--show-config`` prints one: its settings, order and spelling.

Above each setting stands where it came from. What is set here and has no equivalent there is a comment, so
that nothing goes unsaid. What conditions add to their lists, which the predecessor does not print, is printed
in the words that its configuration has for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Any

from postmill.api.settings import Section, keys_of
from postmill.config import Loaded, MilterSettings
from postmill.config.conditions import When
from postmill.config.settings import FilterSettings
from postmill.migration.carrying import STATUSES
from postmill.migration.conditions import NAMES
from postmill.migration.equivalents import GROUPS, SETTINGS, Setting, spec
from postmill.migration.printing_conditions import additions, is_account_list, restriction
from postmill.migration.ruby import literal

_THEIR_NAMES = {ours: theirs for theirs, ours in NAMES.items()}
_THEIR_STATUSES = {ours: theirs for theirs, ours in STATUSES.items()}
_NEAREST_STATUS = "temporary-failure"
_MILTER_KEYS = (
    "socket",
    "description",
    "mode",
    "on_error",
    "when",
    "order",
    "timeouts.connect",
    "timeouts.command",
    "timeouts.content",
)


def as_milter_manager(loaded: Loaded) -> str:
    """Write the configuration in the predecessor's language."""
    blocks = [*_settings(loaded), *_conditions(loaded), *_milters(loaded)]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _item(origin: object, text: str, indent: str = "") -> list[str]:
    return [f"{indent}# {origin}", f"{indent}{text}"]


def _without_equivalent(loaded: Loaded, key: str, shown: str, indent: str = "") -> str:
    return f"{indent}# no equivalent: {key} = {shown}  ({loaded.origins[key]})"


# Settings of the manager


def _settings(loaded: Loaded) -> Iterator[list[str]]:
    for group, rows in groupby(SETTINGS, lambda setting: setting.group):
        lines = [line for setting in rows for line in _setting(loaded, setting)]
        yield [*lines, *_others(loaded, group)]


def _setting(loaded: Loaded, setting: Setting) -> list[str]:
    if setting.ours:
        table, _, key = setting.ours.partition(".")
        value = getattr(getattr(loaded.settings, table), key)
        theirs = None if value == "" else setting.to_theirs(value)
        return _item(loaded.origins[setting.ours], f"{setting.theirs} = {literal(theirs)}")
    if setting.always is not ...:
        return _item("default", f"{setting.theirs} = {literal(setting.always)}")
    return []


def _others(loaded: Loaded, group: str) -> Iterator[str]:
    """Give what is set in our tables and cannot be said there, with the group that it comes nearest to."""
    known = {setting.ours for setting in SETTINGS}
    for table in keys_of(loaded.settings):
        if group != (table.name if table.name in GROUPS else "controller"):
            continue
        for key, shown in _given(loaded, table.name, getattr(loaded.settings, table.name)):
            if f"{table.name}.{key}" not in known:
                yield _without_equivalent(loaded, f"{table.name}.{key}", shown)
    if group == "manager":
        for index, endpoint in enumerate(loaded.settings.manager.listen[1:], 1):
            yield f"# no equivalent: manager.listen[{index}] = {literal(str(endpoint))}"
    if group == "log" and loaded.settings.log.to == "journal":
        yield _without_equivalent(loaded, "log.to", '"journal"')


def _given(loaded: Loaded, prefix: str, value: Any, inner: str = "") -> Iterator[tuple[str, str]]:
    """Give key and value of everything that was written down."""
    for declared in keys_of(value):
        kind, name = declared.metadata["kind"], f"{inner}{declared.name}"
        if isinstance(kind, Section):
            yield from _given(loaded, prefix, getattr(value, declared.name), f"{name}.")
        elif not loaded.origins[f"{prefix}.{name}"].is_default:
            yield name, kind.show(getattr(value, declared.name))


# Conditions


def _conditions(loaded: Loaded) -> Iterator[list[str]]:
    for named in loaded.settings.conditions:
        if named.name in _THEIR_NAMES:
            name = literal(_THEIR_NAMES[named.name])
            description = named.condition.doc.partition("\n")[0]
            yield [
                *_item("default", f"define_applicable_condition({name}) do |condition|"),
                *_item("default", f"condition.description = {literal(description)}", "  "),
                "end",
            ]
    yield from additions(loaded)


# Milters


def _milters(loaded: Loaded) -> Iterator[list[str]]:
    for milter in loaded.settings.milters:
        yield [*_milter(loaded, milter)]
        yield [
            line
            for use in milter.conditions
            if is_account_list(use)
            for line in restriction(milter.name, use)
        ]
    yield [*map(partial(_filter, loaded), loaded.settings.filters)]


def _filter(loaded: Loaded, inner: FilterSettings) -> str:
    origin = loaded.origins[f"filter[{inner.place}].use"]
    return f"# no equivalent: [[filter]] {inner.name}, which uses {inner.use}  ({origin})"


def _milter(loaded: Loaded, milter: MilterSettings) -> Iterator[str]:
    path = f"milters.{milter.name}"
    yield from _item(loaded.origins[f"{path}.socket"], f"define_milter({literal(milter.name)}) do |milter|")
    for key, name, value in _milter_items(milter):
        if name == "applicable_conditions":
            yield from _applicable_conditions(loaded, milter)
            continue
        origin = loaded.origins[f"{path}.{key}"] if key else "default"
        yield from _item(origin, f"milter.{name} = {literal(value)}", "  ")
    for key, shown in _given(loaded, path, milter):
        if key not in _MILTER_KEYS or (key == "on_error" and milter.on_error not in _THEIR_STATUSES):
            yield _without_equivalent(loaded, f"{path}.{key}", shown, "  ")
    yield "end"


def _milter_items(milter: MilterSettings) -> Iterator[tuple[str, str, Any]]:
    timeouts = milter.timeouts
    yield "socket", "connection_spec", spec(milter.socket)
    yield "description", "description", milter.description or None
    yield "mode", "enabled", milter.mode != "off"
    yield "on_error", "fallback_status", _THEIR_STATUSES.get(milter.on_error, _NEAREST_STATUS)
    yield "mode", "evaluation_mode", milter.mode == "evaluate"
    yield "when", "applicable_conditions", None
    yield "", "command", None
    yield "", "command_options", None
    yield "", "user_name", None
    yield "timeouts.connect", "connection_timeout", float(timeouts.connect)
    yield "timeouts.command", "writing_timeout", float(timeouts.command)
    yield "timeouts.command", "reading_timeout", float(timeouts.command)
    yield "timeouts.content", "end_of_message_timeout", float(timeouts.content)


def _applicable_conditions(loaded: Loaded, milter: MilterSettings) -> Iterator[str]:
    origin = loaded.origins[f"milters.{milter.name}.when"]
    pairs = list(zip(milter.when, milter.conditions, strict=True))
    plain = [
        use for wish, use in pairs if wish.inline is None and not use.negated and use.name in _THEIR_NAMES
    ]
    if not plain:
        yield from _item("default", "milter.applicable_conditions = []", "  ")
    else:
        yield "  milter.applicable_conditions = ["
        for use in plain:
            yield from _item(origin, f"{literal(_THEIR_NAMES[use.name])},", "    ")
        yield "  ]"
    for wish, use in pairs:
        if use not in plain and not is_account_list(use):
            yield _without_equivalent(loaded, f"milters.{milter.name}.when", When().show([wish]), "  ")
