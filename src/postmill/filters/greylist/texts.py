"""The texts that clients and recipients see: ``%`` substitutions, SMTP replies, the X-Greylist header.

Word for word those of milter-greylist 4.6, with Postmill's name in place of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv6Address, ip_network

from postmill.api.verdicts import Reject, Tempfail
from postmill.filters._posix import Regex
from postmill.filters.greylist.facts import Facts
from postmill.filters.greylist.results import FOLD, result_of
from postmill.filters.greylist.values import Actions, Dnsrbl

HEADER = "X-Greylist"
AGAIN = "Greylisting in action, please come back in %R"
AGAIN_QUIETLY = "Greylisting in action, please come back later"
_LONGEST = 380
"""Bytes of a reply's line, so that with its codes it stays below the 512 of RFC 5321 §4.5.3.1.5."""
_REFUSALS = 256
"""How many refusals are remembered: strangers are all told the same."""
_FORM = re.compile(
    r"%(?:([hdfrijvGVAaDtS%])|(m[rfd]|s[rfd]|E[hmst]?|R[hmst]?|X[cemh]|Q[sdAS]|C|cA|ca)"
    r"|I\{/([0-9]{1,3})\}|g\{\\([0-9]{1,3})\}|M([A-Za-z_]|\{[^}]*\})|T\{([^}]*)\}|)"
)
_LOOPBACK = IPv6Address("::1")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHY = {
    "domain": "Sender DNS name whitelisted",
    "addr": "Sender IP whitelisted",
    "from": "Sender e-mail whitelisted",
    "auth": "Sender succeeded SMTP AUTH",
    "accessdb": "Message whitelisted by Sendmail access database",
    "spf": "Sender passed SPF test",
    "dkim": "Sender passed DKIM test",
    "nonip": "Message not sent from an IPv4 neither IPv6 address",
    "tls": "Sender succeeded STARTTLS authentication",
    "rcpt": "Recipient e-mail whitelisted",
    "auto": "IP, sender and recipient auto-whitelisted",
    "dnsrbl": "Sender IP whitelisted by DNSRBL",
    "mx": "Sender IP whitelisted by MX",
    "default": "Default is to whitelist mail",
    "tarpit": "Message whitelisted by tarpit %ts",
}
Match = tuple[Regex, str]
"""An expression and the text it matched."""


@dataclass(slots=True)
class Context:
    """What substitutions may speak of. Times are in seconds."""

    facts: Facts | None
    """None: the client has no address."""
    macros: Mapping[str, str]
    now: datetime | None = None
    label: str = ""
    name: str = ""
    """Of the rule that decided; its label may be the name of one before it that said ``continue``."""
    line: int = 0
    elapsed: int = 0
    remaining: int = 0
    tarpit: int = 0
    code: str = ""
    ecode: str = ""
    matched: Sequence[Match] = ()
    localaddr: str = ""
    """The address of this host where the MTA does not tell it, as Postfix."""


@cache
def package() -> str:
    """Return Postmill's version; finding it opens files."""
    try:
        return version("postmill")
    except PackageNotFoundError:
        return "unknown"


def expand(text: str, about: Context) -> str:
    """Put values in place of ``%i``, ``%R`` and the like; what is no substitution loses its ``%``."""
    return _FORM.sub(lambda found: _value(found, about), text)


def _value(found: re.Match[str], about: Context) -> str:
    word = found[1] or found[2] or ""
    if word:
        return _WORDS[word[0]](about, word)
    facts = about.facts
    if found[3] is not None:
        return "" if facts is None else _network(facts, int(found[3]))
    if found[4] is not None:
        return _group(about, int(found[4]))
    if found[5] is not None:
        return about.macros.get(found[5].strip("{}"), "")
    if found[6] is None or facts is None:
        return ""
    return facts.now.strftime(found[6].encode("ascii", "ignore").decode())


def _group(about: Context, place: int) -> str:
    """Return what a group of the rule's expressions matched; those of the last one come first."""
    groups = [group for regex, subject in about.matched for group in regex.groups(subject)]
    return groups[place - 1] if 0 < place <= len(groups) else ""


def _network(facts: Facts, bits: int) -> str:
    most = facts.ip.max_prefixlen
    return str(ip_network(f"{facts.ip}/{min(bits, most)}", strict=False).network_address)


def _bare(address: str) -> str:
    return address.strip("<>")


def _part(about: Context, word: str) -> str:
    """``%mr``, ``%sf``: mailbox or site of recipient or sender, machine or domain of the client."""
    if about.facts is None:
        return ""
    first = word[0] == "m"
    if word[1] == "d":
        machine, _, domain = about.facts.host.partition(".")
        return machine if first else domain
    address = _bare(about.facts.sender if word[1] == "f" else about.facts.recipient)
    mailbox, at, site = address.rpartition("@")
    return mailbox if first and at else site


def _time(seconds: int, word: str) -> str:
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    plain = {"h": hours, "m": minutes, "s": rest, "t": seconds}
    return str(plain[word[1]]) if len(word) > 1 else f"{hours:02d}:{minutes:02d}:{rest:02d}"


def _of(value: Callable[[Facts], str]) -> Callable[[Context, str], str]:
    return lambda about, word: "" if about.facts is None else value(about.facts)


def _sent(about: Context, word: str) -> str:
    """``%Xc``, ``%Xe``: the codes of the reply; milter-greylist has no text for the others, either."""
    return {"c": about.code, "e": about.ecode}.get(word[1], "")


def _lists(about: Context, word: str) -> str:
    """``%D``: the DNS lists that have the client."""
    answers = about.facts.answers.items() if about.facts else ()
    return ",".join(item.name for (_, item), answer in answers if isinstance(item, Dnsrbl) and answer)


def signature(about: Context) -> str:
    """Return ``%V``: program, host and date."""
    host = about.macros.get("j", "")
    when = about.now.strftime("%a, %d %b %Y %H:%M:%S %z (%Z)") if about.now else ""
    return f"postmill-{package()} ({host} [{_own_address(about)}]); {when}"


def _own_address(about: Context) -> str:
    if "if_addr" in about.macros:
        return about.macros["if_addr"]
    if about.facts is not None and about.facts.ip == _LOOPBACK:  # Sendmail does not tell it then
        return f"IPv6:{_LOOPBACK}"
    return about.localaddr or "0.0.0.0"  # noqa: S104 - what the other one writes


_WORDS: dict[str, Callable[[Context, str], str]] = {
    "h": _of(lambda facts: facts.helo),
    "d": _of(lambda facts: facts.host),
    "f": _of(lambda facts: _bare(facts.sender)),
    "r": _of(lambda facts: _bare(facts.recipient)),
    "i": _of(lambda facts: str(facts.ip)),
    "j": _of(lambda facts: ".".join(reversed(str(facts.ip).split(".")))),
    "G": _of(lambda facts: facts.now.strftime("%z")),
    "C": _of(lambda facts: str(facts.answers.get(("geoip", None), ""))),
    "v": lambda about, word: package(),
    "V": lambda about, word: signature(about),
    "A": lambda about, word: str(about.line or "(none)"),
    "a": lambda about, word: about.label,
    "c": lambda about, word: about.name if word == "ca" else str(about.line or "(none)"),
    "D": _lists,
    "S": lambda about, word: "",
    "t": lambda about, word: str(about.tarpit),
    "m": _part,
    "s": _part,
    "E": lambda about, word: _time(about.elapsed, word),
    "R": lambda about, word: _time(about.remaining, word),
    "X": _sent,
    "Q": lambda about, word: result_of(word, about.facts, about.macros.get("j", "")),
    "%": lambda about, word: "%",
}


def why(reasons: frozenset[str]) -> str:
    """Return the text of X-Greylist for a mail that was not delayed, with its substitutions."""
    words = [text for reason, text in _WHY.items() if reason in reasons]
    if reasons - _WHY.keys() or not words:
        words.append("ACL %a matched")
    return ", ".join(words) + ", not delayed by %V"


def header(report: str | None, reasons: frozenset[str], about: Context) -> str:
    """Return the value of X-Greylist."""
    text = report if report is not None else "Delayed for %E by %V" if about.elapsed else why(reasons)
    return folded(expand(text, about))


def printable(text: str) -> str:
    """Return a text as one line without control characters, whatever a client put into it."""
    return _CONTROL.sub("?", text.replace(FOLD, " "))


def folded(text: str) -> str:
    """Return a text as a header's value: the same, but for its folds."""
    return FOLD.join(map(printable, text.split(FOLD)))


def refusal(actions: Actions, usual: tuple[str, str, str], about: Context) -> Reject | Tempfail:
    """Return the verdict of a rule with its code, enhanced code and text, ``usual`` for what it does not say.

    What no SMTP reply may be becomes the MTA's own words, as milter-greylist has it. Greylisting is always
    for now only.
    """
    code = actions.code or usual[0]
    ecode = actions.ecode or code[0] + usual[1][1:]
    kind = Tempfail if usual[0][0] == "4" or code[0] == "4" else Reject
    text = usual[2] if actions.msg is None else actions.msg
    if "%X" in text:
        about = replace(about, code=code, ecode=ecode)
    return _refused(kind, f"{code} {ecode}", printable(expand(text, about)), because(about))


@lru_cache(_REFUSALS)
def _refused(kind: type[Reject] | type[Tempfail], codes: str, text: str, why: str) -> Reject | Tempfail:
    try:
        return kind(f"{codes} " + "\n".join(_lines(text)), because=why)
    except ValueError:
        return kind(because=why)


def _lines(text: str) -> list[str]:
    """Break a text that is too long for a line at blanks; a word that is too long by itself, anywhere."""
    lines: list[str] = []
    while len(data := text.encode()) > _LONGEST:
        most = data[:_LONGEST].decode(errors="ignore")
        line = most if text[len(most)] == " " else most.rpartition(" ")[0] or most
        lines.append(line.rstrip(" "))
        text = text[len(line) :].strip(" ")
    return [*lines, text] if text or not lines else lines


def because(about: Context) -> str:
    """Say for the log which rule it was."""
    return f"ACL {about.label}" if about.label else "no ACL matched"
