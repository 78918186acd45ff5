"""Milters that were found on the machine, put as tables under what the file says of milters of these names.

So they are read and checked as if they had been written down, and the file changes single keys of one without
moving it. How milters are found is not known here: whoever loads a configuration hands that in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postmill.api.host import Finding, State
from postmill.config.origins import Origin
from postmill.config.positions import Path
from postmill.config.tables import Reader
from postmill.errors import ConfigError, EndpointError, UnavailableError
from postmill.wire.endpoint import parse_endpoint

Detect = Callable[[], Sequence[Finding]]
"""Look at the machine now. Raises UnavailableError when that is not possible."""
_SETTING: Path = ("manager", "detect")
_NOWHERE = "unix:/nonexistent"
"""Stands for the socket of a milter whose table is to be checked, but which will not be used."""


@dataclass(slots=True)
class Merged:
    """A document with what was found in it."""

    document: Mapping[str, Any]
    left_out: set[str] = field(default_factory=set)
    """Milters that the document has only so that their tables are checked."""
    warnings: list[ConfigError] = field(default_factory=list)


def is_wanted(document: Mapping[str, Any]) -> bool:
    """Tell whether the file asks for detection."""
    manager = document.get("manager")
    return isinstance(manager, dict) and manager.get("detect") is True


def merge(reader: Reader, document: Mapping[str, Any], detect: Detect | None) -> Merged:
    """Look at the machine and put what it has into the document; problems go to the reader."""
    merged = Merged(document)
    written = document.get("milters", {})
    if not isinstance(written, dict):
        return merged
    try:
        if detect is None:
            raise UnavailableError("this program cannot look for milters")
        findings = detect()
    except UnavailableError as error:
        reader.problem(_SETTING, str(error))
        return merged
    tables = dict(written)
    for finding in {finding.name: finding for finding in reversed(findings)}.values():
        _Case(reader, merged, finding, written).settle(tables)
    merged.document = {**document, "milters": tables}
    return merged


@dataclass(frozen=True, slots=True)
class _Case:
    """One finding, and what the file says of it."""

    reader: Reader
    merged: Merged
    finding: Finding
    written: Mapping[str, Any]

    def settle(self, tables: dict[str, Any]) -> None:
        """Put the milter into the tables, or leave it out and say why."""
        table = self.written.get(self.finding.name)
        if table is None:
            if self._is_to_be_added():
                tables[self.finding.name] = self._under({})
        elif isinstance(table, dict):
            tables[self.finding.name] = self._under(table)
            self._judge_written(table, tables)

    def _is_to_be_added(self) -> bool:
        finding = self.finding
        if finding.usable:
            other = self._written_with_socket()
            if other:
                self._warn(
                    f"{finding.name} was found at {finding.socket}, which is the socket of milter {other}",
                    f"to let detection follow it, name that [milters.{finding.name}]",
                )
            return not other
        if finding.state is State.UNKNOWN:
            self.reader.problem(
                _SETTING,
                f"whether {finding.name} is in use cannot be told: {finding.problem}",
                f"let Postmill read that, or write [milters.{finding.name}] with its socket, or with "
                'mode = "off"',
            )
        elif finding.installed and finding.state is State.ENABLED:
            self._warn(f"{finding.name} was found and is not used: {finding.problem}")
        return False

    def _judge_written(self, table: Mapping[str, Any], tables: dict[str, Any]) -> None:
        """Decide about a milter of which the file has a table."""
        finding, off = self.finding, table.get("mode") == "off"
        if finding.usable:
            return
        if "socket" not in table:
            tables[finding.name].setdefault("socket", _NOWHERE)
            self.merged.left_out.add(finding.name)
            if finding.state is State.UNKNOWN and not off:
                message = f"whether it is in use cannot be told: {finding.problem}"
                self.reader.problem(("milters", finding.name), message, "give its socket here")
            elif not off:
                self._warn(f"not used: {finding.problem}", path=("milters", finding.name))
        elif finding.state is not State.ENABLED and not off:
            message = f"used as it is written, although detection says: {finding.problem}"
            self._warn(message, path=("milters", finding.name))

    def _written_with_socket(self) -> str:
        """Return the name of another milter that the file gives this socket."""
        for name, table in self.written.items():
            text = table.get("socket") if isinstance(table, dict) else None
            try:
                if isinstance(text, str) and parse_endpoint(text) == self.finding.socket:
                    return str(name)
            except EndpointError:
                continue
        return ""

    def _warn(self, message: str, hint: str = "", path: Path = _SETTING) -> None:
        self.merged.warnings.append(self.reader.at(path, message, hint))

    def _under(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the table with what was found where it says nothing itself."""
        finding = self.finding
        usual = f"usual for {finding.name}"
        values: dict[str, tuple[Any, Origin]] = {
            "when": (list(finding.when), Origin(usual, detected=True)),
            "order": (finding.order, Origin(usual, detected=True)),
        }
        source = finding.source
        place = Origin(source.file or source.words, source.line, detected=True)
        if finding.socket is not None:
            values["socket"] = (str(finding.socket), place)
        values |= {key: (value, Origin(usual, detected=True)) for key, value in finding.settings.items()}
        path: Path = ("milters", finding.name)
        self.reader.detected[path] = place
        return self._filled(path, table, values)

    def _filled(
        self, path: Path, table: Mapping[str, Any], values: Mapping[str, tuple[Any, Origin]]
    ) -> dict[str, Any]:
        filled = dict(table)
        for key, (value, origin) in values.items():
            there = table.get(key)
            if isinstance(value, dict) and (there is None or isinstance(there, dict)):
                inner = {name: (one, origin) for name, one in value.items()}
                filled[key] = self._filled((*path, key), there or {}, inner)
            elif there is None:
                filled[key] = value
                self.reader.detected[(*path, key)] = origin
        return filled
