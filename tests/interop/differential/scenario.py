"""A scenario as a value: what the filters do, how Postfix and the manager are set, what the SMTP client says.

Everything is text (latin-1 stands for bytes), so that a scenario is one small JSON file and equal scenarios
are equal files. What the words of `Step` mean is in `plays` (filters), `client` and `tools` (SMTP).  No sockets here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from postmill.wire.codes import ALL_ACTIONS, VERSION

Step = tuple[str, ...]

TOOLS = ("swaks", "smtp-source")
"""Steps that run a program which connects by itself."""


@dataclass(frozen=True)
class ChildRule:
    """At the events in ``at`` (letters), when the other conditions hold, the filter does ``do`` instead of
    CONTINUE.
    """

    at: str
    do: tuple[Step, ...]
    nth: int | None = None
    message: int | None = None
    containing: str | None = None
    forced: bool | None = None


@dataclass(frozen=True)
class Child:
    """One filter: its negotiation answer, its rules, its failure policy; ``absent`` means nobody listens."""

    rules: tuple[ChildRule, ...] = ()
    version: int = VERSION
    actions: int = ALL_ACTIONS
    protocol: int = 0
    symlists: tuple[tuple[int, str], ...] = ()
    fit: bool = True
    extra: str = ""
    negotiate: tuple[Step, ...] | None = None
    on_error: str = "tempfail"
    absent: bool = False


@dataclass(frozen=True)
class PostfixSettings:
    """How Postfix speaks to its filters; ``main`` holds further smtpd parameters.

    ``secure`` offers STARTTLS and AUTH.
    """

    protocol: str = "6"
    command_timeout: str = "10s"
    content_timeout: str = "10s"
    delay_open: bool = True
    ipv6: bool = False
    phantom: bool = False
    secure: bool = False
    main: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ManagerSettings:
    """How Postmill is configured for the behind side."""

    ask: str = "in-turn"
    content: str = "in-turn"
    pipeline: bool = False
    pool: bool = False
    same_as_postfix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One test: a name, one to three filters, the settings of both arrangements and the client's dialogue."""

    name: str
    children: tuple[Child, ...]
    client: tuple[Step, ...]
    postfix: PostfixSettings = field(default_factory=PostfixSettings)
    manager: ManagerSettings = field(default_factory=ManagerSettings)
    expect: tuple[str, ...] = ()

    @property
    def profile(self) -> Profile:
        """What must be configured beforehand to play this scenario."""
        fates = tuple((child.on_error, child.absent) for child in self.children)
        return Profile(fates, self.postfix, self.manager)

    @property
    def submits(self) -> bool:
        """Whether the client uses sendmail(1) rather than SMTP."""
        return any(step[0] == "sendmail" for step in self.client)

    @property
    def brings_client(self) -> bool:
        """Whether mail tools make the connections."""
        return any(step[0] in TOOLS for step in self.client)

    @property
    def concurrent(self) -> bool:
        """Whether several SMTP sessions may be open at the same time, in no order."""
        return any(step[0] == "smtp-source" and "-s" in step for step in self.client)

    def named(self, name: str) -> Scenario:
        """Return the same scenario under another name."""
        return replace(self, name=name)

    def to_json(self) -> str:
        """Return the scenario as JSON text, without what has its default value."""
        return json.dumps(_sparse(asdict(self), asdict(_BLANK)), indent=1) + "\n"


@dataclass(frozen=True)
class Profile:
    """The part of a scenario that needs its own smtpd service and its own Postmill configuration."""

    fates: tuple[tuple[str, bool], ...]
    postfix: PostfixSettings
    manager: ManagerSettings


_BLANK = Scenario("", (), ())


def _sparse(data: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in data.items():
        if key == "children":
            result[key] = [_sparse(child, asdict(Child())) for child in value]
        elif key == "rules":
            result[key] = [{name: part for name, part in rule.items() if part is not None} for rule in value]
        elif isinstance(value, dict):
            if value != default[key]:
                result[key] = _sparse(value, default[key])
        elif value != default[key] or key in ("name", "client"):
            result[key] = value
    return result


def from_json(text: str) -> Scenario:
    """Rebuild a scenario from `Scenario.to_json`; raises TypeError or KeyError for anything else."""
    data = json.loads(text)
    children = tuple(_child(child) for child in data["children"])
    postfix = PostfixSettings(**_frozen(data.get("postfix", {})))
    manager = ManagerSettings(**_frozen(data.get("manager", {})))
    return Scenario(
        data["name"],
        children,
        _tuples(data["client"]),
        postfix,
        manager,
        tuple(data.get("expect", ())),
    )


def _child(data: dict[str, Any]) -> Child:
    rules = tuple(ChildRule(**_frozen(rule)) for rule in data.pop("rules", ()))
    return Child(rules, **_frozen(data))


def _frozen(data: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in data.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
