"""Addresses of milter sockets: the spellings of libmilter and of Postfix, as one value.

    unix:/path   local:/path   /path
    inet:port@host   inet6:port@host   inet:port     (libmilter, Sendmail)
    inet:host:port   inet:[v6 address]:port          (Postfix)

Opening them belongs in ``net``; who may use them is a matter of the configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from postmill.errors import EndpointError

Kind = Literal["unix", "inet", "inet6"]

LOOPBACK: dict[str, str] = {"inet": "127.0.0.1", "inet6": "::1"}
"""The host that is meant when none is given. Safer than libmilter, which would listen everywhere."""

UNIX_PATH_MAX = 107
"""Bytes that fit into ``sun_path`` beside its NUL (Linux)."""

_HOST = re.compile(r"[A-Za-z0-9._-]+\Z")
_V6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\Z")
_FORMS = "write unix:/path, inet:port@host, inet6:port@host or inet:host:port"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a milter listens; ``path`` for unix, ``host`` and ``port`` for the others."""

    kind: Kind
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """The canonical spelling: ``unix:/path``, ``inet:port@host``, ``inet6:port@host``."""
        return f"unix:{self.path}" if self.kind == "unix" else f"{self.kind}:{self.port}@{self.host}"


def parse_endpoint(text: str) -> Endpoint:
    """Read any known spelling; raises EndpointError with what is wrong and what to write instead."""
    text = text.strip()
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise EndpointError(f"endpoint {text!r}: control characters are not allowed")
    if text.startswith("/"):
        return _unix(text, text)
    kind, colon, rest = text.partition(":")
    kind = kind.lower()
    if kind in {"unix", "local"} and colon:
        return _unix(rest, text)
    if kind in {"inet", "inet6"} and colon:
        return _inet(kind, rest, text)
    raise EndpointError(f"endpoint {text!r}: {_unknown_kind(kind, colon)}; {_FORMS}")


def _unknown_kind(kind: str, colon: str) -> str:
    if not kind and not colon:
        return "it is empty"
    return f"unknown type {kind!r}" if colon else "the type in front is missing"


def _unix(path: str, text: str) -> Endpoint:
    if not path:
        raise EndpointError(f"endpoint {text!r}: the path is missing; write unix:/path")
    if not path.startswith("/"):
        raise EndpointError(
            f"endpoint {text!r}: the path must begin with '/' (Postfix reads a relative one below its queue "
            f"directory: probably unix:/var/spool/postfix/{path} is meant)"
        )
    if len(path.encode(errors="surrogatepass")) > UNIX_PATH_MAX:
        raise EndpointError(f"endpoint {text!r}: a socket path may have at most {UNIX_PATH_MAX} bytes")
    return Endpoint("unix", path=path)


def _inet(kind: str, rest: str, text: str) -> Endpoint:
    port_text, at, host = rest.partition("@")
    if not at and ":" in rest:
        host, _, port_text = rest.rpartition(":")
        if not host:
            raise EndpointError(f"endpoint {text!r}: the host before ':' is missing; {_FORMS}")
    elif at and not host:
        raise EndpointError(f"endpoint {text!r}: the host after '@' is missing; {_FORMS}")
    host = _host(host, text) or LOOPBACK[kind]
    port = _port(port_text, text)
    return Endpoint("inet6" if kind == "inet6" or ":" in host else "inet", host=host, port=port)


def _host(host: str, text: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not host or _HOST.match(bare) or (":" in bare and _V6.match(bare)):
        return bare
    raise EndpointError(f"endpoint {text!r}: {host!r} is neither a host name nor an address; {_FORMS}")


def _port(port_text: str, text: str) -> int:
    if not (
        port_text.isascii() and port_text.isdigit() and int(port_text[:6]) <= 65535 and len(port_text) <= 5
    ):
        raise EndpointError(f"endpoint {text!r}: {port_text!r} is no port number from 0 to 65535; {_FORMS}")
    return int(port_text)
