"""What a machine has of one milter, and the finding that comes of it.

Here stands, for all milters alike, when one is in use: its program is installed, its service is enabled and
can start, nothing in its configuration forbids it, and its socket is known.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postmill.api.host import Finding, Host, Platform, Source, State, Status
from postmill.detectors.readers.keyword_file import Dialect, Keywords, read_keywords
from postmill.detectors.readers.options import Options, read_options
from postmill.detectors.readers.packages import left_behind
from postmill.detectors.readers.services import Service, find_service, launch
from postmill.detectors.readers.shell import Words
from postmill.detectors.readers.sockets import understood
from postmill.detectors.readers.values import Value
from postmill.errors import UnavailableError

_FOLDERS = {
    Platform.DEBIAN: ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"),
    Platform.REDHAT: ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"),
    Platform.FREEBSD: ("/usr/local/sbin", "/usr/local/bin", "/usr/local/libexec"),
    Platform.PKGSRC: ("/usr/pkg/sbin", "/usr/pkg/bin", "/usr/pkg/libexec"),
}
_NO_SERVICE = Service("", "", State.DISABLED, "disabled: no unit and no script starts it")


@dataclass(frozen=True, slots=True)
class _Forgiving:
    """A host whose unreadable files count as absent: for a milter that is not started they do not matter."""

    host: Host

    def read(self, path: str) -> str | None:
        try:
            return self.host.read(path)
        except UnavailableError:
            return None

    def names(self, path: str) -> tuple[str, ...]:
        return self.host.names(path)

    def exists(self, path: str) -> bool:
        return self.host.exists(path)

    def is_executable(self, path: str) -> bool:
        return self.host.is_executable(path)

    def link(self, path: str) -> str | None:
        return self.host.link(path)

    def status(self, path: str) -> Status | None:
        return self.host.status(path)


@dataclass(frozen=True, slots=True)
class Trace:
    """A milter on a machine."""

    host: Host
    """To read its configuration with."""
    platform: Platform
    name: str
    service: Service
    program: str
    """The path of its program; the usual one where nothing says another."""
    is_started: bool = False
    """Whether its service is seen to start the program."""
    arguments: Words = ()

    @property
    def variables(self) -> Mapping[str, Value]:
        """The variables of its environment or its script."""
        return self.service.variables

    @property
    def installed(self) -> bool:
        """Whether its program is there."""
        return self.host.is_executable(self.program)

    def options(self, letters: str, long: Mapping[str, str] | None = None) -> Options:
        """Return the options it is started with; see ``read_options``."""
        return read_options(self.arguments, letters, long)

    def file(self, chosen: Value | None, *usual: str) -> str:
        """Return the file that was chosen, or else the first usual one that is there, or else the first."""
        return chosen.text if chosen is not None else next(filter(self.host.exists, usual), usual[0])

    def keywords(self, dialect: Dialect, chosen: Value | None, *usual: str) -> Keywords:
        """Read the configuration that was chosen, or else a usual one; see ``file``."""
        return read_keywords(self.host, self.file(chosen, *usual), dialect)

    def default(self, socket: str) -> Value:
        """Return the socket that the program has built in."""
        return Value(socket, Source(words=f"built-in default of {self.program}"))

    def finding(self, socket: Value | None, without: str, problem: str = "", **more: Any) -> Finding:
        """Make the finding of a socket.

        ``without`` says why there is none, if there is none; ``problem`` what else keeps the milter from
        being used; ``more`` are further fields of the finding.
        """
        notes = (*more.pop("notes", ()), *self._wrapped())
        finding = Finding(
            more.pop("name", self.name),
            self.installed,
            self.service.state,
            description=self.service.description,
            notes=notes,
            **more,
        )
        unclear = without
        if socket is not None:
            endpoint, unclear = understood(self.host, self.platform, socket)
            finding = replace(finding, socket=endpoint, source=socket.source)
        reasons = (self._unused(), problem, unclear)
        return replace(finding, problem=next(filter(None, reasons), ""))

    def _wrapped(self) -> tuple[str, ...]:
        """Say what is started in the place of the program, so that its options cannot be seen."""
        other = _stand_in(self.service)
        if not other or self.is_started:
            return ()
        return (f"{self.service.file} starts {other}; options that it adds are not seen",)

    def _unused(self) -> str:
        """Say why the machine does not start it; empty if it does."""
        if not self.installed:
            purge = f" (apt purge {self.name})" if left_behind(self.host, self.name) else ""
            return f"removed: {self.program} is not there, but {self.service.file} still is{purge}"
        if self.service.state is not State.ENABLED:
            return self.service.because
        return f"cannot start: {self.service.missing}" if self.service.missing else ""


def trace(
    host: Host,
    platform: Platform,
    name: str,
    services: Sequence[str] = (),
    programs: Sequence[str] = (),
) -> Trace | None:
    """Look for a milter: None where neither its program nor anything that starts it is there.

    ``services`` are the names of units or scripts, ``programs`` those of its program without a directory;
    both are the milter's own unless given.
    """
    services, programs = services or (name,), programs or (name,)
    service = find_service(host, platform, services)
    paths = [posixpath.join(folder, program) for folder in _FOLDERS[platform] for program in programs]
    there = next(filter(host.is_executable, paths), "")
    if service is None and not there:
        return None
    found = launch(service, programs) if service is not None else None
    program, arguments = found or ("", ())
    if not program.startswith("/"):
        program = there or _stand_in(service) or paths[0]
    is_used = service is not None and service.state is State.ENABLED and host.is_executable(program)
    return Trace(
        host if is_used else _Forgiving(host),
        platform,
        name,
        service or _NO_SERVICE,
        program,
        found is not None,
        arguments,
    )


def _stand_in(service: Service | None) -> str:
    """Return what a unit starts in the place of the milter itself, such as a program that runs containers."""
    if service is None or not service.is_unit or not service.commands:
        return ""
    return service.commands[0][0].text


def trace_of(found: Trace, service: Service) -> Trace:
    """Return the trace of another service that starts the same program."""
    started = launch(service, (posixpath.basename(found.program),))
    arguments = started[1] if started else ()
    return replace(found, service=service, is_started=started is not None, arguments=arguments)
