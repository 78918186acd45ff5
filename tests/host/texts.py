"""Values for the tests of `postmill setup`, made from texts alone: no file of the machine, no postconf."""

from __future__ import annotations

import re
import tempfile

from postmill.config import Loaded, load
from postmill.host.main_cf import written
from postmill.host.postfix import Postfix, parse

QUEUE = "/var/spool/postfix"
DEFAULTS = {
    "queue_directory": QUEUE,
    "mail_owner": "postfix",
    "compatibility_level": "3.6",
    "smtpd_milters": "",
    "non_smtpd_milters": "",
    "milter_protocol": "6",
    "milter_default_action": "tempfail",
    "milter_connect_timeout": "30s",
    "milter_command_timeout": "30s",
    "milter_content_timeout": "300s",
    "milter_connect_macros": "j {daemon_name} {daemon_addr} v _",
    "milter_mail_macros": "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    "milter_rcpt_macros": "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    "milter_data_macros": "i",
    "milter_end_of_header_macros": "i",
    "milter_end_of_data_macros": "i",
    "receive_override_options": "",
    "smtpd_milter_maps": "",
}

POSTMILL = f"""\
[manager]
listen = ["unix:{QUEUE}/postmill/postmill.sock"]
socket_group = "postfix"

[milters.opendkim]  # signs
socket = "unix:{QUEUE}/opendkim/opendkim.sock"

[milters.rspamd]
socket = "inet:11332@127.0.0.1"

[milters.trial]
socket = "unix:/run/trial.sock"
mode = "evaluate"
"""


def loaded(text: str = POSTMILL) -> Loaded:
    """Read a configuration of Postmill."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        return load(file.name)


def postfix(main: str, chroot: str = "y", overrides: str = "", directory: str = "/etc/postfix") -> Postfix:
    """What postconf would make of a main.cf, with an smtpd, a submission service and cleanup in master.cf.

    ``overrides`` has lines like ``submission/inet/smtpd_milters = unix:/x``.
    """
    values = {**DEFAULTS, **written(main)}
    columns = "\n".join(
        f"{name}/{kind}/{column} = {value}"
        for name, kind, command in (
            ("smtp", "inet", "smtpd"),
            ("submission", "inet", "smtpd"),
            ("cleanup", "unix", "cleanup"),
        )
        for column, value in {
            "service": name,
            "type": kind,
            "chroot": chroot,
            "process_limit": "-",
            "command": command,
        }.items()
    )
    parameters = "\n".join(f"{name} = {_expanded(value, values)}" for name, value in values.items())
    return parse(directory, parameters, columns, _expanded(overrides, values), overrides)


def _expanded(value: str, values: dict[str, str]) -> str:
    while found := re.search(r"\$(\w+)", value):
        value = value.replace(found[0], values.get(found[1], ""))
    return value
