"""The package as a file: what the build leaves, what lintian and systemd-analyze say, what is in it."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from postmill.api.host import Finding, State
from postmill.cli import COMMANDS
from postmill.conditions import shelf
from postmill.config import load
from postmill.config.describing import TABLES, entries
from postmill.wire.endpoint import parse_endpoint
from tests.packaging.conftest import BUILD, MISSING, PYTHON_PACKAGES, ROOT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

UNITS = ROOT / "packaging" / "systemd"
EXPOSURE = 1.5
"""The most that `systemd-analyze security` may say: 10 is a service that may do everything."""


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT).stdout


def files(package: Path) -> set[str]:
    lines = output("dpkg-deb", "--contents", package).splitlines()
    return {line.split(maxsplit=5)[5].removeprefix(".") for line in lines}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


@needs("dpkg-buildpackage")
def test_it_says_what_is_missing(tmp_path: Path) -> None:
    """Where the build's packages are not installed: how to get them, and the status of a machine that lacks them."""
    tools = tmp_path / "packaging"
    (tools / "debian").mkdir(parents=True)
    (tools / "build-deb").write_bytes(BUILD.read_bytes())
    control = (ROOT / "packaging" / "debian" / "control").read_text()
    (tools / "debian" / "control").write_text(control.replace(" go-md2man,", " no-such-package,"))
    done = subprocess.run(["bash", tools / "build-deb"], capture_output=True, text=True, check=False)
    assert done.returncode == MISSING
    assert "no-such-package" in done.stderr
    assert "apt-get build-dep ./packaging" in done.stderr


@needs("lintian")
def test_lintian_has_nothing_to_say(package: Path) -> None:
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error,warning", package],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_version_is_the_projects(package: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert output("dpkg-deb", "--field", package, "Version").strip() == f"{project['version']}-1"


def test_it_depends_on_what_the_project_depends_on(package: Path) -> None:
    """By Debian's names, and on nothing that only another release has."""
    depends = output("dpkg-deb", "--field", package, "Depends")
    assert set(re.findall(r"python3-[a-z0-9]+", depends)) == set(PYTHON_PACKAGES)
    assert output("dpkg-deb", "--field", package, "Breaks").strip() == ""


def test_what_is_in_it(package: Path) -> None:
    names = files(package)
    assert {
        "/etc/postmill/postmill.toml",
        "/lib/systemd/system/postmill.service",
        "/lib/systemd/system/postmill.socket",
        "/lib/systemd/system/postmill-graph.service",
        "/lib/systemd/system/postmill-graph.timer",
        "/usr/lib/python3/dist-packages/postmill/graphs/style.css",
        "/usr/bin/postmill",
        "/usr/lib/sysusers.d/postmill.conf",
        "/usr/share/man/man1/postmill.1.gz",
        "/usr/share/man/man5/postmill.toml.5.gz",
    } <= names
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    code = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*.py")}
    packaged = "/usr/lib/python3/dist-packages/"
    assert {name.removeprefix(packaged) for name in names if name.endswith(".py")} == code


def test_for_a_newer_systemd_the_reload_is_its_own(package: Path, newer: Path) -> None:
    """253 and newer; older ones do not know the word and must not get it."""
    drop_in = "/usr/lib/systemd/system/postmill.service.d/notify-reload.conf"
    assert drop_in in files(newer)
    assert output("dpkg-deb", "--field", newer, "Breaks").strip() == "systemd (<< 253)"
    assert drop_in not in files(package)


def manual(package: Path, page: str, tmp_path: Path) -> str:
    output("dpkg-deb", "--extract", package, tmp_path)
    return gzip.decompress((tmp_path / "usr/share/man" / f"{page}.gz").read_bytes()).decode()


def test_each_command_has_a_manual(package: Path, tmp_path: Path) -> None:
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]:
        text = manual(package, f"man1/{name}.1", tmp_path)
        assert re.search(rf"^\.SH NAME\n\.PP\n{name} - \w", text, re.MULTILINE)
        assert re.search(rf"^\.SH SYNOPSIS\n.*^{name} ", text, re.MULTILINE | re.DOTALL)
    text = manual(package, "man1/postmill.1", tmp_path)
    for name in COMMANDS:
        assert f"\n.SS postmill {name}\n" in text
    assert "\n.TP\n\\fB-c, --config FILE\\fP\nThe configuration file." in text
    assert "|" not in re.sub(r"unix:\S+|\[[^]]*\]", "", text), "the tables of the reference are lists here"


def test_each_setting_is_in_the_manual(package: Path, tmp_path: Path) -> None:
    text = manual(package, "man5/postmill.toml.5", tmp_path)
    for table, *_ in TABLES:
        assert f"\n.SH [{table}]\n" in text
        for entry in entries(table):
            assert f"\n.SS {entry.key.removeprefix(f'{table}.')}\n" in text


def test_the_shipped_configuration_loads_as_it_is_and_with_its_examples(tmp_path: Path) -> None:
    found = [Finding("opendkim", True, State.ENABLED, parse_endpoint("unix:/run/opendkim/opendkim.sock"))]
    text = (ROOT / "packaging" / "postmill.toml").read_text()
    file = tmp_path / "postmill.toml"
    file.write_text(text)
    milters = load(file, shelf(), lambda: found).settings.milters
    assert [(milter.name, milter.on_error) for milter in milters] == [("opendkim", "tempfail")]
    file.write_text(re.sub(r"^#(\[|\w+ = )", r"\1", text, flags=re.MULTILINE))
    milters = load(file, shelf(), lambda: found).settings.milters
    assert [(milter.name, milter.on_error) for milter in milters] == [
        ("opendkim", "accept"),
        ("my-milter", "tempfail"),
    ]


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", ["postmill.service", "postmill-graph.service"])
def test_the_service_is_hardened(unit: str) -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE * 10:.0f}",
            "--no-pager",
            UNITS / unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
