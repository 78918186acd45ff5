"""Who a mail is from: checks SPF, DKIM, ARC and DMARC, and says so in one Authentication-Results header.

Headers that claim to be such results of this host already are removed. What SPF or DMARC refuse is refused
where the settings say so; if DNS fails, nothing is.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from postmill.api.domains import find_domain
from postmill.api.edits import HeaderEdit
from postmill.api.milter import Milter
from postmill.api.nouns import Client, Message, Sender
from postmill.api.ports import Resolver
from postmill.api.verdicts import Accept, Quarantine, Reject, Tempfail, Verdict
from postmill.filters._author import TooManyAuthorsError, UnclearAuthorError, author_domains
from postmill.filters._canonical import Parsed, off_loop
from postmill.filters._dkim import Result, verify_parsed
from postmill.filters._spf import Spf, ask_spf
from postmill.filters._together import together
from postmill.filters.authentication import arc, dmarc, forged
from postmill.filters.authentication.arc import Arc
from postmill.filters.authentication.dmarc import Dmarc, Policy
from postmill.filters.authentication.results import Found, header_value, read_vouched
from postmill.filters.authentication.settings import Settings
from postmill.filters.authentication.suffixes import Organizations

Speaks = Callable[[Sequence[str], Sequence[str]], bool]
"""Whether one of the domains found by SPF, or by DKIM, speaks for an author."""


class Kept:
    """What is known of a message before it is whole."""

    def __init__(self) -> None:
        """Know nothing."""
        self.spf: Spf | None = None


app = Milter("authentication", Settings, message=Kept)


@app.prepare
def load(settings: Settings) -> Organizations:
    """Read the public suffix list, if it is needed."""
    if "dmarc" in settings.checks and not {"spf", "dkim"} <= set(settings.checks):
        raise ValueError('checks: "dmarc" is judged by what "spf" and "dkim" find; add them, or take it out')
    if "dmarc" not in settings.checks:
        return Organizations(lambda domain: None)
    try:
        return Organizations.load(settings.public_suffix_list)
    except ModuleNotFoundError:
        raise ValueError(
            "DMARC needs the Python library publicsuffixlist, or publicsuffix2: install one of them, or take "
            '"dmarc" out of checks'
        ) from None


@app.longest(Sender)
def longest(settings: Settings, organizations: Organizations) -> float:
    """SPF is one check."""
    return settings.timeout


@app.on
async def leave_alone(client: Client, settings: Settings) -> Verdict | None:
    """Look at nothing of this host and of networks that are not to be checked."""
    if client.ip is None or any(client.ip in network for network in settings.skip_networks):
        return Accept(f"{client.ip or 'this host'} is not checked")
    return None


@app.on
async def check_sender(sender: Sender, settings: Settings, kept: Kept, resolver: Resolver) -> Verdict | None:
    """Judge by SPF, before the message is sent."""
    ip = sender.client.ip
    if ip is None or "spf" not in settings.checks or is_trusted(sender, settings):
        return None
    spf = await ask_spf(ip, sender.greeting.name, sender.address.text, resolver, settings.timeout)
    kept.spf = spf
    if spf.result == "fail" and settings.spf_fail == "reject":
        said = spf.explanation[:200] or f"{ip} is not allowed to send mail for {spf.domain}"
        return Reject(f"5.7.23 SPF: {said}", because=f"SPF of {spf.domain} says fail for {ip}")
    return None


@app.on
async def check_message(
    msg: Message,
    settings: Settings,
    organizations: Organizations,
    kept: Kept,
    resolver: Resolver,
    edit: HeaderEdit,
) -> Verdict | None:
    """Check the rest, and write down what was found."""
    own = settings.authserv_id or own_name(msg)
    if not forged.remove(msg.head.headers, own, edit):
        return Reject(f"5.7.1 More than {forged.MOST} forged {forged.NAME} headers")
    if is_trusted(msg.sender, settings):
        return Accept("not checked: a user who logged in")
    found = await examine(msg, settings, organizations, kept.spf, resolver)
    edit.insert_header(0, forged.NAME, header_value(own, found))
    return verdict(found, settings) or Accept(summary(found))


def is_trusted(sender: Sender, settings: Settings) -> bool:
    """Tell whether mail comes from a user who has logged in."""
    return settings.skip_authenticated and sender.user is not None


def own_name(msg: Message) -> str:
    """Return the MTA's name; raises OSError where it does not tell."""
    sender = msg.sender
    for macros in (msg.client.macros, sender.greeting.macros, sender.macros, msg.envelope.macros):
        if macros.get("j"):
            return macros["j"]
    raise OSError("the MTA does not tell its name (macro j): set authserv_id")


async def examine(
    msg: Message, settings: Settings, organizations: Organizations, spf: Spf | None, resolver: Resolver
) -> Found:
    """Make all checks that are left."""
    parsed = await _parsed(msg, settings)
    if arc.is_sealed(parsed):
        signatures, chain = await asyncio.gather(
            _signatures(parsed, settings, resolver), _chain(parsed, settings, resolver)
        )
    else:
        signatures, chain = (
            await _signatures(parsed, settings, resolver),
            await _chain(parsed, settings, resolver),
        )
    found = Found(spf, msg.sender.address.text, signatures, chain)
    if "dmarc" not in settings.checks:
        return found
    return replace(found, dmarc=await judge(msg, found, settings, organizations, resolver))


async def _parsed(msg: Message, settings: Settings) -> Parsed:
    """Take the message apart; without reading its body where nobody has signed it."""
    signed = {"dkim": ("DKIM-Signature",), "arc": arc.NAMES}
    names = {name.lower() for check in signed.keys() & set(settings.checks) for name in signed[check]}
    if not any(header.name.strip().lower() in names for header in msg.head.headers):
        return Parsed((), b"")
    return await off_loop(msg.size, lambda: Parsed.of(msg.raw))


async def _signatures(parsed: Parsed, settings: Settings, resolver: Resolver) -> tuple[Result, ...] | None:
    if "dkim" not in settings.checks:
        return None
    return await verify_parsed(parsed, resolver, settings.timeout)


async def _chain(parsed: Parsed, settings: Settings, resolver: Resolver) -> Arc | None:
    if "arc" not in settings.checks:
        return None
    return await arc.verify(parsed, resolver, settings.timeout)


async def judge(
    msg: Message, found: Found, settings: Settings, organizations: Organizations, resolver: Resolver
) -> Dmarc:
    """Judge by DMARC; for several authors, the strictest counts.

    Where the author is not clear, whoever might be taken for one still has a policy that is followed. Where
    there are too many to ask for all, one of them may be as strict as can be.
    """
    try:
        domains, unclear = author_domains(msg.head.all("From")), ""
    except UnclearAuthorError as error:
        domains, unclear = error.domains, str(error)
    except TooManyAuthorsError as error:
        return Dmarc("permerror", disposition="reject", reason=str(error), unclear=True)
    sample = zlib.crc32(queue_id(msg).encode() or msg.head.raw) % 100
    policies = await together(_policy(domain, settings, organizations, resolver) for domain in domains)
    pairs = zip(domains, policies, strict=True)
    judged = [_judge(domain, policy, found, settings, organizations, sample) for domain, policy in pairs]
    if not unclear:
        return dmarc.strictest(judged)
    asked = [one for one in judged if one.disposition != "none" or one.result == "temperror"]
    return replace(dmarc.strictest(asked or [Dmarc("permerror")]), reason=unclear, unclear=True)


async def _policy(
    domain: str, settings: Settings, organizations: Organizations, resolver: Resolver
) -> Policy | Exception | None:
    try:
        async with asyncio.timeout(settings.timeout):
            return await dmarc.find_policy(domain, organizations, resolver, settings.timeout)
    except (OSError, ValueError) as error:
        return error


def _judge(
    domain: str,
    policy: Policy | Exception | None,
    found: Found,
    settings: Settings,
    organizations: Organizations,
    sample: int,
) -> Dmarc:
    """Judge for one author's domain."""
    if isinstance(policy, OSError):
        return Dmarc("temperror", domain, reason=f"DNS {policy}" if str(policy) else "DNS took too long")
    if isinstance(policy, Exception):
        return Dmarc("permerror", domain, reason=str(policy))
    if policy is None:
        return Dmarc("none", domain)
    speaks = partial(dmarc.speaks, domain, policy, organizations)
    result = dmarc.evaluate(domain, policy, speaks(*_domains_with("pass", found)), sample)
    if result.result == "fail" and speaks(*_domains_with("temperror", found)):
        return Dmarc("temperror", domain, result.policy, reason="DNS failed")
    if result.disposition != "none" and (reason := override(domain, speaks, found, settings)):
        return replace(result, disposition="none", reason=reason)
    return result


def _domains_with(result: str, found: Found) -> tuple[list[str], list[str]]:
    """Return the domains for which SPF, and those for which signatures, came to a result."""
    spf = [one.domain for one in (found.spf,) if one is not None and one.result == result]
    return spf, [one.domain for one in found.dkim or () if one.result == result]


def override(domain: str, speaks: Speaks, found: Found, settings: Settings) -> str:
    """Say why an author's policy is not followed: a trusted sealer vouches for it, or DNS hid its seal."""
    chain = found.arc
    if chain is None:
        return ""
    if any(find_domain(signer, settings.trusted_arc_sealers) for signer in chain.unanswered):
        return "DNS failed for a trusted ARC sealer"
    for text in arc.vouched(chain, settings.trusted_arc_sealers):
        said = read_vouched(text)
        if domain in said.dmarc or speaks(said.spf, said.dkim):
            return f"trusted ARC sealer {chain.seals[0].domain}"
    return ""


def queue_id(msg: Message) -> str:
    """Return the queue id, empty where the MTA told none."""
    last = msg.envelope.recipients[-1].macros if msg.envelope.recipients else {}
    places = (msg.envelope.macros, last, msg.sender.macros)
    return next((macros["i"] for macros in places if macros.get("i")), "")


def summary(found: Found) -> str:
    """Say for the log what was found: ``spf=pass dkim=none dmarc=fail``."""
    signatures = None if found.dkim is None else ",".join(one.result for one in found.dkim) or "none"
    words = {
        "spf": found.spf and found.spf.result,
        "dkim": signatures,
        "arc": found.arc and found.arc.result,
        "dmarc": found.dmarc and found.dmarc.result,
    }
    reason = f" ({found.dmarc.reason})" if found.dmarc and found.dmarc.reason else ""
    return " ".join(f"{method}={word}" for method, word in words.items() if word) + reason


def verdict(found: Found, settings: Settings) -> Verdict | None:
    """Return what follows from what was found."""
    judged = found.dmarc
    if judged is None:
        return None
    if judged.unclear and settings.bad_from == "reject":
        return Reject(f"5.6.0 {judged.reason}", because=judged.reason)
    asked = {"reject": settings.dmarc_reject, "quarantine": settings.dmarc_quarantine}
    because, by = judged.reason, f"DMARC, as {judged.reason}"
    if judged.policy:
        because = f"DMARC fails for {judged.domain}, whose policy is {judged.policy}"
        by = f"DMARC policy for {judged.policy_domain}"
    match asked.get(judged.disposition):
        case "reject":
            return Reject(f"5.7.1 rejected by {by}", because=because)
        case "quarantine":
            return Quarantine(f"quarantined by {by}", because=because)
    if judged.result == "temperror" and judged.policy != "none" and settings.dmarc_temperror == "tempfail":
        return Tempfail("4.4.3 DMARC cannot be judged while DNS fails", because=judged.reason)
    return None
