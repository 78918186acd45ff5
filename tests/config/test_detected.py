"""``detect = true``: what is found becomes a milter, and the file changes single keys of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from postmill.api import Finding, Source, State
from postmill.api.conditions import Condition
from postmill.conditions import shelf
from postmill.config import ConfigErrors, Loaded, load
from postmill.config.settings import MilterSettings
from postmill.config.showing import as_toml, as_values
from postmill.errors import UnavailableError
from postmill.wire.endpoint import parse_endpoint

DKIM = Finding(
    "opendkim",
    installed=True,
    state=State.ENABLED,
    socket=parse_endpoint("unix:/run/opendkim/opendkim.sock"),
    source=Source("/etc/opendkim.conf", 12),
    order=800,
)
GREYLIST = Finding(
    "milter-greylist",
    installed=True,
    state=State.ENABLED,
    socket=parse_endpoint("unix:/run/greylist.sock"),
    source=Source(words="built-in default of /usr/sbin/milter-greylist"),
    when=("remote-network", "s25r"),
    order=100,
    settings={"timeouts": {"command": "55s"}},
)
DISABLED = dataclasses.replace(DKIM, state=State.DISABLED, problem="disabled: opendkim.service is not wanted")
UNCONFIGURED = dataclasses.replace(
    DKIM, name="clamav-milter", socket=None, source=Source(), problem="not configured: /etc/x:3 says Example"
)
SECRET = Finding("clamav-milter", True, State.UNKNOWN, problem="/etc/x cannot be read: Permission denied")
CONDITIONS: dict[str, Condition] = dict(shelf())


class Machine:
    """Where detection finds what it is told to, and counts how often it is asked."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        self.asked = 0

    def detect(self) -> Sequence[Finding]:
        self.asked += 1
        return self.findings


def loaded(tmp_path: Path, text: str, *findings: Finding) -> Loaded:
    file = tmp_path / "p.toml"
    file.write_text(f"[manager]\ndetect = true\n{text}")
    return load(file, CONDITIONS, Machine(*findings).detect)


def milters(done: Loaded) -> dict[str, MilterSettings]:
    return {milter.name: milter for milter in done.settings.milters}


def problems(tmp_path: Path, text: str, *findings: Finding) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, text, *findings)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def warnings(done: Loaded) -> list[str]:
    return [str(warning).replace(f"{Path(done.file).parent}/", "") for warning in done.warnings]


def test_what_is_found_is_used(tmp_path: Path) -> None:
    found = milters(loaded(tmp_path, "", DKIM, GREYLIST))
    assert list(found) == ["milter-greylist", "opendkim"]
    greylist = found["milter-greylist"]
    assert (str(greylist.socket), greylist.order) == ("unix:/run/greylist.sock", 100)
    assert [str(use) for use in greylist.conditions] == ["remote-network", "s25r"]
    assert (greylist.timeouts.command, greylist.timeouts.connect) == (55.0, 5.0)


def test_each_value_tells_where_it_was_found(tmp_path: Path) -> None:
    done = loaded(tmp_path, '[milters.opendkim]\non_error = "accept"\n', DKIM, GREYLIST)
    origins = {key: str(origin).replace(f"{tmp_path}/", "") for key, origin in done.origins.items()}
    assert origins["milters.opendkim.socket"] == "detected: /etc/opendkim.conf:12"
    assert origins["milters.opendkim.order"] == "detected: usual for opendkim"
    assert origins["milters.opendkim.on_error"] == "p.toml:4"
    assert origins["milters.opendkim.mode"] == "default"
    greylist = origins["milters.milter-greylist.socket"]
    assert greylist == "detected: built-in default of /usr/sbin/milter-greylist"
    assert origins["milters.milter-greylist.timeouts.command"] == "detected: usual for milter-greylist"
    assert origins["milters.milter-greylist.timeouts.connect"] == "default"
    assert "# detected: /etc/opendkim.conf:12" in as_toml(done)
    assert as_values(done)["origins"]["milters.opendkim.socket"] == "detected: /etc/opendkim.conf:12"


def test_what_is_shown_gives_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    done = loaded(tmp_path, "", DKIM, GREYLIST)
    again = tmp_path / "again.toml"
    again.write_text(as_toml(done))
    assert load(again, CONDITIONS, Machine(DKIM, GREYLIST).detect).settings == done.settings
    alone = as_toml(done).replace("detect = true", "detect = false")
    again.write_text(alone)
    assert load(again, CONDITIONS).settings.milters == done.settings.milters


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("socket", '"inet:8891@127.0.0.1"', parse_endpoint("inet:8891@127.0.0.1")),
        ("on_error", '"accept"', "accept"),
        ("mode", '"evaluate"', "evaluate"),
        ("max_sessions", "5", 5),
    ],
)
def test_the_file_changes_a_single_key_and_moves_nothing(
    tmp_path: Path, key: str, value: str, field: Any
) -> None:
    plain = milters(loaded(tmp_path, "", DKIM, GREYLIST))
    changed = milters(loaded(tmp_path, f"[milters.opendkim]\n{key} = {value}\n", DKIM, GREYLIST))
    assert list(changed) == list(plain)
    assert changed["opendkim"] == dataclasses.replace(plain["opendkim"], **{key: field})


def test_of_a_table_within_single_keys_are_changed_too(tmp_path: Path) -> None:
    text = '[milters.milter-greylist]\ntimeouts = { connect = "1s" }\nwhen = []\n'
    timeouts = milters(loaded(tmp_path, text, GREYLIST))["milter-greylist"].timeouts
    assert (timeouts.connect, timeouts.command) == (1.0, 55.0)
    text = '[milters.milter-greylist]\ntimeouts.command = "9s"\n'
    assert milters(loaded(tmp_path, text, GREYLIST))["milter-greylist"].timeouts.command == 9.0


def test_it_can_be_moved_and_taken_out(tmp_path: Path) -> None:
    text = '[milters.opendkim]\norder = 1\n[milters.milter-greylist]\nmode = "off"\n'
    done = loaded(tmp_path, text, DKIM, GREYLIST)
    assert [(milter.name, milter.mode) for milter in done.settings.milters] == [
        ("opendkim", "enforce"),
        ("milter-greylist", "off"),
    ]
    assert warnings(done) == []


def test_a_milter_of_ones_own_stands_before_unless_it_says_where(tmp_path: Path) -> None:
    text = '[milters.own]\nsocket = "unix:/own"\n[milters.late]\nsocket = "unix:/late"\norder = 500\n'
    assert list(milters(loaded(tmp_path, text, DKIM, GREYLIST))) == [
        "own",
        "milter-greylist",
        "late",
        "opendkim",
    ]


def test_what_is_not_in_use_is_left_out_silently(tmp_path: Path) -> None:
    removed = dataclasses.replace(DKIM, installed=False, problem="removed: …")
    for finding in (DISABLED, removed):
        done = loaded(tmp_path, "", GREYLIST, finding)
        assert (list(milters(done)), warnings(done)) == (["milter-greylist"], [])


def test_what_is_enabled_and_cannot_be_used_is_told(tmp_path: Path) -> None:
    done = loaded(tmp_path, "", DKIM, UNCONFIGURED)
    assert list(milters(done)) == ["opendkim"]
    assert warnings(done) == [
        "p.toml:2: manager.detect: clamav-milter was found and is not used: not configured: "
        "/etc/x:3 says Example"
    ]


def test_a_disabled_milter_is_out_although_the_file_has_a_table_for_it(tmp_path: Path) -> None:
    done = loaded(tmp_path, '[milters.opendkim]\non_error = "accept"\n', GREYLIST, DISABLED)
    assert list(milters(done)) == ["milter-greylist"]
    assert warnings(done) == [
        "p.toml:3: milters.opendkim: not used: disabled: opendkim.service is not wanted"
    ]


def test_the_table_of_a_milter_that_is_out_is_checked_all_the_same(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, '[milters.opendkim]\non_eror = "accept"\n', GREYLIST, DISABLED)
    assert told == "p.toml:4: milters.opendkim.on_eror: unknown key (did you mean on_error?)"


def test_a_socket_in_the_file_is_stronger_than_what_detection_says(tmp_path: Path) -> None:
    text = '[milters.opendkim]\nsocket = "inet:1@127.0.0.1"\n'
    done = loaded(tmp_path, text, GREYLIST, DISABLED)
    assert list(milters(done)) == ["milter-greylist", "opendkim"], "and it stays in its place"
    assert warnings(done) == [
        "p.toml:3: milters.opendkim: used as it is written, although detection says: "
        "disabled: opendkim.service is not wanted"
    ]
    text = '[milters.clamav-milter]\nsocket = "inet:1@127.0.0.1"\n'
    assert warnings(loaded(tmp_path, text, UNCONFIGURED)) == [], "that is what was missing"


def test_a_name_that_was_not_found_needs_a_socket(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "[milters.opendkin]\nmax_sessions = 1\n", DKIM)
    assert told.startswith("p.toml:3: milters.opendkin.socket: is missing")


def test_whether_a_milter_runs_is_not_guessed(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "", DKIM, SECRET)
    assert told == (
        "p.toml:2: manager.detect: whether clamav-milter is in use cannot be told: /etc/x cannot be read: "
        "Permission denied (let Postmill read that, or write [milters.clamav-milter] with its socket, or "
        'with mode = "off")'
    )
    (told,) = problems(tmp_path, "[milters.clamav-milter]\nmax_sessions = 1\n", SECRET)
    assert told.startswith("p.toml:3: milters.clamav-milter: whether it is in use cannot be told: /etc/x")
    done = loaded(tmp_path, '[milters.clamav-milter]\nmode = "off"\n', DKIM, SECRET)
    assert (list(milters(done)), warnings(done)) == (["opendkim"], [])
    done = loaded(tmp_path, '[milters.clamav-milter]\nsocket = "unix:/c"\n', DKIM, SECRET)
    assert list(milters(done)) == ["clamav-milter", "opendkim"]


def test_nobody_is_asked_twice_because_it_has_two_names(tmp_path: Path) -> None:
    text = '[milters.signer]\nsocket = "local:/run/opendkim/opendkim.sock"\n'
    done = loaded(tmp_path, text, DKIM)
    assert list(milters(done)) == ["signer"]
    assert warnings(done) == [
        "p.toml:2: manager.detect: opendkim was found at unix:/run/opendkim/opendkim.sock, which is the "
        "socket of milter signer (to let detection follow it, name that [milters.opendkim])"
    ]


def test_every_check_applies_and_points_at_the_file_it_is_about(tmp_path: Path) -> None:
    text = 'listen = ["unix:/run/opendkim/opendkim.sock"]\n'
    (told,) = problems(tmp_path, text, DKIM)
    assert told.startswith(
        "/etc/opendkim.conf:12: milters.opendkim.socket: unix:/run/opendkim/opendkim.sock is"
    )
    nowhere = dataclasses.replace(DKIM, socket=parse_endpoint("inet:0@127.0.0.1"))
    assert problems(tmp_path, "", nowhere) == [
        "/etc/opendkim.conf:12: milters.opendkim.socket: port 0 cannot be connected to"
    ]


def test_two_findings_of_one_name_are_one(tmp_path: Path) -> None:
    second = dataclasses.replace(DKIM, socket=parse_endpoint("unix:/second"))
    assert str(milters(loaded(tmp_path, "", DKIM, second))["opendkim"].socket) == str(DKIM.socket)


def test_the_machine_is_looked_at_each_time_and_only_when_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    machine = Machine(DKIM)
    for text, times in (("", 0), ("[manager]\ndetect = false\n", 0), ("[manager]\ndetect = true\n", 2)):
        file.write_text(text)
        load(file, CONDITIONS, machine.detect)
        load(file, CONDITIONS, machine.detect)
        assert machine.asked == times
    machine.findings = (GREYLIST,)
    assert list(milters(load(file, CONDITIONS, machine.detect))) == ["milter-greylist"]


def test_a_machine_that_cannot_be_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("[manager]\ndetect = true\n")

    def unknown() -> Sequence[Finding]:
        raise UnavailableError("none of the platforms")

    for detect, text in ((unknown, "none of the platforms"), (None, "this program cannot look for milters")):
        with pytest.raises(ConfigErrors) as caught:
            load(file, CONDITIONS, detect)
        assert str(caught.value) == f"{file}:2: manager.detect: {text}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[manager]\ndetect = "yes"\n', "manager.detect: must be true or false"),
        ("manager = 1\n", "manager: must be a table"),
        ("milters = 1\n[manager]\ndetect = true\n", "milters: must be a table of milters"),
        ("[manager]\ndetect = true\n[milters]\nopendkim = 1\n", "milters.opendkim: must be a table"),
        (
            "[manager]\ndetect = true\n[milters.milter-greylist]\ntimeouts = 5\n",
            "milters.milter-greylist.timeouts: must be a table",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_told_as_ever(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(file, CONDITIONS, Machine(DKIM, GREYLIST).detect)
    assert problem in str(caught.value)


def test_when_nothing_is_found_the_warning_says_where_to_look(tmp_path: Path) -> None:
    (told,) = warnings(loaded(tmp_path, ""))
    assert told == "p.toml: no milter is in use: every message passes as it is (`postmill detect` says why)"
