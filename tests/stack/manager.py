"""Postmill as a component: `postmill run` on a configuration file of its own, real milters as children."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.stack.component import MilterComponent

SOURCE = Path(__file__).parents[2] / "src"


class Manager(MilterComponent):
    """`postmill run`; `milters` are the `[milters.NAME]` tables in order, `settings` go under `[manager]`."""

    def __init__(
        self,
        directory: Path,
        milters: Mapping[str, Mapping[str, Any]],
        settings: Mapping[str, Any] | None = None,
        name: str = "postmill",
        listen: Sequence[str] = (),
    ) -> None:
        self.name = name
        super().__init__(directory)
        self.milters = milters
        self.settings = {
            "listen": [self.endpoint, *listen],
            "socket_mode": "0666",
            "workers": 1,
            **(settings or {}),
        }

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.directory / "postmill.toml"

    def prepare(self) -> None:
        """Write the configuration."""
        self.config.write_text(self.text())

    def text(self) -> str:
        """Return the configuration as TOML."""
        tables = [table("manager", self.settings)]
        tables += [table(f"milters.{name}", settings) for name, settings in self.milters.items()]
        return "\n".join([*tables, table("log", {"level": "info"}), table("control", {"socket": ""})])

    def command(self) -> Sequence[str]:
        """Return the command line, on this tree's sources."""
        run = [sys.executable, "-m", "postmill", "run", "-c", str(self.config)]
        return ["env", f"PYTHONPATH={SOURCE}", *run]


def table(name: str, settings: Mapping[str, Any]) -> str:
    """Return one TOML table. JSON's spelling of strings, numbers, booleans and lists is TOML's too."""
    lines = (f"{key} = {value(setting)}" for key, setting in settings.items())
    return "\n".join([f"[{name}]", *lines, ""])


def value(setting: Any) -> str:
    """Return one TOML value; mappings become inline tables."""
    if isinstance(setting, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {value(each)}" for key, each in setting.items())
        return f"{{ {inner} }}"
    if isinstance(setting, list):
        return f"[{', '.join(map(value, setting))}]"
    return json.dumps(setting)
