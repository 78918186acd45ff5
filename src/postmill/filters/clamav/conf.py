"""clamav-milter.conf as settings of ours (clamav-milter.conf(5)).

Keys about its own socket, process and log mean nothing here. OnFail and OnClean are said elsewhere: with
``on_error``, and by letting the next milter decide; a value that could not be kept is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from postmill.api.kinds import Size
from postmill.api.mail_kinds import Network
from postmill.errors import EndpointError
from postmill.filters.clamav.policy import Settings
from postmill.wire.endpoint import parse_endpoint

_INFECTED = {
    "reject": "reject",
    "quarantine": "quarantine",
    "blackhole": "discard",
    "defer": "tempfail",
    "accept": "accept",
}
_HEADER = {"no": "no", "off": "no", "false": "no", "add": "add", "replace": "replace", "yes": "replace"}
_ELSEWHERE = frozenset(
    """MilterSocket MilterSocketGroup MilterSocketMode FixStaleSocket User AllowSupplementaryGroups Foreground
    Chroot PidFile TemporaryDirectory LogFile LogFileUnlock LogFileMaxSize LogTime LogSyslog LogFacility
    LogVerbose LogInfected LogClean LogRotate SupportMultipleRecipients OnFail OnClean""".lower().split()
)


def settings_from(file: str, ours: Settings) -> Settings:
    """Return the settings that a file means, over those that it does not know of.

    Raises ValueError with file and line for what cannot be understood, OSError when it cannot be read.
    """
    reader = _Reader(file)
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        reader.line(number, line)
    if not reader.clamd:
        raise ValueError(f"{file}: ClamdSocket is missing")
    if reader.values.get("reject_text") and reader.values["on_infected"] != "reject":
        raise ValueError(f"{file}: RejectMsg makes sense with OnInfected Reject only")
    values = {**reader.values, "clamd": tuple(reader.clamd), "local_networks": tuple(reader.networks)}
    return dataclasses.replace(ours, **values)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.clamd: list[Any] = []
        self.networks: list[Any] = []
        self.values: dict[str, Any] = {
            "on_infected": "quarantine",
            "reject_text": "",
            "add_header": "no",
            "max_file_size": 25 << 20,
        }
        self._take: Mapping[str, Callable[[str], None]] = {
            "clamdsocket": self._clamd,
            "localnet": self._network,
            "oninfected": lambda text: self._word("on_infected", _INFECTED, text),
            "addheader": lambda text: self._word("add_header", _HEADER, text),
            "rejectmsg": lambda text: self._set("reject_text", f"5.7.1 {text}"),
            "reporthostname": lambda text: self._set("report_hostname", text),
            "virusaction": lambda text: self._set("virus_action", text),
            "skipauthenticated": self._users,
            "allowlist": lambda text: self._set("allow_list", text),
            "whitelist": lambda text: self._set("allow_list", text),
            "maxfilesize": lambda text: self._set("max_file_size", Size().parse(text)),
            "readtimeout": lambda text: self._set("timeout", float(text) or 86400.0),
        }

    def line(self, number: int, line: str) -> None:
        """Take one line: a word, blanks, and the rest."""
        text = line.strip()
        if not text or text.startswith("#"):
            return
        word, _, rest = text.partition(" ")
        value = rest.strip().strip('"')
        try:
            self._option(word, value)
        except (ValueError, EndpointError) as error:
            problem = str(error) or f"{value!r} is not allowed"
            raise ValueError(f"{self.file}:{number}: {word}: {problem}") from error

    def _option(self, word: str, value: str) -> None:
        name = word.lower()
        if name == "example":
            raise ValueError("the file says that it is only an example")
        if name in _ELSEWHERE:
            return
        take = self._take.get(name)
        if take is None:
            near = difflib.get_close_matches(name, [*self._take, *_ELSEWHERE], 1)
            raise ValueError(f"unknown option{f', did you mean {near[0]}?' if near else ''}")
        if not value:
            raise ValueError("needs a value")
        take(value)

    def _set(self, name: str, value: Any) -> None:
        self.values[name] = value

    def _word(self, name: str, words: Mapping[str, str], text: str) -> None:
        if text.lower() not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        self.values[name] = words[text.lower()]

    def _clamd(self, text: str) -> None:
        kind, _, rest = text.partition(":")
        if kind.lower() == "tcp":  # host and port, or the port alone
            host, colon, port = rest.rpartition(":")
            text = f"inet:{port}@{host.strip('[]')}" if colon else f"inet:{rest}"
        self.clamd.append(parse_endpoint(text))

    def _network(self, text: str) -> None:
        if text.lower() != "local":  # mail submitted on the host itself comes without an address
            self.networks.append(Network().parse(text))

    def _users(self, text: str) -> None:
        if text.startswith("file:"):
            names = Path(text[5:]).read_text(encoding="utf-8").split()
            text = "|".join(f"(?:{name})" for name in names) or "(?!)"
        self.values["skip_authenticated"] = text
