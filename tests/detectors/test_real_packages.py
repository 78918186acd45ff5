"""Debian's own packages, unpacked as their maintainers made them, enabled with systemctl: what is found in each.

tests/stack/install.sh unpacks them. Those without a unit get the links that update-rc.d(8) would make.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from postmill.api import Finding, Platform, State
from postmill.daemon.machine import Machine
from postmill.detectors import detect
from tests.stack.milter_greylist import PEERS

pytestmark = pytest.mark.interop

UNITS: Mapping[str, tuple[str, str]] = {
    "opendkim": ("unix:/run/opendkim/opendkim.sock", "/etc/opendkim.conf:37"),
    "opendmarc": ("unix:/run/opendmarc/opendmarc.sock", "/etc/opendmarc.conf:67"),
    "rspamd": ("inet:11332@localhost", "/etc/rspamd/rspamd.conf:53"),
    "dkimpy-milter": (
        "unix:/run/dkimpy-milter/dkimpy-milter.sock",
        "built-in default of /usr/bin/dkimpy-milter",
    ),
    "pyspf-milter": ("inet:8893@localhost", "/etc/pyspf-milter/pyspf-milter.conf:16"),
    "mimedefang": (
        "unix:/var/spool/MIMEDefang/mimedefang.sock",
        "/lib/systemd/system/mimedefang.service:20",
    ),
    "milter-greylist": (
        "unix:/run/milter-greylist/milter-greylist.sock",
        "/etc/milter-greylist/greylist.conf:13",
    ),
}
SCRIPTS: Mapping[str, tuple[str, str]] = {
    "spamass-milter": ("unix:/run/spamass/spamass.sock", "/etc/init.d/spamass-milter:52"),
    "amavisd-milter": (
        "unix:/var/lib/amavis/amavisd-milter.sock",
        "built-in default of /usr/sbin/amavisd-milter",
    ),
}
WITHOUT_SYSTEMD: Mapping[str, tuple[str, str]] = {
    **SCRIPTS,
    **{name: UNITS[name] for name in ("opendkim", "opendmarc", "rspamd", "dkimpy-milter", "pyspf-milter")},
    "mimedefang": ("unix:/var/spool/MIMEDefang/mimedefang.sock", "/etc/init.d/mimedefang:223"),
}


def unpacked(package: str, root: Path, *, systemd: bool = True) -> Path:
    """A tree with a package in it, on a machine with one init system or the other."""
    source = PEERS / package if package == "milter-greylist" else PEERS / "packages" / package
    if not source.is_dir():
        if os.environ.get("POSTMILL_REQUIRE_PEERS"):
            pytest.fail(f"{package} is not unpacked (run tests/stack/install.sh)")
        pytest.skip(f"{package} is not unpacked (run tests/stack/install.sh)")
    shutil.copytree(source, root, symlinks=True, dirs_exist_ok=True, ignore=_closed)
    write(root, "/etc/os-release", "ID=debian\n")
    (root / "run").mkdir(exist_ok=True)
    (root / "var").mkdir(exist_ok=True)
    (root / "var/run").symlink_to("/run")
    (root / "sbin").mkdir(exist_ok=True)
    if systemd:
        (root / "sbin/init").symlink_to("/lib/systemd/systemd")
    else:
        write(root, "/sbin/init", "")
    return root


def _closed(directory: str, names: list[str]) -> list[str]:
    """Of directories that only their program may look into, or root, these tests have no need."""
    paths = {name: Path(directory, name) for name in names}
    return [name for name, path in paths.items() if path.is_dir() and not os.access(path, os.R_OK)]


def write(root: Path, path: str, text: str) -> None:
    file = root / path[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def systemctl(root: Path, *arguments: str) -> None:
    """Run systemctl for a tree; it would have update-rc.d(8) of the tree keep links in step, which is not there."""
    scripts, aside = root / "etc/init.d", root / "aside"
    if scripts.exists():
        scripts.rename(aside)
    subprocess.run(["systemctl", f"--root={root}", *arguments], check=True, capture_output=True, timeout=60)
    if aside.exists():
        aside.rename(scripts)


def link_run_levels(root: Path, name: str, letter: str = "S") -> None:
    for level in "2345":
        folder = root / f"etc/rc{level}.d"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"[SK]*{name}"):
            old.unlink()
        (folder / f"{letter}01{name}").symlink_to(f"../init.d/{name}")


def found(root: Path, name: str) -> Finding:
    detection = detect(Machine(str(root)))
    assert detection.platform is Platform.DEBIAN
    (finding,) = [one for one in detection.findings if one.name == name]
    return finding


def told(finding: Finding) -> tuple[str, str]:
    return str(finding.socket), str(finding.source)


@pytest.mark.parametrize("name", UNITS)
def test_a_package_with_a_unit(name: str, tmp_path: Path) -> None:
    root = unpacked(name, tmp_path)
    assert found(root, name).state is State.DISABLED
    systemctl(root, "enable", f"{name}.service")
    finding = found(root, name)
    assert (finding.problem, finding.state, finding.installed) == ("", State.ENABLED, True)
    assert told(finding) == UNITS[name]
    assert finding.notes == ()
    assert finding.description
    systemctl(root, "disable", f"{name}.service")
    link_run_levels(root, name)  # what the package brings besides says nothing
    assert found(root, name).state is State.DISABLED
    systemctl(root, "mask", f"{name}.service")
    assert found(root, name).state is State.MASKED


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_package_with_a_script_only(name: str, tmp_path: Path) -> None:
    root = unpacked(name, tmp_path)
    assert found(root, name).state is State.DISABLED
    link_run_levels(root, name)
    finding = found(root, name)
    assert (finding.problem, told(finding)) == ("", SCRIPTS[name])
    assert finding.description
    link_run_levels(root, name, "K")
    assert found(root, name).state is State.DISABLED
    systemctl(root, "mask", f"{name}.service")
    assert found(root, name).state is State.MASKED


@pytest.mark.parametrize("name", WITHOUT_SYSTEMD)
def test_the_script_of_a_package_where_there_is_no_systemd(name: str, tmp_path: Path) -> None:
    root = unpacked(name, tmp_path, systemd=False)
    link_run_levels(root, name)
    finding = found(root, name)
    assert (finding.problem, told(finding)) == ("", WITHOUT_SYSTEMD[name])


@pytest.mark.parametrize("name", [*UNITS, *SCRIPTS])
def test_what_a_removed_package_leaves_is_not_used(name: str, tmp_path: Path) -> None:
    """Of a unit nothing is left; of the rest what dpkg(1) calls configuration."""
    whole = unpacked(name, tmp_path / "whole")
    root = tmp_path / "left"
    shutil.copytree(whole / "etc", root / "etc", symlinks=True)
    link_run_levels(root, name)
    findings = detect(Machine(str(root))).findings
    assert [finding.name for finding in findings if finding.usable] == []
    assert [finding.name for finding in findings] == [name], "it is told what is still there"
    assert not findings[0].installed


def test_spamass_milter_goes_by_whether_postfix_is_there(tmp_path: Path) -> None:
    root = unpacked("spamass-milter", tmp_path)
    link_run_levels(root, "spamass-milter")
    write(root, "/usr/sbin/postfix", "")
    (root / "usr/sbin/postfix").chmod(0o755)
    assert told(found(root, "spamass-milter")) == (
        "unix:/var/spool/postfix/spamass/spamass.sock",
        "/etc/init.d/spamass-milter:77",
    )
    defaults = root / "etc/default/spamass-milter"
    defaults.write_text(
        defaults.read_text().replace('# SOCKET="', 'SOCKET="').replace("spamass.sock", "own.sock")
    )
    assert str(found(root, "spamass-milter").socket) == "unix:/var/spool/postfix/spamass/own.sock"


def test_what_opendkim_generates_of_its_defaults_counts(tmp_path: Path) -> None:
    """The script that the package brings for that is run, in the tree."""
    root = unpacked("opendkim", tmp_path)
    systemctl(root, "enable", "opendkim.service")
    defaults = root / "etc/default/opendkim"
    defaults.write_text(defaults.read_text().replace("\nRUNDIR=/run/opendkim", "\nRUNDIR=/run/elsewhere"))
    assert told(found(root, "opendkim")) == UNITS["opendkim"], "not what the unit reads"
    script = (root / "lib/opendkim/opendkim.service.generate").read_text()
    for path in ("/etc/default", "/etc/systemd", "/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"):
        script = script.replace(path, f"{root}{path}")
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert told(found(root, "opendkim")) == (
        "unix:/run/elsewhere/opendkim.sock",
        "/etc/systemd/system/opendkim.service.d/override.conf:4",
    )


def test_clamav_milter_has_no_configuration_until_it_is_configured(tmp_path: Path) -> None:
    root = unpacked("clamav-milter", tmp_path)
    link_run_levels(root, "clamav-milter")
    conf = "/etc/clamav/clamav-milter.conf"
    assert found(root, "clamav-milter").problem == f"not configured: {conf} is missing"
    made = Path(conf)  # by the package when it was installed
    if made.exists():
        write(root, conf, made.read_text())
        finding = found(root, "clamav-milter")
        assert (str(finding.socket), finding.problem) == ("unix:/run/clamav/clamav-milter.ctl", "")


def test_mimedefang_and_the_defaults_that_its_installation_copies(tmp_path: Path) -> None:
    root = unpacked("mimedefang", tmp_path)
    systemctl(root, "enable", "mimedefang.service")
    copied = (root / "usr/share/mimedefang/mimedefang.conf").read_text()
    write(root, "/etc/default/mimedefang", copied)
    assert told(found(root, "mimedefang")) == UNITS["mimedefang"]
    write(root, "/etc/default/mimedefang", f"{copied}\nSOCKET=inet:8899@127.0.0.1\n")
    assert str(found(root, "mimedefang").socket) == "inet:8899@127.0.0.1"


def test_amavisd_milter_has_another_socket_when_it_is_told(tmp_path: Path) -> None:
    root = unpacked("amavisd-milter", tmp_path)
    link_run_levels(root, "amavisd-milter")
    defaults = root / "etc/default/amavisd-milter"
    text = defaults.read_text()
    assert text.count("#MILTERSOCKET=inet:60001@127.0.0.1") == 1
    defaults.write_text(text.replace("#MILTERSOCKET=inet:60001@", "MILTERSOCKET=inet:60001@"))
    assert told(found(root, "amavisd-milter")) == ("inet:60001@127.0.0.1", "/etc/default/amavisd-milter:16")


def test_milter_greylist_without_systemd_is_off_until_it_is_switched_on(tmp_path: Path) -> None:
    root = unpacked("milter-greylist", tmp_path, systemd=False)
    link_run_levels(root, "milter-greylist")
    assert found(root, "milter-greylist").problem == "disabled: /etc/init.d/milter-greylist:41 sets ENABLED=0"
    write(root, "/etc/default/milter-greylist", "ENABLED=1\n")
    finding = found(root, "milter-greylist")
    assert (finding.problem, finding.source.file) == ("", "/etc/init.d/milter-greylist")


def test_rspamd_with_local_settings(tmp_path: Path) -> None:
    root = unpacked("rspamd", tmp_path)
    systemctl(root, "enable", "rspamd.service")
    local = "/etc/rspamd/local.d/worker-proxy.inc"
    write(root, local, 'bind_socket = "/var/run/rspamd/milter.sock mode=0660 owner=_rspamd";\n')
    assert told(found(root, "rspamd")) == ("unix:/run/rspamd/milter.sock", f"{local}:1")


def test_this_machine_has_what_was_installed() -> None:
    """install.sh has installed these for real, with all that their installation does."""
    detection = detect(Machine())
    names = {finding.name for finding in detection.findings}
    there = {
        name
        for name in ("clamav-milter", "opendkim", "opendmarc", "rspamd", "spamass-milter")
        if installed(name)
    }
    if not there:
        pytest.skip("nothing is installed (run tests/stack/install.sh)")
    assert there <= names
    for finding in detection.findings:
        if finding.name in there:
            assert finding.installed
            assert finding.socket is not None


def installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout == "installed"
