"""A built-in filter as its users run it: `postmill serve` with a file of settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.daemon.running import environment
from tests.interop.postfix import wait_until
from tests.stack.component import answers
from tests.stack.manager import value


@contextmanager
def serving(directory: Path, name: str, settings: Mapping[str, Any], *options: str) -> Iterator[str]:
    """Serve a filter; give its endpoint."""
    file, socket = directory / f"{name}.toml", directory / f"{name}.sock"
    file.write_text("".join(f"{key} = {value(setting)}\n" for key, setting in settings.items()))
    endpoint = f"unix:{socket}"
    command = [sys.executable, "-m", "postmill", "serve", name, "--listen", endpoint, "--settings", str(file)]
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], env=environment(), stderr=log)
    try:
        wait_until(lambda: answers(socket), f"{name} does not answer")
        yield endpoint
    finally:
        process.terminate()
        process.wait(20)
    text = (directory / f"{name}.log").read_text()
    assert "Traceback" not in text, text
