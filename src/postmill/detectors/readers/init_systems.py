"""Which platform a machine is, and which init system is in charge: os-release(5) and what else is there."""

from __future__ import annotations

import re

from postmill.api.host import Host, Platform
from postmill.detectors.readers.systemd.environment import environment_file

_FAMILIES = {
    Platform.DEBIAN: {"debian", "ubuntu"},
    Platform.REDHAT: {"rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn"},
    Platform.FREEBSD: {"freebsd"},
    Platform.PKGSRC: {"netbsd", "smartos"},
}
_SIGNS = {
    Platform.FREEBSD: ("/bin/freebsd-version",),
    Platform.PKGSRC: ("/usr/pkg/etc", "/opt/local/etc/pkgin"),
    Platform.DEBIAN: ("/etc/debian_version", "/var/lib/dpkg/status"),
    Platform.REDHAT: ("/etc/redhat-release",),
}
_INITS = ("/sbin/init", "/usr/sbin/init")
_SYSTEMD = tuple(
    f"{folder}/{one}" for folder in ("/lib/systemd", "/usr/lib/systemd") for one in ("systemd", "system")
)


def find_platform(host: Host) -> Platform | None:
    """Tell the platform by os-release(5), else by the files that only one has."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        release = environment_file(host.read(path) or "", path)
        names = [release[key].text for key in ("ID", "ID_LIKE") if key in release]
        for word in " ".join(names).lower().split():
            for platform, family in _FAMILIES.items():
                if word in family:
                    return platform
    return next((one for one, paths in _SIGNS.items() if any(map(host.exists, paths))), None)


def called(host: Host) -> str:
    """Return what the machine calls itself in os-release(5)."""
    release = environment_file(host.read("/etc/os-release") or "", "")
    return release["ID"].text if "ID" in release else "unknown"


def runs_systemd(host: Host) -> bool:
    """Tell whether systemd is the init system, rather than init scripts by themselves."""
    if host.exists("/run/systemd/system"):
        return True
    for path in _INITS:
        target = host.link(path)
        if target is not None or host.exists(path):
            return target is not None and target.endswith("/systemd")
    return any(map(host.exists, _SYSTEMD))


def first_run_levels(host: Host) -> str:
    """Return the run levels that init may boot into: the one inittab(5) names, else all with services."""
    found = re.search(r"^[^#:\n]*:([2-5]):initdefault:", host.read("/etc/inittab") or "", re.MULTILINE)
    return found[1] if found else "2345"
