"""How a machine starts a program: a unit of systemd, an init script or an rc.d script, seen as ``Service``.

Where several could start it, the one the init system in charge would take counts: a unit before an init
script of the same name, and a mask before both.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from postmill.api.host import Host, Platform, Source, State
from postmill.detectors.readers.init_systems import first_run_levels, runs_systemd
from postmill.detectors.readers.shell import Script, Words, run_script
from postmill.detectors.readers.systemd.commands import started_by
from postmill.detectors.readers.systemd.enablement import unit_state
from postmill.detectors.readers.systemd.environment import environment_of
from postmill.detectors.readers.systemd.units import Unit, load_unit
from postmill.detectors.readers.values import Value

RC_D = ("/usr/local/etc/rc.d", "/usr/pkg/etc/rc.d", "/etc/rc.d")
"""Where rc(8) finds scripts: FreeBSD's ports, pkgsrc, the base system."""
RC_EXAMPLES = "/usr/pkg/share/examples/rc.d"
"""Where pkgsrc puts scripts that nobody has copied into place yet."""
_INIT_D = ("/etc/init.d", "/etc/rc.d/init.d")
_RC_FOLDERS = ("/etc/rc{}.d", "/etc/rc.d/rc{}.d")
_PROGRAM_FOLDERS = {"bin", "sbin", "libexec"}
"""Where programs are: ``/run/opendkim`` in an init script is a directory that it makes."""
_YES = {"yes", "true", "on", "1"}


@dataclass(frozen=True, slots=True)
class Service:
    """One way in which a program is started."""

    name: str
    file: str
    state: State
    because: str
    """What shows the state."""
    description: str = ""
    commands: tuple[Words, ...] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)
    """The environment, or the variables of the script."""
    listens: tuple[Value, ...] = ()
    """Sockets that systemd opens for it."""
    missing: str = ""
    """A file without which it cannot start."""

    @property
    def is_unit(self) -> bool:
        """Whether systemd has a unit for it, rather than for a script."""
        return self.name.endswith(".service")


def find_service(host: Host, platform: Platform, names: Sequence[str]) -> Service | None:
    """Return the service of the first name that is enabled, else of the first that there is."""
    found = [service for name in names for service in _services(host, platform, name)]
    return next((one for one in found if one.state is State.ENABLED), found[0] if found else None)


def _services(host: Host, platform: Platform, name: str) -> Iterator[Service]:
    if platform in {Platform.FREEBSD, Platform.PKGSRC}:
        yield from _rc_services(host, platform, name)
        return
    if runs_systemd(host):
        unit = load_unit(host, f"{name}.service")
        if unit is not None:
            yield _unit_service(host, unit, name)
            return
    yield from _script_services(host, name)


def _unit_service(host: Host, unit: Unit, name: str) -> Service:
    enablement = unit_state(host, unit)
    environment = environment_of(host, unit)
    sockets = load_unit(host, f"{name}.socket")
    listens: tuple[Value, ...] = ()
    if sockets is not None and not sockets.is_masked:
        opened = unit_state(host, sockets)
        if opened.state is State.ENABLED:
            listens = sockets.all("Socket", "ListenStream")
            enablement = opened if enablement.state is State.DISABLED else enablement
    return Service(
        unit.name,
        unit.file,
        enablement.state,
        enablement.because,
        unit.description,
        tuple(started_by(host, unit, environment.variables)),
        environment.variables,
        listens,
        environment.missing,
    )


# -- init scripts -----------------------------------------------------------------------------------------


def _script_services(host: Host, name: str) -> Iterator[Service]:
    path = next((f"{folder}/{name}" for folder in _INIT_D if host.exists(f"{folder}/{name}")), "")
    if not path:
        return
    script = run_script(host, path)
    state, because = _script_state(host, name)
    yield Service(path, path, state, because, _lsb_description(host, path), script.commands, script.variables)


def _script_state(host: Host, name: str) -> tuple[State, str]:
    """Tell by the links of the run levels (insserv(8), chkconfig(8)) whether init starts a script."""
    killed = ""
    for level in first_run_levels(host):
        for folder in (shape.format(level) for shape in _RC_FOLDERS):
            for link in host.names(folder):
                if re.fullmatch(rf"S\d\d{re.escape(name)}", link):
                    return State.ENABLED, f"enabled: {folder}/{link}"
                if re.fullmatch(rf"K\d\d{re.escape(name)}", link):
                    killed = killed or f"{folder}/{link}"
    because = killed or f"no link of run level {' or '.join(first_run_levels(host))} starts it"
    return State.DISABLED, f"disabled: {because} (update-rc.d {name} enable, or chkconfig {name} on)"


def _lsb_description(host: Host, path: str) -> str:
    text = host.read(path) or ""
    found = re.search(r"^#\s*Short-Description:[ \t]*(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


# -- rc.d -------------------------------------------------------------------------------------------------


def _rc_services(host: Host, platform: Platform, name: str) -> Iterator[Service]:
    path = next((f"{folder}/{name}" for folder in RC_D if host.exists(f"{folder}/{name}")), "")
    if path:
        yield rc_service(path, run_script(host, path), name)
    elif platform is Platform.PKGSRC and host.exists(example := f"{RC_EXAMPLES}/{name}"):
        script = run_script(host, example)
        because = f"disabled: {example} is not in /etc/rc.d (cp {example} /etc/rc.d/)"
        yield Service(name, example, State.DISABLED, because, "", script.commands, script.variables)


def rc_service(path: str, script: Script, name: str) -> Service:
    """Return the service of an rc.d script that was followed; its ``rcvar`` says whether it is enabled."""
    variables = script.variables
    switch = variables["rcvar"].text if "rcvar" in variables else ""
    value = variables.get(switch)
    if not switch:
        state, because = State.ENABLED, f"enabled: {path} has no rcvar"
    elif value is None:
        state, because = State.DISABLED, f"disabled: {switch} is not set in /etc/rc.conf"
    else:
        state = State.ENABLED if value.text.lower() in _YES else State.DISABLED
        because = f"{state}: {switch}={value.text} ({value.source})"
    description = variables.get("desc", Value("", Source()))
    return Service(name, path, state, because, description.text, script.commands, variables)


# -- command lines ----------------------------------------------------------------------------------------


def launch(service: Service, programs: Sequence[str]) -> tuple[str, Words] | None:
    """Return the path and the arguments with which a service starts one of the programs; None if it does not.

    ``programs`` are names without a directory. A program before it (start-stop-daemon, daemon, env, an
    interpreter) is seen through.
    """
    for words in service.commands:
        for at, word in enumerate(words):
            folder, name = posixpath.split(word.text)
            if name in programs and (at == 0 or posixpath.basename(folder) in _PROGRAM_FOLDERS):
                return word.text, _arguments(words, at)
    return None


def _arguments(words: Words, at: int) -> Words:
    rest = words[at + 1 :]
    if at and posixpath.basename(words[0].text) == "start-stop-daemon":
        texts = [word.text for word in rest]
        return rest[texts.index("--") + 1 :] if "--" in texts else rest
    return rest
