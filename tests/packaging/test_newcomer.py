"""A new administrator on a Debian machine with Postfix and milters: four commands to a refused spam; then detection.

Real systemd, Debian's own packages with their own units and scripts, the package just built. The tests follow each
other on the same container.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.mailhost import CONFIG, STRANGER, MailHost
from tests.stack.container import Container
from tests.stack.messages import gtube

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

SPAM = f"Subject: offer\n\n{gtube()}\n"
#: What the administrator types, in this order; the package's file stands for its name in an archive.
COMMANDS = (
    "dpkg -i /srv/{package}",
    "postmill setup postfix --yes --reload",
    "postmill doctor --fix",
    "systemctl restart postmill",
)


@pytest.fixture(scope="module", autouse=True)
def filters(host: MailHost, machine: Container) -> None:
    """Milters as they were before Postmill came: spamass-milter shall refuse what has 15 points."""
    host.add_world()
    machine.write("/etc/default/spamass-milter", 'OPTIONS="-u spamass-milter -i 127.0.0.1 -m -r 15"\n')
    machine.write("/etc/spamassassin/local.cf", "dns_available no\nreport_safe 0\n")
    machine.systemctl("restart", "spamd", "spamass-milter")


def found(machine: Container) -> dict[str, dict[str, Any]]:
    findings = json.loads(machine.run(["postmill", "detect", "--json"], check=False).stdout)
    return {row["name"]: row for row in findings["milters"]}


def in_use(machine: Container) -> list[str]:
    status = json.loads(machine.run(["postmill", "status", "--json"], check=False).stdout)
    return [child["name"] for child in status["milters"]]


def test_four_commands_lead_to_a_refused_spam(host: MailHost, machine: Container, package: Path) -> None:
    assert host.send(SPAM, client=STRANGER)[0] == 250, "before"
    machine.copy(package, f"/srv/{package.name}")
    for command in COMMANDS:
        done = machine.run(["sh", "-c", command.format(package=package.name)], timeout=240, check=False)
        assert done.returncode in (0, 1), f"{command}: {done.stdout}{done.stderr}"
    code, text = host.send(SPAM, client=STRANGER)
    assert (code, "Blocked by SpamAssassin" in text) == (550, True), text
    code, text = host.send("Subject: lunch\n\nAt noon?\n", client=STRANGER)
    assert code == 250, text
    (line,) = host.lines(text.rpartition(" ")[2])
    assert " spamass-milter=continue/" in line["MESSAGE"]
    assert " opendkim=" in line["MESSAGE"]


def test_whoever_is_left_out_is_named_with_the_reason(host: MailHost) -> None:
    code, text = host.send(SPAM)
    assert code == 250, text
    (line,) = host.lines(text.rpartition(" ")[2])
    assert " spamass-milter=skipped(remote-network: " in line["MESSAGE"]


def test_the_doctor_finds_nothing_more(machine: Container) -> None:
    done = machine.run(["postmill", "doctor", "--json"], timeout=240, check=False)
    levels = [one for one in json.loads(done.stdout)["diagnoses"] if one["level"] == "error"]
    assert (done.returncode in (0, 1), levels) == (True, [])


def test_each_milter_is_found_as_systemd_runs_it(machine: Container) -> None:
    rows = found(machine)
    assert rows["opendkim"]["socket"] == "unix:/run/opendkim/opendkim.sock"
    assert rows["spamass-milter"]["socket"] == "unix:/var/spool/postfix/spamass/spamass.sock"
    for name in ("opendkim", "spamass-milter"):
        assert rows[name]["state"] == machine.systemctl("is-enabled", name).split()[0] == "enabled"
        assert machine.path(rows[name]["socket"].removeprefix("unix:")).is_socket()
    assert in_use(machine) == ["spamass-milter", "opendkim"]


@pytest.mark.parametrize("name", ["opendkim", "spamass-milter"])
def test_a_disabled_milter_is_out_after_a_reload_and_back_when_enabled(
    host: MailHost, machine: Container, name: str
) -> None:
    """Native unit and init script; no session is lost under traffic."""
    everybody = in_use(machine)
    with host.flow() as flow:
        machine.systemctl("disable", name)
        machine.systemctl("reload", "postmill")
        assert found(machine)[name]["state"] == "disabled"
        assert in_use(machine) == [other for other in everybody if other != name]
        machine.systemctl("enable", name)
        machine.systemctl("reload", "postmill")
        assert in_use(machine) == everybody
    assert flow.failed == []
    assert flow.sent > 1


def test_a_masked_milter_is_not_used(machine: Container) -> None:
    machine.systemctl("mask", "opendkim")
    assert found(machine)["opendkim"]["state"] == "masked"
    machine.systemctl("reload", "postmill")
    assert in_use(machine) == ["spamass-milter"]
    machine.systemctl("unmask", "opendkim")


def test_a_table_changes_a_finding_without_moving_it(host: MailHost, machine: Container) -> None:
    with machine.path(CONFIG).open("a") as config:
        config.write('\n[milters.spamass-milter]\nmode = "evaluate"\nwhen = []\n')
    machine.systemctl("reload", "postmill")
    assert in_use(machine) == ["spamass-milter", "opendkim"]
    code, text = host.send(SPAM, client=STRANGER)
    assert code == 250, text
    (line,) = host.lines(text.rpartition(" ")[2])
    assert " spamass-milter(evaluated)=reject/" in line["MESSAGE"]


def test_a_package_removed_but_not_purged_is_not_used(machine: Container) -> None:
    machine.run(["dpkg", "--remove", "spamass-milter"], timeout=120)
    assert machine.path("/etc/default/spamass-milter").exists()
    assert found(machine)["spamass-milter"]["usable"] is False
    machine.systemctl("reload", "postmill")
    assert in_use(machine) == ["opendkim"]
