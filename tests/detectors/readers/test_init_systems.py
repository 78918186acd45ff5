"""Which platform a machine is."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.detectors import detect
from postmill.detectors.readers.init_systems import find_platform
from postmill.errors import UnavailableError
from postmill.testing.paper_machine import PROGRAM, Directory, Entry, Link, PaperMachine


@pytest.mark.parametrize(
    ("release", "platform"),
    [
        ("ID=debian\n", Platform.DEBIAN),
        ("ID=ubuntu\nID_LIKE=debian\n", Platform.DEBIAN),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", Platform.DEBIAN),
        ('ID="rhel"\nVERSION_ID="7.9"\nID_LIKE="fedora"\n', Platform.REDHAT),
        ('ID="centos"\nID_LIKE="rhel fedora"\n', Platform.REDHAT),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', Platform.REDHAT),
        ("ID=fedora\n", Platform.REDHAT),
        ("ID=freebsd\n", Platform.FREEBSD),
        ("ID=netbsd\n", Platform.PKGSRC),
        ("ID=arch\n", None),
    ],
)
def test_by_what_it_calls_itself(release: str, platform: Platform | None) -> None:
    assert find_platform(PaperMachine({"/etc/os-release": release})) is platform


@pytest.mark.parametrize(
    ("files", "platform"),
    [
        (
            {"/usr/lib/os-release": "ID=debian\n", "/etc/os-release": Link("../usr/lib/os-release")},
            Platform.DEBIAN,
        ),
        ({"/etc/debian_version": "12\n"}, Platform.DEBIAN),
        ({"/etc/redhat-release": "CentOS\n"}, Platform.REDHAT),
        ({"/bin/freebsd-version": PROGRAM}, Platform.FREEBSD),
        ({"/usr/pkg/etc": Directory()}, Platform.PKGSRC),
        ({}, None),
    ],
)
def test_by_its_files(files: dict[str, Entry], platform: Platform | None) -> None:
    assert find_platform(PaperMachine(files)) is platform


def test_of_an_unknown_one_nothing_is_said() -> None:
    machine = PaperMachine({"/etc/os-release": "ID=arch\n"})
    with pytest.raises(
        UnavailableError, match=r"this machine \(arch\) is none of the platforms .* debian, redhat"
    ):
        detect(machine)
    assert detect(machine, Platform.DEBIAN).findings == ()
