"""A private Postfix for tests: own configuration, spool and log below one temporary directory, loopback only.

Nothing on the host is read or changed (/etc/postfix stays as it is).  Starting needs root; the daemons run as
user ``postfix``.  What belongs here is only the plumbing: what main.cf and master.cf say, the tests decide.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.processes import alive

MASTER = Path("/usr/lib/postfix/sbin/master")
HOSTNAME = "mx.test.example"
DEFAULT_START_TIMEOUT = 30.0

#: No DNS, no outgoing connections, no waiting for anybody, a log file of its own.
BASE_MAIN = {
    "compatibility_level": "3.6",
    "daemon_directory": str(MASTER.parent),
    "command_directory": "/usr/sbin",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "default_privs": "nobody",
    "myhostname": HOSTNAME,
    "mydomain": "test.example",
    "myorigin": "test.example",
    "inet_interfaces": "loopback-only",
    "inet_protocols": "ipv4",
    "mydestination": "",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "biff": "no",
    "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native",
    "disable_dns_lookups": "yes",
    "default_transport": "error:5.4.4 no outbound mail from the test instance",
    "relay_transport": "error:5.4.4 no outbound mail from the test instance",
    "smtpd_peername_lookup": "no",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_recipient_restrictions": "",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8 [::1]/128",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000",
    "smtpd_timeout": "60s",
    "in_flow_delay": "0",
    "milter_protocol": "6",
    "milter_default_action": "tempfail",
}


@dataclass(frozen=True)
class Service:
    """One line of master.cf.  ``name`` is ``host:port`` for ``type="inet"``, a socket name otherwise."""

    name: str
    type: str
    command: str
    options: Mapping[str, str] = field(default_factory=dict)
    private: str = "-"
    unpriv: str = "-"
    wakeup: str = "-"
    maxproc: str = "-"

    def line(self) -> str:
        """Return the master.cf text, with its ``-o`` options on continuation lines."""
        head = " ".join(
            (self.name, self.type, self.private, self.unpriv, "n", self.wakeup, self.maxproc, self.command)
        )
        return "\n".join([head, *(f"  -o {{ {key} = {value} }}" for key, value in self.options.items())])


def smtpd(port: int, options: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Service:
    """Return an smtpd listener on ``host:port`` (brackets for IPv6), with its own ``-o`` settings."""
    return Service(f"{host}:{port}", "inet", "smtpd", options or {}, private="n")


STANDARD_SERVICES = (
    Service("pickup", "unix", "pickup", private="n", wakeup="60", maxproc="1"),
    Service("cleanup", "unix", "cleanup", private="n", maxproc="0"),
    Service("qmgr", "unix", "qmgr", private="n", wakeup="300", maxproc="1"),
    Service("tlsmgr", "unix", "tlsmgr", wakeup="1000?", maxproc="1"),
    Service("rewrite", "unix", "trivial-rewrite"),
    Service("bounce", "unix", "bounce", maxproc="0"),
    Service("defer", "unix", "bounce", maxproc="0"),
    Service("trace", "unix", "bounce", maxproc="0"),
    Service("verify", "unix", "verify", maxproc="1"),
    Service("flush", "unix", "flush", private="n", wakeup="1000?", maxproc="0"),
    Service("proxymap", "unix", "proxymap"),
    Service("proxywrite", "unix", "proxymap", maxproc="1"),
    Service("smtp", "unix", "smtp"),
    Service("relay", "unix", "smtp"),
    Service("lmtp", "unix", "lmtp"),
    Service("showq", "unix", "showq", private="n"),
    Service("error", "unix", "error"),
    Service("retry", "unix", "error"),
    Service("discard", "unix", "discard"),
    Service("virtual", "unix", "virtual", unpriv="n"),
    Service("anvil", "unix", "anvil", maxproc="1"),
    Service("scache", "unix", "scache", maxproc="1"),
    Service("postlog", "unix-dgram", "postlogd", private="n", unpriv="-", maxproc="1"),
)


def available() -> bool:
    """Tell whether a private Postfix can be started here (package installed, running as root)."""
    return MASTER.exists() and os.geteuid() == 0


_guards: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now and below the kernel's own choices.

    No other process that asks here gets the same one: Postfix lets two instances share a port unnoticed.
    """
    while True:
        port = random.randrange(20000, 32000)
        guard = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe, contextlib.suppress(OSError):
            guard.bind(f"\0postmill-port-{port}")
            probe.bind(("127.0.0.1", port))
            _guards.append(guard)
            return port
        guard.close()


def public_directory(prefix: str = "postmill-") -> Path:
    """Make a temporary directory that daemons of other users may search (pytest's own are 0700).

    It lies in memory where possible: Postfix syncs every queue file to disk.
    """
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    path.chmod(0o755)
    return path


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEFAULT_START_TIMEOUT) -> None:
    """Return as soon as ``condition()`` holds; raise TimeoutError(what) after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


class PrivatePostfix:
    """A Postfix instance as a context manager.

    ``main`` overrides BASE_MAIN; ``services`` come on top of STANDARD_SERVICES and replace those of the same
    name and type.  Without any inet service in ``services`` one smtpd listens on ``port`` (chosen free).
    """

    def __init__(
        self,
        main: Mapping[str, str] | None = None,
        services: Iterable[Service] = (),
        *,
        port: int | None = None,
        base: Path | None = None,
    ) -> None:
        self._owns_base = base is None
        self.base = base or public_directory("postfix-")
        self.port = port or free_port()
        self.main = {**BASE_MAIN, **self._places(), **(main or {})}
        extra = tuple(services)
        if not any(service.type == "inet" for service in extra):
            extra = (smtpd(self.port), *extra)
        replaced = {(service.name, service.type) for service in extra}
        kept = (service for service in STANDARD_SERVICES if (service.name, service.type) not in replaced)
        self.services: list[Service] = [*extra, *kept]

    @property
    def config(self) -> Path:
        """The configuration directory, for ``postqueue -c`` and the like."""
        return self.base / "etc"

    @property
    def spool(self) -> Path:
        """The queue directory."""
        return self.base / "spool"

    @property
    def log(self) -> Path:
        """The mail log."""
        return self.base / "mail.log"

    @property
    def pid(self) -> int:
        """Process id of master(8); raises FileNotFoundError when it has never run."""
        return int((self.spool / "pid" / "master.pid").read_text())

    def start(self) -> PrivatePostfix:
        """Write the configuration, start master and wait until every inet service accepts connections."""
        self._lay_out()
        self.write_config()
        result = subprocess.run(
            ["postfix", "-c", str(self.config), "start"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"postfix start failed: {result.stdout}{result.stderr}{self.log_text()}")
        self.wait_for_listeners()
        return self

    def stop(self) -> None:
        """Stop master and its children, then remove the directory if this object made it."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.killpg(self.pid, signal.SIGTERM)
            wait_until(lambda: not alive(self.pid), "end of Postfix", 5)
        if self._owns_base:
            shutil.rmtree(self.base, ignore_errors=True)

    def reload(self) -> None:
        """Make a changed ``main`` or ``services`` effective; sessions under way finish on the old ones."""
        self.write_config()
        os.kill(self.pid, signal.SIGHUP)
        self.wait_for_listeners()

    def wait_for_listeners(self) -> None:
        """Wait until each inet service listens (without connecting: that would start a milter session)."""
        wanted = {int(service.name.rpartition(":")[2]) for service in self.services if service.type == "inet"}
        wait_until(lambda: wanted <= listening_ports(), f"Postfix on ports {sorted(wanted)}")

    def sendmail(
        self, args: Iterable[str], message: bytes, timeout: float = 30
    ) -> subprocess.CompletedProcess[bytes]:
        """Submit ``message`` with sendmail(1) of this instance."""
        return subprocess.run(
            ["/usr/sbin/sendmail", "-C", str(self.config), *args],
            input=message,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def command(self, name: str, *args: str, data: bytes = b"") -> bytes:
        """Run ``postqueue``, ``postsuper``, ``postcat``… on this instance and return its output."""
        return subprocess.run(
            [f"/usr/sbin/{name}", "-c", str(self.config), *args],
            input=data,
            capture_output=True,
            timeout=30,
            check=True,
        ).stdout

    def log_text(self) -> str:
        """Return the mail log so far ("" before the first line)."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def write_config(self) -> None:
        """Write main.cf and master.cf from ``main`` and ``services``."""
        (self.config / "main.cf").write_text(
            "".join(f"{key} = {value}\n" for key, value in self.main.items())
        )
        (self.config / "master.cf").write_text("".join(service.line() + "\n" for service in self.services))

    def _places(self) -> dict[str, str]:
        base = self.base
        return {
            "config_directory": str(base / "etc"),
            "queue_directory": str(base / "spool"),
            "data_directory": str(base / "data"),
            "multi_instance_name": f"postfix-{base.name}",
            "syslog_name": "postfix",
            "maillog_file": str(base / "mail.log"),
            "maillog_file_prefixes": str(base),
        }

    def _lay_out(self) -> None:
        for name in ("etc", "spool", "data"):
            (self.base / name).mkdir(mode=0o755, exist_ok=True)
        owner = pwd.getpwnam("postfix")
        os.chown(self.base / "data", owner.pw_uid, 0)
        (self.base / "data").chmod(0o700)

    def __enter__(self) -> PrivatePostfix:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def listening_ports() -> set[int]:
    """Return the TCP ports that somebody on this machine listens on."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table) as lines:
            rows = [line.split() for line in lines][1:]
            ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
    return ports
