"""Postmill itself, as the behind side runs it: one ``postmill run`` process for each configuration, started
when first needed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from struct import pack

from postmill.wire.codes import ALL_ACTIONS, VERSION_PROTOCOL
from postmill.wire.framing import FrameReader, frame
from tests.interop.differential.scenario import Profile
from tests.interop.postfix import wait_until

MOST_RUNNING = 12
SOURCE = Path(__file__).parents[3] / "src"


class Manager:
    """One running Postmill.  ``primed`` is what its children last negotiated."""

    def __init__(self, config: Path, listen: Path) -> None:
        self.listen = listen
        self.primed: object = None
        self.log = config.with_suffix(".log")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postmill", "run", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )
        wait_until(self._listening, f"postmill run -c {config}")

    def _listening(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"postmill run ended at once: {self.log.read_text(errors='replace')[-2000:]}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.listen)) == 0

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def prime(self, version: int, *, unknown: bool = False) -> None:
        """Let Postmill meet its children once, so that its negotiation cache holds their present answers.

        With ``unknown``, say an unknown command, after which a link may be kept for other sessions.
        """
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(self.listen))
            reader = FrameReader()
            offer = pack(">III", version, ALL_ACTIONS, VERSION_PROTOCOL[version])
            connect = b"unknown\x004" + pack(">H", 4711) + b"127.0.0.1\0"
            last = (frame(ord("U"), b"XYZZY\0"),) if unknown else ()
            for packet in (frame(ord("O"), offer), frame(ord("C"), connect), *last):
                link.sendall(packet)
                while not (packets := reader.feed(link.recv(65536) or _ended())):
                    pass
                if packets[-1][0] != ord("c") and packet[4:5] == b"C":
                    break
            link.sendall(frame(ord("Q")))

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Managers:
    """The running managers of one side; the least recently used ends when there are too many."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._running: OrderedDict[Profile, Manager] = OrderedDict()
        self._numbers: dict[Profile, int] = {}

    def socket_for(self, profile: Profile) -> Path:
        """Where the manager of this profile listens, running or not."""
        number = self._numbers.setdefault(profile, len(self._numbers) + 1)
        return self._base / f"manager{number}.sock"

    def running(self, profile: Profile) -> Manager:
        """The manager of this profile, started if it is not running."""
        manager = self._running.pop(profile, None)
        if manager is None or not manager.alive:
            listen = self.socket_for(profile)
            config = listen.with_suffix(".toml")
            config.write_text(configuration(profile, listen, self._base))
            manager = Manager(config, listen)
        self._running[profile] = manager
        if len(self._running) > MOST_RUNNING:
            self._running.popitem(last=False)[1].stop()
        return manager

    def stop(self) -> None:
        """End them all."""
        for manager in self._running.values():
            manager.stop()
        self._running.clear()


def child_socket(base: Path, number: int, absent: bool) -> Path:
    """The socket of child ``number`` (from 1); nobody listens on that of an absent one."""
    return base / (f"absent{number}.sock" if absent else f"child{number}.sock")


def configuration(profile: Profile, listen: Path, base: Path) -> str:
    """The TOML file of a profile: the children of the scenario, with Postfix's limits, and a breaker that
    never opens.
    """
    same = ", ".join(f'"{word}"' for word in profile.manager.same_as_postfix)
    lines = [
        "[manager]",
        f'listen = ["unix:{listen}"]',
        'socket_mode = "0666"',
        "workers = 1",
        f'ask = "{profile.manager.ask}"',
        f"same_as_postfix = [{same}]",
        "[control]",
        'socket = ""',
    ]
    for number, (on_error, absent) in enumerate(profile.fates, 1):
        limits = profile.postfix
        lines += [
            f"[milters.child{number}]",
            f'socket = "unix:{child_socket(base, number, absent)}"',
            f'on_error = "{on_error}"',
            f'timeouts = {{ connect = "4s", command = "{limits.command_timeout}", '
            f'content = "{limits.content_timeout}" }}',
            f'content = "{profile.manager.content}"',
            f"pipeline = {str(profile.manager.pipeline).lower()}",
            f"pool = {str(profile.manager.pool).lower()}",
            "breaker = { failures = 1000000 }",
        ]
    return "\n".join(lines) + "\n"


def _ended() -> bytes:
    raise ConnectionError("the manager closed the connection")
