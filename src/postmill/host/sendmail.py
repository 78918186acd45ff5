"""Sendmail's configuration as a value: its milters, which of them it asks, their macros; from .cf or .mc.

``parse_cf`` reads what Sendmail itself reads (``Xname, S=…`` and ``O`` lines), ``parse_mc`` the m4 source
that people edit. A .mc file may include others; what stands there is not seen, so for what is in force
read the .cf. The forms: cf/README of Sendmail, "Mail filters", and its operation guide, section 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from postmill.errors import EndpointError, UnavailableError
from postmill.host.m4 import Call, calls
from postmill.host.times import seconds
from postmill.wire.endpoint import Endpoint, parse_endpoint

DEFAULT_CF = "/etc/mail/sendmail.cf"
DEFAULT_MC = "/etc/mail/sendmail.mc"

LIST = "confINPUT_MAIL_FILTERS"
"""The m4 name of the list of filters that are asked."""

MACRO_NAMES: dict[str, str] = {
    "connect": "CONNECT",
    "helo": "HELO",
    "mail": "ENVFROM",
    "rcpt": "ENVRCPT",
    "data": "DATA",
    "eoh": "EOH",
    "eom": "EOM",
}
"""``confMILTER_MACROS_…`` and ``Milter.macros.…`` for each stage, the stages in Postmill's words."""

DEFAULT_MACROS: dict[str, tuple[str, ...]] = {
    "connect": ("j", "_", "{daemon_name}", "{if_name}", "{if_addr}"),
    "helo": ("{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}"),
    "mail": (
        "i",
        "{auth_type}",
        "{auth_authen}",
        "{auth_ssf}",
        "{auth_author}",
        "{mail_mailer}",
        "{mail_host}",
        "{mail_addr}",
    ),
    "rcpt": ("{rcpt_mailer}", "{rcpt_host}", "{rcpt_addr}"),
    "data": (),
    "eoh": (),
    "eom": ("{msg_id}",),
}
"""What m4 writes into the .cf when the .mc says nothing (protocol §5.1)."""

DEFAULT_TIMEOUTS: dict[str, float] = {"C": 300.0, "S": 10.0, "R": 10.0, "E": 300.0}
"""Seconds to wait for a connection, for sending, for a reply, and from end of message to its verdict."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One mail filter (milter) that Sendmail knows; whether it is asked is told by `Sendmail`."""

    name: str
    equates: Mapping[str, str]
    """``S``, ``F``, ``T``: what is written behind each ``=``."""

    @property
    def address(self) -> str:
        """The socket as it is written."""
        return self.equates.get("S", "")

    @property
    def endpoint(self) -> Endpoint | None:
        """The socket; None when it cannot be understood."""
        try:
            return parse_endpoint(self.address)
        except EndpointError:
            return None

    @property
    def default_action(self) -> str:
        """What becomes of mail when the filter fails, in Postfix's words: ``F=T`` is ``tempfail``."""
        flags = self.equates.get("F", "")
        words = {"R": "reject", "T": "tempfail", "4": "shutdown"}
        return next((words[flag] for flag in flags if flag in words), "accept")

    @property
    def timeouts(self) -> Mapping[str, float]:
        """Seconds for ``C``, ``S``, ``R`` and ``E``; Sendmail's defaults where nothing is written."""
        written = dict(part.strip().partition(":")[::2] for part in self.equates.get("T", "").split(";"))
        known = {name: seconds(written[name]) for name in DEFAULT_TIMEOUTS if name in written}
        return {**DEFAULT_TIMEOUTS, **known}


@dataclass(frozen=True, slots=True)
class Sendmail:
    """The configuration of one Sendmail."""

    file: str
    filters: tuple[Filter, ...] = ()
    """Every filter that is defined."""
    input_filters: tuple[str, ...] = ()
    """The names of those that are asked, in order (``InputMailFilters``)."""
    daemons: tuple[Mapping[str, str], ...] = ()
    """The equates of each listener: ``Name``, ``Port``, and ``InputMailFilters`` where it has its own list.

    Sendmail looks only at the first letter of each name."""
    macros: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_MACROS)
    """The macros sent at each stage."""

    @property
    def asked(self) -> tuple[Filter, ...]:
        """The filters that are asked where a listener says nothing else, in order."""
        known = {each.name: each for each in self.filters}
        return tuple(known[name] for name in self.input_filters if name in known)

    def asked_by(self, daemon: Mapping[str, str]) -> tuple[Filter, ...]:
        """Return the filters that one listener asks; its own list replaces the general one."""
        own = own_list(daemon)
        if own is None:
            return self.asked
        known = {each.name: each for each in self.filters}
        return tuple(known[name] for name in own if name in known)


def own_list(daemon: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names of the filters that one listener asks by a list of its own, if it has one."""
    written = next((daemon[key] for key in daemon if key[:1] in {"I", "i"}), None)
    return None if written is None else names(written)


def read(file: str) -> Sendmail:
    """Read a .mc file or, with any other name, a .cf file; UnavailableError when it cannot be read."""
    try:
        text = Path(file).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UnavailableError(f"cannot read {file}: {error.strerror}") from error
    return parse_mc(text, file) if file.endswith(".mc") else parse_cf(text, file)


def parse_cf(text: str, file: str = DEFAULT_CF) -> Sendmail:
    """Read a sendmail.cf."""
    filters, daemons, options = [], [], {}
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        if line.startswith("X"):
            name, _, rest = line[1:].partition(",")
            filters.append(Filter(name.strip(), equates(rest)))
        elif option := re.match(r"O[ \t]+([A-Za-z.]+)[ \t]*=(.*)", line):
            if option[1].lower() == "daemonportoptions":
                daemons.append(equates(option[2]))
            options[option[1].lower()] = option[2].strip()
    macros = {
        stage: names(options.get(f"milter.macros.{name.lower()}", "")) for stage, name in MACRO_NAMES.items()
    }
    asked = names(options.get("inputmailfilters", ""))
    return Sendmail(file, tuple(filters), asked, tuple(daemons), macros)


def parse_mc(text: str, file: str = DEFAULT_MC) -> Sendmail:
    """Read a sendmail.mc; what it includes is not seen."""
    filters, daemons, definitions = [], [], dict[str, str]()
    for call in calls(text):
        name, value = two_arguments(call)
        if call.name in {"MAIL_FILTER", "INPUT_MAIL_FILTER"}:
            filters.append(Filter(name, equates(value)))
            if call.name == "INPUT_MAIL_FILTER":
                definitions[LIST] = f"{definitions.get(LIST, '')}, {name}"
        elif call.name == "DAEMON_OPTIONS":
            daemons.append(equates(name))
        elif call.name == "define":
            # a list may be made longer by naming itself in its new value
            definitions[name] = re.sub("[`']", "", value).replace(
                name, definitions.get(name) or _default(name)
            )
        elif call.name == "undefine":
            definitions.pop(name, None)
    macros = {stage: _macros(definitions, stage) for stage in MACRO_NAMES}
    asked = names(definitions.get(LIST, ""))
    return Sendmail(file, tuple(filters), asked, tuple(daemons), macros)


def two_arguments(call: Call) -> tuple[str, str]:
    """Return the first two arguments of a call, "" for one that is not there."""
    first, second = (*call.arguments, "", "")[:2]
    return first.strip(), second.strip()


def macro_definition(stage: str) -> str:
    """Return the m4 name of the list of macros for a stage."""
    return f"confMILTER_MACROS_{MACRO_NAMES[stage]}"


def _default(name: str) -> str:
    stages = [stage for stage in MACRO_NAMES if macro_definition(stage) == name]
    return ", ".join(DEFAULT_MACROS[stages[0]]) if stages else ""


def _macros(definitions: Mapping[str, str], stage: str) -> tuple[str, ...]:
    written = definitions.get(macro_definition(stage))
    return DEFAULT_MACROS[stage] if written is None else names(written)


def equates(text: str) -> dict[str, str]:
    """Read ``S=…, F=T, T=S:30s;R:60s``."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def names(text: str) -> tuple[str, ...]:
    """Split a list of names at commas, semicolons and blanks."""
    return tuple(name for name in re.split(r"[\s,;]+", text) if name)
