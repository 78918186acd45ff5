"""rspamd. Its sockets: ``bind_socket`` of each proxy worker that has ``milter = yes``.

The worker stands in rspamd.conf, its settings in worker-proxy.inc, local.d/worker-proxy.inc and
override.d/worker-proxy.inc, each stronger than the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postmill.api import Endpoint, Finding, Host, Platform, detector
from postmill.detectors.readers.sockets import listen_stream
from postmill.detectors.readers.traces import Trace, trace
from postmill.detectors.readers.ucl import Section, read_ucl
from postmill.detectors.readers.values import Value
from postmill.errors import EndpointError

_FOLDERS = {
    Platform.DEBIAN: "/etc/rspamd",
    Platform.REDHAT: "/etc/rspamd",
    Platform.FREEBSD: "/usr/local/etc/rspamd",
    Platform.PKGSRC: "/usr/pkg/etc/rspamd",
}
_PROXY = "rspamd_proxy"
_LONG = {"config": "c", "user": "u", "group": "g", "pid": "p", "var": "var", "lua-env": "lua-env"}
_YES = {"yes", "true", "on", "1"}
_NO = {"no", "false", "off", "0"}


@detector("rspamd", order=660, when=("remote-network", "unauthenticated", "no-stress"))
def rspamd(host: Host, platform: Platform) -> Iterator[Finding]:
    """rspamd's proxy worker: scores the message by many tests; marks, defers or refuses it."""
    found = trace(host, platform, "rspamd")
    if found is None:
        return
    folder = _FOLDERS[platform]
    file = found.file(found.options("c:u:g:p:fdivT", _LONG).get("c"), f"{folder}/rspamd.conf")
    variables = {
        "CONFDIR": folder,
        "LOCAL_CONFDIR": folder,
        "RUNDIR": "/run/rspamd",
        "DBDIR": "/var/lib/rspamd",
    }
    root = read_ucl(found.host, file, variables, lambda place: place in {(), ("worker",), ("worker", _PROXY)})
    workers = list(_proxies(root or Section()))
    if not workers:
        yield found.finding(None, f"{file} has no proxy worker" if root else f"{file} is missing")
    for number, worker in enumerate(workers, 1):
        yield _finding(found, worker, "rspamd" if number == 1 else f"rspamd-{number}")


def _proxies(root: Section) -> Iterator[Section]:
    """Give the sections of proxy workers, in both of their spellings."""
    for worker in root.sections("worker"):
        yield from worker.sections(_PROXY)
        if any(kind.text == _PROXY for kind in worker.values("type")):
            yield worker


def _finding(found: Trace, worker: Section, name: str) -> Finding:
    bound = worker.values("bind_socket")
    problem = _problem(worker)
    if not bound:
        return found.finding(None, "its proxy worker has no bind_socket", problem, name=name)
    sockets = [_endpoint(found, value) for value in bound]
    usable = [(one, value) for one, value in zip(sockets, bound, strict=True) if one is not None]
    if not usable:
        unclear = f"{bound[0].source}: {bound[0].text!r} is no socket that Postmill could connect to"
        return found.finding(None, unclear, problem, name=name)
    others = tuple(f"listens at {one} too" for one, _ in usable[1:])
    chosen = Value(str(usable[0][0]), usable[0][1].source)
    return found.finding(chosen, "", problem, name=name, notes=others)


def _problem(worker: Section) -> str:
    milter, enabled, count = (_last(worker, key) for key in ("milter", "enabled", "count"))
    if milter is None or milter.text.lower() not in _YES:
        return f"{milter.source if milter else 'its proxy worker'} has no milter = yes: it speaks HTTP there"
    if enabled is not None and enabled.text.lower() in _NO:
        return f"{enabled.source} switches the worker off (enabled = {enabled.text})"
    if count is not None and count.text.lstrip().startswith("-"):
        return f"{count.source} switches the worker off (count = {count.text})"
    return ""


def _last(worker: Section, key: str) -> Value | None:
    values: Sequence[Value] = worker.values(key)
    return values[-1] if values else None


def _endpoint(found: Trace, value: Value) -> Endpoint | None:
    words = value.text.split()  # behind the socket may stand its mode and owner
    if not words or not value.is_known:
        return None
    address = words[0]
    if address.startswith("systemd:"):
        number = address.removeprefix("systemd:")
        opened = found.service.listens
        if not number.isdigit() or int(number[:3]) >= len(opened):
            return None
        address = opened[int(number[:3])].text
    try:
        return listen_stream(found.host, found.platform, address)
    except EndpointError:
        return None
