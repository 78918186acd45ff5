"""The configuration, floor 4: TOML to frozen values, with the origin of each, and errors that say what to do.

``load(path)`` reads and checks a file, ``load_control(path)`` only what leads to the running daemon, and
``load_history(path)`` and its like only what one part of the work needs;
``settings`` holds the schema. Whether an account or a directory
exists on this machine is not asked here: the daemon finds that out when it starts.
"""

from __future__ import annotations

from postmill.config.detected import Detect
from postmill.config.documents import DEFAULT_FILE
from postmill.config.loading import (
    load,
    load_control,
    load_history,
    load_log,
    load_metrics,
    load_tracing,
    parse,
)
from postmill.config.origins import DEFAULT, Loaded, Origin
from postmill.config.problems import ConfigErrors
from postmill.config.settings import (
    Breaker,
    ControlSettings,
    LogSettings,
    ManagerSettings,
    MilterSettings,
    Settings,
    Timeouts,
)

__all__ = [
    "DEFAULT",
    "DEFAULT_FILE",
    "Breaker",
    "ConfigErrors",
    "ControlSettings",
    "Detect",
    "Loaded",
    "LogSettings",
    "ManagerSettings",
    "MilterSettings",
    "Origin",
    "Settings",
    "Timeouts",
    "load",
    "load_control",
    "load_history",
    "load_log",
    "load_metrics",
    "load_tracing",
    "parse",
]
