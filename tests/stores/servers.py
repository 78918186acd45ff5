"""Private database servers for the stores: on a unix socket in a directory of their own, and nowhere else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.stack.component import Component, answers, primary_group


class RedisServer(Component):
    """redis-server(1) that writes everything down."""

    name = "redis"
    user = "redis"

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.directory / "redis.sock"

    @property
    def url(self) -> str:
        """The store that it is."""
        return f"redis+unix:{self.socket}"

    def command(self) -> Sequence[str]:
        """Return the command line."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "777",
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [*drop_to(self.user), "/usr/bin/redis-server", *words]

    def ready(self) -> bool:
        """It answers PING once it has read what it wrote."""
        ping = ["redis-cli", "-s", str(self.socket), "ping"]
        return subprocess.run(ping, capture_output=True, check=False).stdout == b"PONG\n"


class PostgresServer(Component):
    """postgres(1) with one database."""

    name = "postgresql"
    user = "postgres"

    @property
    def programs(self) -> Path:
        """Where Debian keeps its programs."""
        return max(Path("/usr/lib/postgresql").glob("*/bin"))

    @property
    def url(self) -> str:
        """The store that it is."""
        return f"postgresql:///postgres?host={self.directory}&user=postgres"

    def prepare(self) -> None:
        """Make a cluster."""
        os.chown(self.directory, *owner(self.user))
        data = self.directory / "data"
        command = [
            self.programs / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run([*drop_to(self.user), *map(str, command)], check=True, capture_output=True, cwd="/")

    def command(self) -> Sequence[str]:
        """Return the command line."""
        settings = (
            "listen_addresses=",
            f"unix_socket_directories={self.directory}",
            "max_connections=60",
            "fsync=off",
        )
        options = [word for setting in settings for word in ("-c", setting)]
        return [
            *drop_to(self.user),
            str(self.programs / "postgres"),
            "-D",
            str(self.directory / "data"),
            *options,
        ]

    def ready(self) -> bool:
        """It answers a question."""
        if not answers(self.directory / ".s.PGSQL.5432"):
            return False
        ask = [self.programs / "psql", "-h", self.directory, "-U", "postgres", "-c", "SELECT 1"]
        return subprocess.run([*map(str, ask)], capture_output=True, check=False).returncode == 0


def drop_to(user: str) -> list[str]:
    """Return what runs a command as another user."""
    return ["setpriv", "--reuid", user, "--regid", primary_group(user), "--init-groups"]


def owner(user: str) -> tuple[int, int]:
    """Return the numbers of a user and its group."""
    numbers = [
        subprocess.run(["id", option, user], check=True, capture_output=True) for option in ("-u", "-g")
    ]
    uid, gid = (int(done.stdout) for done in numbers)
    return uid, gid
