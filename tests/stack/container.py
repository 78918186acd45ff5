"""A container with real systemd as process 1: a Debian tree with a layer on top that goes with the container.

The layer's mount is in a namespace of the container's own, its network is a loopback device of its own, it dies with
us, and nothing is registered anywhere. Needs root and systemd-nspawn, and no systemd outside.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from tests.interop.postfix import wait_until

PROGRAMS = ("systemd-nspawn", "mmdebstrap", "nsenter", "unshare", "apt-config")
BOOT_TIMEOUT = 180
ROOM = 1 << 30
"""More than what a container writes."""
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1): as `systemctl poweroff`
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "NO_COLOR": "1",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_PAGER": "cat",
}
#: The mount ends with the namespace that unshare(1) makes. Arguments: tree, directory, control groups.
_BOOT = """
set -e
tree=$1 dir=$2; shift 2
for group; do echo $$ >"$group/cgroup.procs"; done
mkdir -p "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
exec systemd-nspawn --quiet --directory="$dir/root" --machine=postmill-test --private-network --register=no --keep-unit \
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe --boot
"""
_CGROUPS = Path("/sys/fs/cgroup")


def missing() -> str:
    """What containers lack to run here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can start containers"
    path = _ENVIRONMENT["PATH"]
    absent = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if absent:
        return f"not installed (run tests/stack/install.sh): {', '.join(absent)}"
    if not all(os.access(group, os.W_OK) for group in _our_groups()):
        return "no right to make control groups"
    return ""


class Container:
    """One container; a context manager that boots it and takes it away."""

    def __init__(self, tree: Path) -> None:
        self.directory = _directory()
        self._tree = tree
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._groups = [group / self.directory.name for group in _our_groups()]

    # -- life -----------------------------------------------------------------------------------------

    def boot(self) -> Self:
        """Start it and return when systemd has started what it wants to start."""
        for group in self._groups:
            group.mkdir(exist_ok=True)
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        command += ["bash", "-c", _BOOT, "boot", str(self._tree), str(self.directory)]
        with self._console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                [*command, *map(str, self._groups)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd="/",
                env={**_ENVIRONMENT, "SYSTEMD_NSPAWN_LOCK": "0"},  # of the tree: a mount of our own
                start_new_session=True,
            )
        wait_until(self._found_init, "the container's first process", BOOT_TIMEOUT)
        wait_until(self._is_up, f"the container's boot: {self.console}", BOOT_TIMEOUT)
        return self

    def power_off(self) -> None:
        """Stop everything in it as a shutdown does; what is on its disk stays, for another boot."""
        if self._nspawn is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init, _POWER_OFF)
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._nspawn = None

    def kill(self) -> None:
        """End everything in it at once."""
        if self._nspawn is None:
            return
        for pid in filter(
            None, (self._init, self._nspawn.pid)
        ):  # the one ends with the other, unless it hangs
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._nspawn.wait(20)
                break
        self._nspawn = None

    def __enter__(self) -> Self:
        try:
            return self.boot()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        wait_until(self._without_groups, "the end of the container's processes")

    def _without_groups(self) -> bool:
        """Remove the control groups; not while a process is still dying in one."""
        try:
            for group in self._groups:
                for path, *_ in os.walk(group, topdown=False):
                    os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    @property
    def console(self) -> str:
        """What it printed on its console."""
        return self._console.read_text(errors="replace")

    @property
    def _console(self) -> Path:
        return self.directory / "console"

    def _found_init(self) -> bool:
        """Look for the child that is process 1 in a namespace of its own."""
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise RuntimeError(f"the container ended: {self.console}")
        nspawn = self._nspawn.pid
        for pid in _read(Path(f"/proc/{nspawn}/task/{nspawn}/children")).split():
            for line in _read(Path(f"/proc/{pid}/status")).splitlines():
                if line.startswith("NSpid:") and line.split()[-1] == "1":
                    self._init = int(pid)
                    return True
        return False

    def _is_up(self) -> bool:
        state = self.run(["systemctl", "is-system-running"], check=False).stdout.strip()
        if state not in ("running", "degraded"):
            time.sleep(0.1)
        return state in ("running", "degraded")

    # -- commands -------------------------------------------------------------------------------------

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command so that it runs in the container, as root."""
        return ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--", *command]

    def run(
        self, command: Sequence[str], *, timeout: int = 60, check: bool = True, data: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, with an end after so many seconds (status 124, as timeout(1) has it).

        With ``check``, RuntimeError with all that it printed unless its status is 0.
        """
        result = subprocess.run(
            self.inside(["timeout", "-k", "5", str(timeout), *command]),
            input=data,
            capture_output=True,
            text=True,
            errors="replace",
            env=_ENVIRONMENT,
            cwd="/",
            timeout=timeout + 30,
            check=False,
        )
        if check and result.returncode != 0:
            words = f"{' '.join(command)}: status {result.returncode}"
            raise RuntimeError(f"{words}\n{result.stdout}{result.stderr}")
        return result

    def shell(self, script: str, *, timeout: int = 60, check: bool = True) -> str:
        """Run a script with `sh -e` and return its standard output."""
        return self.run(["sh", "-ec", script], timeout=timeout, check=check).stdout

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command in it, with pipes to it; it ends with the container at the latest."""
        return subprocess.Popen(
            self.inside(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_ENVIRONMENT,
            cwd="/",
        )

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until a condition holds that costs a command to find out."""

        def patient() -> bool:
            if condition():
                return True
            time.sleep(0.2)
            return False

        wait_until(patient, what, seconds)

    # -- files ----------------------------------------------------------------------------------------

    def path(self, inside: str) -> Path:
        """The path by which we reach a file of the container; a link in it must not be absolute."""
        return Path(f"/proc/{self._init}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file, with the directories above it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def read(self, inside: str) -> str:
        """The text of a file."""
        return self.path(inside).read_text(errors="replace")

    def copy(self, source: Path, inside: str) -> None:
        """Copy a file or a directory to a path that is not there yet; bytecode stays outside."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    # -- systemd --------------------------------------------------------------------------------------

    def systemctl(self, *arguments: str, timeout: int = 90, check: bool = True) -> str:
        """Run systemctl and return its standard output."""
        return self.run(["systemctl", *arguments], timeout=timeout, check=check).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", "--value", "--property", name, unit)

    def journal(self, *arguments: str) -> list[dict[str, Any]]:
        """Entries of the journal, oldest first; give `-u UNIT`, `-t IDENTIFIER`, `--after-cursor=…` to choose."""
        self.run(["journalctl", "--sync"])
        output = self.run(["journalctl", "--output=json", "--no-pager", *arguments]).stdout
        return [json.loads(line) for line in output.splitlines()]


def _directory() -> Path:
    """A new directory in memory, where Postfix need not wait for a disk, or on disk when memory is short."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    path = Path(tempfile.mkdtemp(prefix="pm-container-", dir=memory if roomy else None))
    path.chmod(0o755)
    return path


def _our_groups() -> Iterator[Path]:
    """The control groups that we are in, of the hierarchies that systemd uses: cgroups(7), both versions.

    Containers in one group would take each other's services for their own.
    """
    unified = _CGROUPS / "unified" if (_CGROUPS / "unified").exists() else _CGROUPS
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            yield (unified if not controllers else _CGROUPS / "systemd") / path.lstrip("/")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""
