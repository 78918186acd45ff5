"""Postfix's configuration as a value: what main.cf and master.cf amount to, as far as milters are concerned.

``read(directory)`` asks postconf(1), so that defaults, ``$name`` and continuation lines are Postfix's own
business; ``parse`` makes the value from postconf's output. Changing main.cf is `main_cf`'s. The forms of the
parameters: postconf(5), master(5), and MILTER_README of Postfix's documentation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from postmill.errors import EndpointError, UnavailableError
from postmill.host.times import seconds
from postmill.wire.endpoint import Endpoint, parse_endpoint

DEFAULT_DIRECTORY = "/etc/postfix"

MACRO_PARAMETERS: dict[str, str] = {
    "connect": "milter_connect_macros",
    "helo": "milter_helo_macros",
    "mail": "milter_mail_macros",
    "rcpt": "milter_rcpt_macros",
    "data": "milter_data_macros",
    "eoh": "milter_end_of_header_macros",
    "eom": "milter_end_of_data_macros",
    "unknown": "milter_unknown_command_macros",
}
"""The parameter with the macros of each stage, the stages in Postmill's words."""

_SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/postfix/sbin")


@dataclass(frozen=True, slots=True)
class ListedMilter:
    """One element of ``smtpd_milters`` or ``non_smtpd_milters``."""

    text: str
    """As it is written, braces included."""
    address: str
    """``unix:path`` or ``inet:host:port``."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What holds for this milter alone: ``connect_timeout``, ``default_action``, ``protocol`` …"""

    def endpoint(self, queue_directory: str, *, chrooted: bool) -> Endpoint | None:
        """Tell which socket a Postfix service means by this; None when the address cannot be understood.

        A service works in ``queue_directory``: a relative path begins there, and in a chroot an absolute
        one does, too.
        """
        kind, _, path = self.address.partition(":")
        if kind.lower() not in {"unix", "local"} or not path:
            address = self.address
        elif chrooted or not path.startswith("/"):
            address = f"unix:{queue_directory.rstrip('/')}/{path.lstrip('/')}"
        else:
            address = f"unix:{path}"
        try:
            return parse_endpoint(address)
        except EndpointError:
            return None


@dataclass(frozen=True, slots=True)
class Service:
    """One service of master.cf."""

    name: str
    type: str
    chroot: bool
    process_limit: int
    """How many processes of it may run; 0 means no limit."""
    command: str
    """The program without its arguments, such as ``smtpd``."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Parameters it sets for itself with ``-o``, ``$name`` expanded."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The same with ``$name`` as it is written."""

    @property
    def key(self) -> str:
        """``name/type``, as ``postconf -P`` names it."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True)
class Postfix:
    """The configuration of one Postfix instance; parameters are effective ones, ``$name`` expanded."""

    directory: str
    parameters: Mapping[str, str]
    services: tuple[Service, ...] = ()
    warnings: tuple[str, ...] = ()
    """What postconf warned of, such as a parameter that is set twice."""

    def value(self, name: str, service: Service | None = None) -> str:
        """Return a parameter as it holds everywhere, or for one service; "" when there is none."""
        if service is not None and name in service.overrides:
            return service.overrides[name]
        return self.parameters.get(name, "")

    def seconds(self, name: str, service: Service | None = None) -> float:
        """Return a time, such as ``milter_command_timeout``, in seconds."""
        return seconds(self.value(name, service))

    def smtpd_milters(self, service: Service | None = None) -> tuple[ListedMilter, ...]:
        """Return the milters for SMTP mail; none for a service that has switched them off."""
        return () if self.asks_no_milters(service) else parse_milters(self.value("smtpd_milters", service))

    def asks_no_milters(self, service: Service | None = None) -> bool:
        """Tell whether ``receive_override_options`` switches milters off."""
        return "no_milters" in split_list(self.value("receive_override_options", service))

    def non_smtpd_milters(self, service: Service | None = None) -> tuple[ListedMilter, ...]:
        """Return the milters for mail of sendmail(1) and the like; it is ``cleanup`` that asks them."""
        return parse_milters(self.value("non_smtpd_milters", service))

    def macros(self, stage: str, service: Service | None = None) -> tuple[str, ...]:
        """Return the macros sent at a stage (the keys of `MACRO_PARAMETERS`)."""
        return tuple(split_list(self.value(MACRO_PARAMETERS[stage], service)))

    def of_command(self, command: str) -> tuple[Service, ...]:
        """Return the services that run a program."""
        return tuple(service for service in self.services if service.command == command)

    @property
    def smtpd_services(self) -> tuple[Service, ...]:
        """The services that take mail over SMTP, and so ask ``smtpd_milters``."""
        return self.of_command("smtpd")

    @property
    def queue_directory(self) -> str:
        """Where Postfix's processes work, and the root of those in a chroot."""
        return self.value("queue_directory")

    @property
    def mail_owner(self) -> str:
        """The user that Postfix's processes run as: who must be able to reach a milter's socket."""
        return self.value("mail_owner")

    @property
    def milter_protocol(self) -> int:
        """The highest version of the milter protocol that Postfix offers."""
        found = re.match(r"\d+", self.value("milter_protocol"))
        return int(found[0]) if found else 0

    @property
    def milter_default_action(self) -> str:
        """What becomes of mail when a milter fails and says nothing else in its own options."""
        return self.value("milter_default_action")


def read(directory: str = DEFAULT_DIRECTORY) -> Postfix:
    """Read the configuration in a directory with postconf(1).

    Raises UnavailableError when there is no postconf, or it cannot read main.cf or master.cf.
    """
    directory = os.path.abspath(directory)
    parameters, warnings = _postconf(directory, "-x")
    columns, _ = _postconf(directory, "-F")
    overrides, _ = _postconf(directory, "-x", "-P")
    as_written, _ = _postconf(directory, "-P")
    return parse(directory, parameters, columns, overrides, as_written, warnings)


def parse(
    directory: str,
    parameters: str,
    columns: str = "",
    overrides: str = "",
    as_written: str = "",
    warnings: str = "",
) -> Postfix:
    """Make the value from the output of ``postconf -x``, ``-F``, ``-x -P`` and ``-P``."""
    values = dict(_pairs(parameters))
    return Postfix(
        directory,
        values,
        tuple(_services(values, columns, _by_service(overrides), _by_service(as_written))),
        tuple(dict.fromkeys(line.partition("warning: ")[2] for line in warnings.splitlines())),
    )


def _pairs(output: str) -> Iterator[tuple[str, str]]:
    for line in output.splitlines():
        name, equals, value = line.partition(" =")
        if equals:
            yield name, value.strip()


def _by_service(output: str) -> dict[str, dict[str, str]]:
    """Sort lines such as ``smtp/inet/chroot = y`` by ``smtp/inet``."""
    found: dict[str, dict[str, str]] = {}
    for key, value in _pairs(output):
        service, _, name = key.rpartition("/")
        found.setdefault(service, {})[name] = value
    return found


def _services(
    parameters: Mapping[str, str],
    columns: str,
    overrides: Mapping[str, Mapping[str, str]],
    as_written: Mapping[str, Mapping[str, str]],
) -> Iterator[Service]:
    for key, row in _by_service(columns).items():
        limit = row["process_limit"]
        yield Service(
            row["service"],
            row["type"],
            _chrooted(row["chroot"], parameters),
            int(parameters.get("default_process_limit", "100") if limit == "-" else limit),
            row["command"].split()[0],
            overrides.get(key, {}),
            as_written.get(key, {}),
        )


def _chrooted(column: str, parameters: Mapping[str, str]) -> bool:
    """``-`` means what it meant before Postfix 3.0, yes, until ``compatibility_level`` is at least 1."""
    if column == "-":
        level = re.match(r"\d+", parameters.get("compatibility_level", ""))
        return level is None or int(level[0]) < 1
    return column == "y"


def parse_milters(value: str) -> tuple[ListedMilter, ...]:
    """Read the value of ``smtpd_milters``: addresses, or ``{ address, name=value, … }``."""
    return tuple(_listed(element) for element in split_list(value))


def _listed(text: str) -> ListedMilter:
    if not text.startswith("{"):
        return ListedMilter(text, text)
    address, *options = split_list(_unbraced(text)) or [""]
    pairs = (_unbraced(option).partition("=") for option in options)
    return ListedMilter(text, address, {name.strip(): value.strip() for name, _, value in pairs})


def _unbraced(text: str) -> str:
    return text[1:].removesuffix("}").strip() if text.startswith("{") else text


def split_list(value: str) -> list[str]:
    """Split at blanks and commas, but not inside braces."""
    elements, depth, start = [], 0, None
    for at, char in enumerate(value):
        if depth == 0 and (char.isspace() or char == ","):
            if start is not None:
                elements.append(value[start:at])
            start = None
            continue
        start = at if start is None else start
        depth = max(0, depth + (char == "{") - (char == "}"))
    return elements if start is None else [*elements, value[start:].rstrip()]


def reload_command(directory: str) -> list[str]:
    """Return the words of the command that makes a running Postfix read its configuration again."""
    where = [] if directory == DEFAULT_DIRECTORY else ["-c", directory]
    return ["postfix", *where, "reload"]


def reload(directory: str) -> None:
    """Make a running Postfix read its configuration again; UnavailableError when it does not."""
    program = postfix_program("postfix")
    if program is None:
        raise UnavailableError("there is no postfix(1) in PATH nor in /usr/sbin; is Postfix installed?")
    words = [program, *reload_command(directory)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UnavailableError(f"Postfix was not reloaded: {said[-1] if said else done.returncode}")


def postfix_program(name: str) -> str | None:
    """Find ``postconf`` or ``postfix``, also where the caller's PATH has no sbin."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SBIN)))


def _postconf(directory: str, *options: str) -> tuple[str, str]:
    program = postfix_program("postconf")
    if program is None:
        raise UnavailableError("there is no postconf(1) in PATH nor in /usr/sbin; is Postfix installed?")
    done = subprocess.run(  # noqa: S603 - a fixed program, and no shell
        [program, *options, "-c", directory], capture_output=True, text=True, errors="replace", check=False
    )
    fatal = [line for line in done.stderr.splitlines() if "warning: " not in line]
    if done.returncode or fatal:
        reason = fatal[-1] if fatal else f"exit status {done.returncode}"
        raise UnavailableError(f"cannot read the Postfix configuration in {directory}: {reason}")
    missing = re.search(r"warning: (open .*)", done.stderr)
    if missing:
        raise UnavailableError(f"cannot read the Postfix configuration in {directory}: {missing[1]}")
    return done.stdout, done.stderr
