"""Playing the cases of a policy through the chain as it is configured, without sockets (``rehearsal``)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from postmill.api.ports import Clock, Load, Ports, Resolver
from postmill.chain.state import Plan
from postmill.errors import ConfigError
from postmill.record import MessageRecord
from postmill.testing.conditions import FixedClock, FixedResolver
from postmill.testing.plan import Client, Dialect, Mail, Recipient, SessionPlan, mail_from_bytes
from postmill.testing.policy_cases import Case, Expected, Placed
from postmill.testing.rehearsal import Rehearsal, rehearse

_LETTERS = {"connect": "C", "helo": "H", "mail": "M", "rcpt": "R", "data": "T", "eoh": "N", "eom": "E"}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case; ``complaints`` is empty where all is as expected."""

    placed: Placed
    record: MessageRecord
    complaints: tuple[str, ...]


def play_case(plan: Plan, placed: Placed) -> Result:
    """Play a case through the chain; raises ConfigError for a milter that is none of the plan's."""
    case = placed.case
    known = [spec.name for spec in plan.children]
    _check_names(
        placed, known, (*case.answers, *(case.expect.run or ()), *case.expect.skipped, case.expect.by)
    )
    played = rehearse(plan, _session(placed), case.answers, _ports(case))
    record = played.records[-1] if played.records else MessageRecord()
    return Result(placed, record, tuple(_complaints(case.expect, record, played)))


def _check_names(placed: Placed, known: Sequence[str], names: Iterable[str]) -> None:
    for name in names:
        if name and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
            raise ConfigError(
                f"case {placed.case.name!r}: there is no milter {name} in use",
                file=placed.file,
                line=placed.line,
                hint=hint,
            )


def _session(placed: Placed) -> SessionPlan:
    case = placed.case
    address = case.client.address
    family = b"L" if not address else b"6" if ":" in address else b"4"
    macros = {
        _LETTERS[stage]: {name.encode(): value.encode() for name, value in pairs.items()}
        for stage, pairs in case.macros.items()
        if stage in _LETTERS
    }
    if case.user:
        login = {b"{auth_type}": b"PLAIN", b"{auth_authen}": case.user.encode()}
        macros["M"] = {**login, **macros.get("M", {})}
    dialect: Dialect = "sendmail" if case.mta == "sendmail" else "postfix"
    return SessionPlan(
        client=Client(case.client.name.encode(), family, case.client.port, address.encode()),
        helo=case.helo.encode(),
        mails=(_mail(placed),),
        like=dialect,
        macros=macros,
    )


def _mail(placed: Placed) -> Mail:
    case = placed.case
    raw = case.message.encode()
    if case.file:
        path = Path(placed.file).parent / case.file
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}", file=placed.file, line=placed.line
            ) from error
    envelope: dict[str, Any] = {
        "sender": f"<{case.sender}>".encode(),
        "sender_args": (f"SIZE={case.size}".encode(),) if case.size else (),
        "recipients": tuple(Recipient(f"<{to}>".encode()) for to in case.recipients),
    }
    return mail_from_bytes(raw, **envelope) if raw else Mail(**envelope)


def _ports(case: Case) -> Ports:
    resolver = FixedResolver(
        {name: values or OSError(f"no answer about {name}") for name, values in case.dns.items()}
    )
    clock = FixedClock(case.now or datetime.now().astimezone())
    load = Load(case.load.sessions, case.load.limit)
    return {Resolver: lambda: resolver, Clock: lambda: clock, Load: lambda: load}


def _complaints(expected: Expected, record: MessageRecord, played: Rehearsal) -> Iterable[str]:
    ran = {name for name, child in record.children.items() if child.answers}
    if expected.run is not None and ran != set(expected.run):
        yield f"asked {_listed(ran)}, expected {_listed(expected.run)}"
    for name, words in expected.skipped.items():
        child = record.children.get(name)
        decision = child.skipped if child is not None else None
        if decision is None:
            yield f"{name} was not left out by a condition, expected so"
        elif words not in (reason := f"{decision.name}: {decision.because}"):
            yield f"{name} was left out by {reason!r}, expected {words!r} in it"
    if expected.verdict and record.verdict != expected.verdict:
        yield f"the verdict is {record.verdict or 'none'}, expected {expected.verdict}"
    by = record.by
    if expected.by and by != expected.by:
        yield f"the verdict is {f'that of {by}' if by else 'nobody’s'}, expected that of {expected.by}"
    replies = [record.reply, *(text.decode("utf-8", "replace") for text in _replies(played))]
    if expected.reply and not any(expected.reply in text for text in replies):
        said = next(filter(None, replies), "")
        yield f"the client is told {said!r}, expected {expected.reply!r} in it"


def _replies(played: Rehearsal) -> Iterable[bytes]:
    for mail in played.report.mails:
        yield mail.reply
        for _, text in mail.refused:
            yield text


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
