"""Patients made of values: nothing of the machine is looked at, and nobody is talked to."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postmill.config import Loaded
from postmill.daemon.configuration import load_configuration
from postmill.host.accounts import Account, Owned
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import Postfix
from postmill.host.relaying import STRANGER, Attempt
from postmill.host.sendmail import parse_cf
from postmill.host.talking import Answer
from postmill.wire.packets import OptNeg
from tests.host.texts import QUEUE, postfix

LISTED = "unix:postmill/postmill.sock"
SOCKET = f"{QUEUE}/postmill/postmill.sock"
MAIN = f"smtpd_milters = {LISTED}\nnon_smtpd_milters = {LISTED}\nmynetworks = 127.0.0.0/8\n"
RELAY = (
    "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nmyhostname = mx.example.com\n"
)
TOML = f"""\
[manager]
listen = ["unix:{SOCKET}"]
socket_group = "postfix"

"""
TWO = f"""{TOML}
[milters.opendkim]
socket = "unix:/run/opendkim/opendkim.sock"

[milters.rspamd]
socket = "inet:11332@127.0.0.1"
on_error = "accept"
"""
CF = f"""\
O InputMailFilters=postmill
O DaemonPortOptions=Name=MTA, Addr=127.0.0.1
O Milter.macros.connect=j, {{daemon_name}}
O Milter.macros.envfrom=i, {{auth_type}}, {{auth_authen}}
Xpostmill, S=unix:{SOCKET}, F=T, T=C:30s;S:30s;R:60s;E:10m
"""

ACCOUNTS = {
    "postfix": Account("postfix", 102, 105, frozenset({105})),
    "postmill": Account("postmill", 990, 990, frozenset({990})),
}
PATHS = {
    **dict.fromkeys(("/", "/run", "/var", "/var/spool", QUEUE), Owned(0o040755, 0, 0)),
    f"{QUEUE}/postmill": Owned(0o042750, 990, 105),
    SOCKET: Owned(0o140660, 990, 105),
    "/run/opendkim": Owned(0o040750, 991, 990),
    "/run/opendkim/opendkim.sock": Owned(0o140660, 991, 990),
}
FINE = Answer(OptNeg(6, 0, 0))


def loaded(text: str, policy: str = "") -> Loaded:
    """Read a configuration with all conditions there are, and one policy file."""
    with tempfile.TemporaryDirectory() as directory:
        if policy:
            (Path(directory) / "policy.d").mkdir()
            (Path(directory) / "policy.d" / "own.py").write_text(policy)
        file = Path(directory) / "postmill.toml"
        file.write_text(text)
        return load_configuration(file)


def with_postfix(
    text: str = TWO,
    main: str = MAIN,
    *,
    chroot: str = "y",
    overrides: str = "",
    policy: str = "",
    **more: Any,
) -> Patient:
    """A host with Postfix, in good health unless told otherwise."""
    return patient(text, postfix(f"{RELAY}{main}", chroot, overrides), policy, **more)


def patient(
    text: str,
    mta: Postfix | None = None,
    policy: str = "",
    paths: Mapping[str, Owned | None] = {},
    accounts: Mapping[str, Account] = {},
    answers: Mapping[str, Answer] = {},
    **more: Any,
) -> Patient:
    """A host; ``paths``, ``accounts`` and ``answers`` (by socket) say what is different."""
    every_path, every_account = {**PATHS, **paths}, {**ACCOUNTS, **accounts}
    values = {
        "config_file": "/etc/postmill/postmill.toml",
        "loaded": loaded(text, policy),
        "postfix": mta,
        "running": True,
        "look": every_path.get,
        "account": every_account.get,
        "listener": lambda path: every_account["postmill"],
        "talk": lambda endpoint, within: answers.get(str(endpoint), FINE),
        "knock": lambda door, within: Attempt(STRANGER, reply="554 5.7.1 Relay access denied"),
        "detect": tuple,
        **more,
    }
    return Patient(**values)


def with_sendmail(text: str = TWO, cf: str = CF, **more: Any) -> Patient:
    """A host with Sendmail."""
    return dataclasses.replace(patient(text), sendmail=parse_cf(cf), **more)


def wrong(diagnoses: Any) -> list[Diagnosis]:
    """The warnings and errors."""
    return [one for one in diagnoses if one.level >= Level.WARNING]


def only(diagnoses: Any) -> Diagnosis:
    """The only warning or error."""
    (one,) = wrong(diagnoses)
    return one
