"""Private namespaces for the real daemons: own loopback network, own resolver, own /dev/log.

SPF and DMARC ask the resolver on port 53 of /etc/resolv.conf, and several daemons log to syslog only. Inside
a box both are ours, while UNIX sockets still reach the processes outside through the shared file system.
Needs CAP_SYS_ADMIN. `box_services` is the process that keeps the namespaces alive and answers inside them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.interop.postfix import wait_until

#: Runs inside the fresh namespaces: a small /dev, hosts and resolv.conf of our own, then the services.
#: Addresses of the documentation ranges (RFC 5737) let daemons look at "their" networks without a route out.
SET_UP = """
set -e
dir=$1 network=$2; shift 2
if [ "$network" = yes ]; then
  ip link set lo up
  for address in 192.0.2.5 192.0.2.66 198.51.100.10; do ip addr add $address/32 dev lo; done
fi
mount -t tmpfs -o mode=755 tmpfs "$dir"
name=$(uname -n)
printf '127.0.0.1 localhost\\n127.0.0.1 %s.test.example %s\\n' "$name" "$name" >"$dir/hosts"
printf 'nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n' >"$dir/resolv.conf"
mount --bind "$dir/hosts" /etc/hosts
if [ "$network" = yes ]; then mount --bind "$dir/resolv.conf" /etc/resolv.conf; fi
for node in null zero full random urandom tty; do
  touch "$dir/$node"; mount --bind /dev/$node "$dir/$node"
done
mkdir "$dir/shm" "$dir/pts"
mount --rbind /dev/shm "$dir/shm"
mount --rbind /dev/pts "$dir/pts"
ln -s /proc/self/fd "$dir/fd"
ln -s /proc/self/fd/0 "$dir/stdin"; ln -s /proc/self/fd/1 "$dir/stdout"; ln -s /proc/self/fd/2 "$dir/stderr"
mount --move "$dir" /dev
exec "$@"
"""


class Box:
    """Mount and, unless `network` is False, network namespaces with DNS and syslog stand-ins.

    `zone` is text of lines `name type value`; every other name does not exist, so nothing leaves the machine.
    `log` collects what programs inside write to syslog.
    """

    def __init__(self, directory: Path, zone: str = "", *, network: bool = True) -> None:
        self.directory = directory
        self.log = directory / "syslog"
        self.network = network
        self._zone = zone
        self._process: subprocess.Popen[bytes] | None = None

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return `command` so that it runs in the box, under the same process id as without."""
        if self._process is None:
            raise RuntimeError("the box is not open")
        # --root: in a chroot the namespace's own root directory is not the one we mean
        enter = ["nsenter", "-t", str(self._process.pid), "-m", "--root", "--wd", *self._network_flag()]
        return [*enter, "--", *command]

    def open(self) -> Box:
        """Make the namespaces and return when DNS and syslog answer in them."""
        self.directory.mkdir(mode=0o755, exist_ok=True)
        root, zone, ready = (self.directory / name for name in ("dev", "zone", "ready"))
        root.mkdir()
        zone.write_text(self._zone)
        address = "127.0.0.1" if self.network else "none"
        services = [sys.executable, "-P", str(Path(__file__).with_name("box_services.py"))]
        unshare = ["unshare", "-m", *self._network_flag(), "--propagation", "private"]
        set_up = ["bash", "-c", SET_UP, "box", str(root), "yes" if self.network else "no"]
        with (self.directory / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*unshare, *set_up, *services, address, str(zone), str(self.log), str(ready)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        wait_until(lambda: self._alive() and ready.exists(), "the box does not open")
        return self

    def close(self) -> None:
        """End the services; the namespaces go with the last process inside."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def log_text(self) -> str:
        """Return what was logged so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _network_flag(self) -> list[str]:
        return ["-n"] if self.network else []

    def _alive(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the box broke: " + (self.directory / "output").read_text())
        return True

    def __enter__(self) -> Box:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
