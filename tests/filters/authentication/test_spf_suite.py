"""The openspf.org test suite for RFC 7208 (release 2014.04, from pyspf 2.0.14; licence beside it).

Each scenario has a zone; what it cannot hold of DNS, failures above all, is said by TIMEOUT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from postmill.filters._spf import ask_spf

SUITE = Path(__file__).with_name("rfc7208-tests.yml")
Records = dict[str, list[Any]]


@dataclass
class Zone:
    """The port ``Resolver`` over a scenario's zone."""

    records_of: Records

    async def addresses(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        return self._found(name, "A")

    async def texts(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        return self._found(name, "TXT")

    async def records(
        self, name: str, kind: str, servers: Sequence[str] = (), within: float = 5.0
    ) -> tuple[str, ...]:
        return self._found(name, kind)

    def _found(self, name: str, kind: str, hops: int = 0) -> tuple[str, ...]:
        entries = self.records_of.get(name.lower().rstrip("."), [])
        pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
        kinds = {one for one, _ in pairs}
        wanted = "SPF" if kind == "TXT" and "TXT" not in kinds else kind  # it writes SPF for what is in both
        found = [value for one, value in pairs if one == wanted and value != "NONE"]
        if not found and "TIMEOUT" in entries:
            raise TimeoutError("DNS timeout")
        if "TIMEOUT" in found:
            raise TimeoutError("DNS timeout")
        target = next((value for one, value in pairs if one == "CNAME"), None)
        if not found and target is not None and hops < 8:
            return self._found(target, kind, hops + 1)
        return tuple(_as_text(value) for value in found)


def _as_text(value: Any) -> str:
    match value:
        case [int(preference), str(host)]:
            return f"{preference} {host}."
        case list():
            return "".join(value)
    return str(value)


def scenarios() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text(encoding="utf-8")):
        zone = {name.lower().rstrip("."): entries for name, entries in scenario["zonedata"].items()}
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=f"{scenario['description']}: {name}")


@pytest.mark.parametrize(("zone", "case"), list(scenarios()))
def test_suite(zone: Records, case: dict[str, Any]) -> None:
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    asked = ask_spf(ip_address(case["host"]), case["helo"], case["mailfrom"], Zone(zone))
    answer = asyncio.run(asked)
    assert answer.result in expected
    if answer.result == "fail" and case.get("explanation"):
        assert (answer.explanation or "DEFAULT") == case["explanation"]


def test_the_suite_is_whole() -> None:
    assert len(list(scenarios())) == 203
