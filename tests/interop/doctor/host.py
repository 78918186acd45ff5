"""A mail host for the doctor: a private Postfix, a Postmill, a child that refuses; and `postmill doctor` as typed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from postmill.testing.child import ScriptedChild
from postmill.testing.script import Negotiation, Rule, Script
from postmill.testing.words import reply
from tests.daemon.running import Daemon, environment
from tests.interop.postfix import public_directory
from tests.interop.setup.test_postfix import REFUSAL, Instance, deliver

REFUSES = Script(rules=[Rule("R", (reply(REFUSAL),))])
LISTED = "unix:pm/mta.sock"
"""Postmill's socket below the queue directory, where every Postfix finds it."""


@dataclass(frozen=True)
class Report:
    """What `postmill doctor --json` said."""

    status: int
    values: dict[str, Any]

    def troubles(self) -> list[str]:
        """The checkups with warnings and errors."""
        return [f"{one['check']}: {one['level']}" for one in self._wrong()]

    def only(self) -> dict[str, Any]:
        """The only warning or error there is."""
        (one,) = self._wrong()
        return one

    def texts(self, check: str) -> str:
        """All that one checkup says."""
        return "\n".join(one["text"] for one in self.values["diagnoses"] if one["check"] == check)

    @property
    def ran(self) -> list[str]:
        """The commands that were run."""
        return [one["command"] for one in self.values["ran"]]

    def _wrong(self) -> list[dict[str, Any]]:
        return [one for one in self.values["diagnoses"] if one["level"] in ("warning", "error")]


class Host:
    """All of it below one directory. Change ``postfix.main``, ``postmill.manager`` and the like, then enter it.

    As it is, the host is in good health.
    """

    def __init__(self, milters: Mapping[str, Mapping[str, Any]] | None = None, chroot: str = "n") -> None:
        self.base = public_directory("doctor-")
        for name in ("spool", "spool/filters", "spool/pm"):
            (self.base / name).mkdir(mode=0o755)
        self.socket = self.base / "spool" / "pm" / "mta.sock"
        self.postfix = Instance(self.base, chroot, LISTED)
        self.postfix.main["non_smtpd_milters"] = LISTED
        self.child = ScriptedChild(REFUSES, f"unix:{self.base}/spool/filters/child.sock")
        only = {"child": {"socket": str(self.child.endpoint)}}
        self.postmill = Daemon(milters or only, listen=[f"unix:{self.socket}"], socket_group="postfix")
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.base)
            stack.callback(shutil.rmtree, self.postmill.directory, ignore_errors=True)
            stack.enter_context(self.child)
            stack.enter_context(self.postmill)
            stack.enter_context(self.postfix)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def typed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `postmill doctor …` on this host."""
        where = ("-c", str(self.postmill.config), "--config-directory", str(self.postfix.config))
        return subprocess.run(
            [sys.executable, "-m", "postmill", "doctor", *where, *arguments],
            env=environment(NO_COLOR="1"),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def doctor(self, *arguments: str) -> Report:
        """Run it with --json."""
        done = self.typed("--json", *arguments)
        assert done.stderr == ""
        return Report(done.returncode, json.loads(done.stdout))

    def mail_is_filtered(self) -> bool:
        """Whether the child's refusal reaches the SMTP client."""
        return deliver(self.postfix) == [REFUSAL]


@contextlib.contextmanager
def child(directory: Path, name: str, *, mode: int = 0o666, group: str = "") -> Iterator[ScriptedChild]:
    """A child without opinions."""
    with ScriptedChild(Script(Negotiation()), f"unix:{directory}/{name}.sock", mode=mode, group=group) as one:
        yield one


def mode_of(path: Path) -> int:
    """The permission bits."""
    return os.stat(path).st_mode & 0o7777
