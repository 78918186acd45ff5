"""Machines for the tests of detectors, put together from what their packages bring, as data.

Each ``Example`` is a machine on which one milter is found and can be used; ``test_contract`` tries all of them,
and what must not change when files of theirs are broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postmill.api import Finding, Platform
from postmill.detectors import shelf
from postmill.testing.paper_machine import PROGRAM, Directory, Entry, Link, PaperMachine, Text

Files = Mapping[str, Entry]
WANTS = "/etc/systemd/system/multi-user.target.wants"

DEBIAN: Files = {
    "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "/sbin/init": Link("/lib/systemd/systemd"),
    "/lib": Link("usr/lib"),
    "/usr/lib/systemd/systemd": PROGRAM,
    "/var/run": Link("/run"),
    "/run": Directory(),
}
SYSVINIT: Files = {
    "/etc/os-release": "ID=devuan\nID_LIKE=debian\n",
    "/sbin/init": PROGRAM,
    "/etc/inittab": "id:2:initdefault:\n",
    "/var/run": Link("/run"),
}
REDHAT: Files = {
    "/etc/os-release": 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
    "/usr/sbin/init": Link("../lib/systemd/systemd"),
    "/sbin": Link("usr/sbin"),
    "/lib": Link("usr/lib"),
    "/usr/lib/systemd/systemd": PROGRAM,
    "/var/run": Link("../run"),
    "/run": Directory(),
}
FREEBSD: Files = {
    "/etc/os-release": "NAME=FreeBSD\nID=freebsd\n",
    "/etc/rc.subr": "# the library of rc.d scripts\n",
    "/etc/rc.conf": "",
    "/var/run": Directory(),
}
PKGSRC: Files = {
    "/etc/rc.subr": "# the library of rc.d scripts\n",
    "/etc/rc.d/DAEMON": "# PROVIDE: DAEMON\n",
    "/etc/rc.conf": "",
    "/usr/pkg/etc": Directory(),
    "/var/run": Directory(),
}
BASES = {
    Platform.DEBIAN: DEBIAN,
    Platform.REDHAT: REDHAT,
    Platform.FREEBSD: FREEBSD,
    Platform.PKGSRC: PKGSRC,
}


@dataclass(frozen=True)
class Example:
    """A machine, what enables the milter there, and what is to be found."""

    name: str
    platform: Platform
    files: Files
    socket: str
    source: str
    """What ``str(source)`` gives."""
    enabled_by: str
    """The link, or the file, without which it is not enabled."""

    @property
    def machine(self) -> Files:
        """All files, with those of the platform."""
        return {**BASES[self.platform], **self.files}


def unit(name: str, *service: str, enabled: bool = True, folder: str = "/usr/lib/systemd/system") -> Files:
    """A unit, and the link that enables it; ``service`` are the lines of its section."""
    path = f"{folder}/{name}.service"
    text = "\n".join(
        [
            f"[Unit]\nDescription=The {name}\n\n[Service]",
            *service,
            "\n[Install]\nWantedBy=multi-user.target\n",
        ]
    )
    return {path: text, **({f"{WANTS}/{name}.service": Link(path)} if enabled else {})}


def drop_in(
    name: str, *service: str, file: str = "override.conf", folder: str = "/etc/systemd/system"
) -> Files:
    """A drop-in for the section of the service."""
    return {f"{folder}/{name}.service.d/{file}": "\n".join(["[Service]", *service, ""])}


def init_script(name: str, *lines: str, letter: str = "S") -> Files:
    """An init script with the links of its run levels."""
    links = {f"/etc/rc{level}.d/{letter}01{name}": Link(f"../init.d/{name}") for level in "2345"}
    text = "\n".join(
        ["#!/bin/sh", f"# Short-Description: The {name}", *lines, 'case "$1" in start) start ;; esac', ""]
    )
    return {f"/etc/init.d/{name}": Text(text, mode=0o755), **links}


def rc_script(path: str, name: str, program: str, *lines: str, before: tuple[str, ...] = ()) -> Files:
    """A script for rc.subr(8), and the program it starts; ``lines`` stand behind ``load_rc_config``."""
    text = "\n".join(
        [
            "#!/bin/sh",
            ". /etc/rc.subr",
            f"name={name}",
            f"command={program}",
            *before,
            "load_rc_config $name",
            *lines,
            'run_rc_command "$1"',
            "",
        ]
    )
    return {path: Text(text, mode=0o755), program: PROGRAM}


def find(name: str, files: Files, platform: Platform = Platform.DEBIAN) -> tuple[Finding, ...]:
    """What a detector finds on a machine."""
    return shelf()[name].find(PaperMachine(files), platform)


def find_one(name: str, files: Files, platform: Platform = Platform.DEBIAN) -> Finding:
    """The one finding there is."""
    (finding,) = find(name, files, platform)
    return finding


def socket_of(finding: Finding) -> str:
    """Its socket as text."""
    return str(finding.socket or "")
