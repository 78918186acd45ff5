"""clamav-milter.conf as settings of ours (clamav-milter.conf(5)).

Keys about its own socket, process and log mean nothing here. What OnFail says is the ``on_error`` of a filter
that has none of its own; another OnClean than Accept could not be kept, and is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from socket import SOCK_STREAM, getaddrinfo
from typing import Any

from postmill.api.kinds import Duration, Size
from postmill.api.mail_kinds import IPNetwork
from postmill.errors import EndpointError
from postmill.filters.clamav.policy import FileSettings, Settings
from postmill.wire.endpoint import parse_endpoint

log = logging.getLogger("postmill.filter.clamav")

_INFECTED = {
    "reject": "reject",
    "quarantine": "quarantine",
    "blackhole": "discard",
    "defer": "tempfail",
    "accept": "accept",
}
_FAIL = {"defer": "tempfail", "accept": "accept", "reject": "reject"}
_CLAMD_PORT = "3310"
_HEADER = {"no": "no", "off": "no", "false": "no", "add": "add", "replace": "replace", "yes": "replace"}
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_ELSEWHERE = frozenset(
    """MilterSocket MilterSocketGroup MilterSocketMode FixStaleSocket User Foreground
    Chroot PidFile TemporaryDirectory LogFile LogFileUnlock LogFileMaxSize LogTime LogSyslog LogFacility
    LogVerbose LogInfected LogClean LogRotate MaxThreads""".lower().split()
)
_IGNORED = frozenset(
    """AllowSupplementaryGroups ArchiveBlockEncrypted DatabaseDirectory Debug DetectBrokenExecutables
    LeaveTemporaryFiles LocalSocket MailFollowURLs MaxFiles MaxRecursion MaxScanSize PhishingSignatures
    ScanArchive ScanHTML ScanMail ScanOLE2 ScanPE StreamMaxLength TCPAddr TCPSocket""".lower().split()
)
"""What clamav-milter knows, or once knew, of clamd's file, and passes over with a warning."""
_SEVERAL = ("clamdsocket", "localnet")
"""What may be given more than once; of anything else the first counts."""


def settings_from(file: str, ours: Settings) -> FileSettings:
    """Return the settings that a file means, over those that it does not know of.

    Raises ValueError with file and line for what cannot be understood, OSError when it cannot be read.
    """
    reader = _Reader(file)
    for number, line in enumerate(
        Path(file).read_text(encoding="utf-8", errors="surrogateescape").splitlines(), 1
    ):
        reader.line(number, line)
    if not reader.clamd:
        raise ValueError(f"{file}: ClamdSocket is missing")
    if reader.values["on_infected"] != "reject":
        reader.values["reject_text"] = ""
    values = {**reader.values, "clamd": tuple(reader.clamd), "local_networks": tuple(reader.networks)}
    known = {one.name: getattr(ours, one.name) for one in dataclasses.fields(ours)}
    return FileSettings(**{**known, **values})


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.clamd: list[Any] = []
        self.networks: list[Any] = []
        self._seen: set[str] = set()
        self.values: dict[str, Any] = {
            "on_infected": "quarantine",
            "reject_text": "",
            "add_header": "no",
            "max_file_size": 100 << 20,
            "report_hostname": "",
            "skip_local": False,
            "skip_authenticated": "",
            "allow_list": "",
            "virus_action": "",
            "each_recipient": False,
            "timeout": 120.0,
            "on_fail": "tempfail",
        }
        self._take: Mapping[str, Callable[[str], None]] = {
            "clamdsocket": self._clamd,
            "localnet": self._network,
            "oninfected": lambda text: self._word("on_infected", _INFECTED, text),
            "addheader": lambda text: self._word("add_header", _HEADER, text),
            "rejectmsg": lambda text: self._set("reject_text", f"5.7.1 {text}"),
            "reporthostname": lambda text: self._set("report_hostname", text),
            "virusaction": lambda text: self._set("virus_action", text),
            "supportmultiplerecipients": lambda text: self._word("each_recipient", _YES_NO, text),
            "skipauthenticated": self._users,
            "allowlist": lambda text: self._set("allow_list", self.values["allow_list"] or text),
            "whitelist": lambda text: self._set("allow_list", text),
            "maxfilesize": lambda text: self._set("max_file_size", Size().parse(text)),
            "readtimeout": lambda text: self._set("timeout", _seconds(text)),
            "onclean": self._on_clean,
            "onfail": lambda text: self._word("on_fail", _FAIL, text),
        }

    def line(self, number: int, line: str) -> None:
        """Take one line: a word, blanks, and the rest."""
        text = line.strip()
        if not text or text.startswith("#"):
            return
        word, *rest = text.split(None, 1)
        value = "".join(rest).strip()
        try:
            if word.lower() in _IGNORED:
                log.warning("%s:%d: %s means nothing here", self.file, number, word)
            else:
                self._option(word, _unquoted(value))
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
        if name in _SEVERAL or name not in self._seen:
            take(value)
        self._seen.add(name)

    def _set(self, name: str, value: Any) -> None:
        self.values[name] = value

    def _word(self, name: str, words: Mapping[str, Any], text: str) -> None:
        if text.lower() not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        self.values[name] = words[text.lower()]

    @staticmethod
    def _on_clean(text: str) -> None:
        if text.lower() != "accept":
            raise ValueError("a clean message goes on to the next milter here; only Accept can be kept")

    def _clamd(self, text: str) -> None:
        kind, _, rest = text.partition(":")
        if kind.lower() == "tcp":  # host and port, or the port alone
            host, colon, port = rest.rpartition(":")
            if not colon:
                host, port = ("", rest) if rest.isdigit() else (rest, _CLAMD_PORT)
            text = f"inet:{port}@{host.strip('[]')}" if host else f"inet:{port}"
        self.clamd.append(parse_endpoint(text))

    def _network(self, text: str) -> None:
        if text.lower() == "local":
            self.values["skip_local"] = True
        else:
            self.networks += _networks(text)

    def _users(self, text: str) -> None:
        if text.startswith("file:"):
            lines = Path(text[5:]).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            names = [re.escape(line) for line in lines if line.strip() and line[0] not in "#:!"]
            text = f"^({'|'.join(names)})$" if names else ""
        self.values["skip_authenticated"] = text


def _unquoted(text: str) -> str:
    """Return what stands between a quote at the begin and the last one; other quotes are as they are."""
    if not text.startswith('"'):
        return text
    inside, quote, _ = text[1:].rpartition('"')
    if not quote:
        raise ValueError("a quote is missing at the end")
    return inside


def _networks(text: str) -> list[IPNetwork]:
    """Return the networks of an address or a name, which may have a mask; of a name each address counts."""
    host, _, mask = text.partition("/")
    try:
        found = {info[4][0] for info in getaddrinfo(host, None, type=SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise ValueError(f"{host!r} is no address, and there is none of that name") from None
    return [ip_network(f"{address}/{mask}" if mask else address, strict=False) for address in sorted(found)]


def _seconds(text: str) -> float:
    """Read a time-out; 0 is none, which is here a day."""
    seconds = float(text)
    return Duration().parse(86400.0 if seconds == 0 else seconds)
