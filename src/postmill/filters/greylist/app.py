"""Greylisting: mail whose client, sender and recipient are not known together yet has to come again.

It does what milter-greylist 4.6 does, from its greylist.conf or from settings of its own, with the same
replies and headers. What is known stands in the store, so several workers and hosts know the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.util import find_spec
from typing import Any

from postmill.api.edits import HeaderEdit
from postmill.api.milter import Milter
from postmill.api.nouns import Envelope, Message, Recipient, Sender
from postmill.api.ports import Clock, Resolver, Store
from postmill.api.verdicts import Reject, Tempfail, Verdict
from postmill.filters.greylist.arranging import Arranging
from postmill.filters.greylist.asking import Asking
from postmill.filters.greylist.facts import Answer, Facts, path_of
from postmill.filters.greylist.keeping import forget, pass_now, submit
from postmill.filters.greylist.rules import Judgement, authenticated, certified
from postmill.filters.greylist.settings import Settings, config_of
from postmill.filters.greylist.texts import (
    AGAIN,
    AGAIN_QUIETLY,
    HEADER,
    Context,
    expand,
    folded,
    header,
    refusal,
)
from postmill.filters.greylist.tuples import Step
from postmill.filters.greylist.values import Actions, Config

_LIBRARIES = {"spf": ("spf", "pyspf"), "dkim": ("dkim", "dkimpy"), "geoip": ("maxminddb", "maxminddb")}
"""Kind of clause to module, and library it is of."""
_GONE = ("551", "5.7.1", "Go away!")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings come to."""

    config: Config
    countries: Any = None
    tells_country: bool = False
    arranging: Arranging = field(default_factory=Arranging, compare=False)

    @property
    def reads_content(self) -> bool:
        """Whether anything depends on what stands in the mail, or has to wait for it."""
        return bool(self.config.of_stage("data")) or self.config.delayedreject

    @property
    def again(self) -> tuple[str, str, str]:
        """Code, enhanced code and text for mail that has to come again."""
        return "451", "4.7.1", AGAIN_QUIETLY if self.config.quiet else AGAIN


class Session:
    """What is known of a connection."""

    def __init__(self) -> None:
        self.counted: set[str] = set()
        self.tarpitted = 0


class Kept:
    """What is known of a message before it is whole."""

    def __init__(self) -> None:
        self.asking: Asking | None = None
        self.taken: list[str] = []
        self.judged: Judgement | None = None
        """About the last recipient."""
        self.reasons: frozenset[str] = frozenset()
        """Why the last recipient that did not have to wait did not."""
        self.elapsed = 0
        self.tarpit = 0
        self.delayed: Verdict | None = None
        """What is said only after the content."""


app = Milter("greylist", Settings, session=Session, message=Kept)


@app.prepare
def prepare(settings: Settings) -> Policy:
    """Read the rules, and open the database of countries where they need one."""
    config = config_of(settings)
    _check_libraries(config)
    tells = config.tells_country
    return Policy(config, _countries(config.geoipdb) if config.uses("geoip") or tells else None, tells)


def _check_libraries(config: Config) -> None:
    """Check now, not at every mail, that what rules ask for can be found out."""
    wanted = {kind: f"a rule asks for {kind}" for kind in _LIBRARIES if config.uses(kind)}
    if not config.nospf:
        wanted["spf"] = "who passes SPF is not delayed unless nospf is said"
    if config.tells_country:
        wanted["geoip"] = "a text has %C in it"
    for kind, words in wanted.items():
        module, library = _LIBRARIES[kind]
        if find_spec(module) is None:
            raise ValueError(f"{words}: needs the Python library {library} (postmill[greylist])")


def _countries(file: str) -> Any:
    """Open a database of countries; raises ValueError, which says what to do."""
    if not file:
        raise ValueError('a rule asks for geoip: name a database, as geoipdb "/var/lib/GeoIP/country.mmdb"')
    import maxminddb  # noqa: PLC0415 - only who asks for countries needs it

    try:
        return maxminddb.open_database(file)
    except OSError as error:
        raise ValueError(f"geoipdb {file}: {error.strerror}") from None
    except maxminddb.InvalidDatabaseError:
        raise ValueError(f"geoipdb {file}: expected a MaxMind DB (.mmdb), not the old GeoIP.dat") from None


def macros_of(sender: Sender, *later: Mapping[str, str]) -> dict[str, str]:
    """Return the MTA's macros at a stage; the latest value of each counts."""
    found = {**sender.client.macros, **sender.greeting.macros, **sender.macros}
    for macros in later:
        found |= macros
    return found


def _macros_at_end(envelope: Envelope) -> dict[str, str]:
    return macros_of(envelope.sender, *(one.macros for one in envelope.recipients), envelope.macros)


def facts_of(
    sender: Sender,
    recipients: tuple[str, ...],
    macros: dict[str, str],
    now: datetime,
    config: Config,
    **more: Any,
) -> Facts | None:
    """Return what rules judge by; None where the client has no address."""
    if sender.client.ip is None:
        return None
    rawfrom = f"<{sender.address.text}>"
    host = sender.client.name.strip("[]") if config.unbracket else sender.client.name
    return Facts(sender.client.ip, host, sender.greeting.name, rawfrom, recipients, now, macros, **more)


async def _excused(facts: Facts | None, config: Config, asking: Asking) -> str:
    """Return the reason for which no rule is asked about a mail, if there is one."""
    if facts is None:
        return "nonip"
    if not config.noauth and (authenticated(facts) or certified(facts)):
        return "auth" if authenticated(facts) else "tls"
    if not config.nospf and await _learnt("spf", facts, asking) == "pass":
        return "spf"
    if not config.noaccessdb and facts.macros.get("greylist") in ("WHITE", "RELAY", "OK"):
        return "accessdb"
    return ""


async def _learnt(kind: str, facts: Facts, asking: Asking) -> Answer:
    """Find out something for the whole mail, whether a rule asks for it or not."""
    if (kind, None) not in asking.answers:
        asking.answers[kind, None] = await asking.ask((kind, None), facts)
    return asking.answers[kind, None]


def context(
    facts: Facts | None,
    macros: Mapping[str, str],
    now: datetime,
    config: Config,
    judged: Judgement | None = None,
    **said: Any,
) -> Context:
    """Return what texts may speak of."""
    said["localaddr"] = config.localaddr
    if judged is None:
        return Context(facts, macros, now, **said)
    name, line = (judged.rule.label, judged.rule.line) if judged.rule else ("", 0)
    return Context(facts, macros, now, judged.label, name, line, matched=judged.matched, **said)


@app.on
async def check_recipient(
    rcpt: Recipient,
    policy: Policy,
    session: Session,
    kept: Kept,
    store: Store,
    resolver: Resolver,
    clock: Clock,
) -> Verdict | None:
    """Judge by the racl, and let the tuple wait if it says so."""
    now = clock.now()
    macros = macros_of(rcpt.sender, rcpt.macros)
    path = path_of(rcpt.address.text)
    if kept.asking is None:
        kept.asking = Asking(policy.config, resolver, store, policy.countries, counted=session.counted)
    about = {"recipient": path, "recipient_count": len(kept.taken)}
    facts = facts_of(rcpt.sender, (path,), macros, now, policy.config, **about)
    reason = await _excused(facts, policy.config, kept.asking)
    if facts is None or reason:
        kept.taken.append(path)
        kept.reasons = frozenset({reason})
        return None
    if policy.tells_country:
        await _learnt("geoip", facts, kept.asking)
    judged, facts = await kept.asking.judge("rcpt", facts)
    kept.judged = judged
    if judged.flushes:
        await forget(store, policy.config, facts)
    if judged.verdict == "blacklist":
        return refusal(judged.actions, _GONE, context(facts, macros, now, policy.config, judged))
    if judged.verdict == "whitelist" and not judged.tarpit:
        _take(kept, path, judged.reasons)
        return None
    return await _greylist(facts, judged, policy, session, kept, store)


def _take(kept: Kept, path: str, reasons: frozenset[str]) -> None:
    kept.taken.append(path)
    kept.reasons = reasons


async def _greylist(
    facts: Facts, judged: Judgement, policy: Policy, session: Session, kept: Kept, store: Store
) -> Verdict | None:
    path = facts.recipient
    step = await _submitted(facts, path, judged.actions, policy, store)
    if step.auto:
        _take(kept, path, frozenset({"auto"}))
        return None
    if step.passes:
        kept.elapsed = max(kept.elapsed, step.elapsed)
        kept.taken.append(path)
        return None
    if judged.tarpit:
        await _tarpit(judged, policy.config, session)
    if judged.tarpit and judged.verdict == "whitelist":
        kept.tarpit = judged.tarpit
        await pass_now(store, policy.config, facts, path, judged.actions)
        _take(kept, path, judged.reasons)
        return None
    times = {"remaining": step.remaining, "elapsed": step.elapsed}
    about = context(facts, facts.macros, facts.now, policy.config, judged, **times)
    refused = refusal(judged.actions, policy.again, about)
    if policy.config.delayedreject and facts.sender == "<>":
        kept.taken.append(path)
        kept.delayed = refused
        return None
    return refused


async def _submitted(facts: Facts, path: str, actions: Actions, policy: Policy, store: Store) -> Step:
    if not policy.arranging.done:
        await policy.arranging.wait(store, policy.config, int(facts.now.timestamp()))
    return await submit(store, policy.config, facts, path, actions)


async def _tarpit(judged: Judgement, config: Config, session: Session) -> None:
    """Let the client wait; one that goes away meanwhile ends the session, and with it this."""
    scope = judged.actions.tarpit_scope or config.tarpit_scope
    wait = judged.tarpit - (session.tarpitted if scope == "session" else 0)
    if wait > 0:
        session.tarpitted += wait
        await asyncio.sleep(wait)


@app.on(where=lambda policy: not policy.reads_content)
async def report_envelope(
    envelope: Envelope, policy: Policy, kept: Kept, clock: Clock, edit: HeaderEdit
) -> None:
    """Write down what was found, where that cannot change any more."""
    now = clock.now()
    macros = _macros_at_end(envelope)
    known = {} if kept.asking is None else kept.asking.answers
    facts = facts_of(envelope.sender, tuple(kept.taken), macros, now, policy.config, answers=dict(known))
    _report(facts, macros, now, policy.config, kept, edit)


@app.on(where=lambda policy: policy.reads_content)
async def check_message(
    msg: Message, policy: Policy, session: Session, kept: Kept, store: Store, clock: Clock, edit: HeaderEdit
) -> Verdict | None:
    """Judge by the dacl, and write down what was found."""
    if kept.delayed is not None:
        return kept.delayed
    now, config = clock.now(), policy.config
    macros = _macros_at_end(msg.envelope)
    facts = facts_of(msg.sender, tuple(kept.taken), macros, now, config)
    if facts is not None and kept.asking is not None:
        facts = replace(facts, answers=dict(kept.asking.answers))
        refused = await _judge_content(facts, msg, policy, kept, store, edit)
        if refused is not None:
            return refused
    _report(facts, macros, now, config, kept, edit)
    return None


async def _judge_content(
    facts: Facts, msg: Message, policy: Policy, kept: Kept, store: Store, edit: HeaderEdit
) -> Reject | Tempfail | None:
    asking = kept.asking
    if asking is None or not policy.config.of_stage("data"):
        return None
    asking.raw = lambda: msg.raw
    facts = await asyncio.to_thread(_with_content, facts, msg, policy.config, kept)
    judged, facts = await asking.judge("data", facts)
    if judged.flushes:
        await forget(store, policy.config, facts)
    about = context(facts, facts.macros, facts.now, policy.config, judged, elapsed=kept.elapsed)
    if judged.verdict == "blacklist":
        return refusal(judged.actions, _GONE, about)
    by_default = (
        kept.judged is not None and kept.judged.verdict == "whitelist" and "default" in kept.judged.reasons
    )
    if judged.verdict == "greylist" and by_default:
        steps = [await _submitted(facts, path, judged.actions, policy, store) for path in kept.taken]
        if not all(step.passes for step in steps):
            return refusal(judged.actions, policy.again, replace(about, remaining=_longest(steps)))
        kept.elapsed = max([kept.elapsed, *(step.elapsed for step in steps)])
    _add(judged.actions, about, edit)
    return None


def _longest(steps: list[Step]) -> int:
    return max(step.remaining for step in steps)


def _with_content(facts: Facts, msg: Message, config: Config, kept: Kept) -> Facts:
    headers = _lines("\n".join(f"{one.name}: {one.value}" for one in msg.head.headers))
    body: tuple[str, ...] = ()
    if any(clause.kind == "body" for rule in config.of_stage("data") for clause in rule.clauses):
        limit = config.maxpeek
        if kept.judged is not None and kept.judged.actions.maxpeek is not None:
            limit = kept.judged.actions.maxpeek
        seen = msg.body if limit < 0 else msg.body[:limit]
        body = _lines(seen.decode("utf-8", "replace"))
    return replace(facts, headers=headers, body=body, size=msg.size, recipient_count=len(kept.taken))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.removesuffix("\r") for line in text.split("\n"))


def _report(
    facts: Facts | None,
    macros: Mapping[str, str],
    now: datetime,
    config: Config,
    kept: Kept,
    edit: HeaderEdit,
) -> None:
    """Add the headers: X-Greylist, and that of the last recipient's rule."""
    about = context(facts, macros, now, config, kept.judged, elapsed=kept.elapsed, tarpit=kept.tarpit)
    actions = kept.judged.actions if kept.judged else Actions()
    if config.report in ("all", "delays" if kept.elapsed else "nodelays"):
        edit.add_header(HEADER, header(actions.report, kept.reasons, about))
    _add(actions, about, edit)


def _add(actions: Actions, about: Context, edit: HeaderEdit) -> None:
    if actions.addheader is None:
        return
    name, _, text = folded(expand(actions.addheader, about)).partition(": ")
    if actions.addheader_index is None:
        edit.add_header(name, text)
    else:
        edit.insert_header(actions.addheader_index, name, text)
