"""SPF (RFC 7208), for every filter that asks about it: pyspf judges, DNS comes by the port ``Resolver``.

pyspf asks DNS in the middle of its work and would block there. So it is run with the answers known so far;
where one is missing, the run is given up, the missing ones are looked up together, and it is run again.
Everything but the looking up is a function of sender, client and answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import spf  # type: ignore[import-untyped]

from postmill.api.domains import ascii_domain, is_domain
from postmill.api.ports import Resolver
from postmill.filters._together import together

Question = tuple[str, str]
"""Name in lower case without a final dot, and kind of record."""
Answers = dict[Question, Sequence[str] | OSError]

_MOST_TEXT = 10_000
"""Bytes of all records of one check. Honest ones are below 512 (RFC 7208 §3.4); a run reads all of it."""
_MOST_RECORDS = 1_000
"""Records of all answers of one check together: each address is gone through for each term."""
_LONGEST_TERM = 512
"""Bytes; what goes through macros does so for each character again."""
_LONGEST_NAME = 253
_MOST_QUESTIONS = 150
"""Ten terms, each with ten names (RFC 7208 §4.6.4), and a few more: no check asks as many."""
_MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError)
"""What pyspf lets through when a record is stranger than it thought."""


@dataclass(frozen=True, slots=True)
class Spf:
    """The result for one mail."""

    result: str
    """``pass``, ``fail``, ``softfail``, ``neutral``, ``none``, `x."""
    identity: str
    """``mailfrom``, or with the null sender ``helo`` (RFC 7208 §2.4)."""
    domain: str
    """The domain that was judged."""
    explanation: str = ""
    """With ``fail``, the words of the domain's owner, if any (RFC 7208 §6.2); with an error, what it is."""


async def check_spf(
    ip: IPv4Address | IPv6Address, helo: str, sender: str, resolver: Resolver, within: float = 20.0
) -> str:
    """Return the result's word alone; see ``ask_spf``."""
    return (await ask_spf(ip, helo, sender, resolver, within)).result


async def ask_spf(
    ip: IPv4Address | IPv6Address, helo: str, sender: str, resolver: Resolver, within: float = 20.0
) -> Spf:
    """Judge whether ``ip`` may send for a sender; with the null sender, empty, for the name in HELO.

    ``within`` is in seconds and for everything together: what takes longer is ``temperror``, as is a DNS
    server that fails. Raises nothing of its own.
    """
    question = SpfQuestion.of(ip, helo, sender)
    answers: Answers = {}
    try:
        async with asyncio.timeout(within):
            while isinstance(step := question.judge(answers), frozenset):
                found = await together(_look_up(one, resolver, within) for one in step)
                answers.update(zip(step, found, strict=True))
    except TimeoutError:
        return question.answer("temperror", f"DNS took longer than {within:g} s")
    return step


async def _look_up(question: Question, resolver: Resolver, within: float) -> Sequence[str] | OSError:
    name, kind = question
    try:
        if kind == "A":
            return await resolver.addresses(name, within=within)
        if kind == "TXT":
            return await resolver.texts(name, within=within)
        return await resolver.records(name, kind, within=within)
    except OSError as error:
        return error


@dataclass(frozen=True, slots=True)
class SpfQuestion:
    """May this client send for this sender?"""

    ip: str
    helo: str
    sender: str
    identity: str
    domain: str

    @classmethod
    def of(cls, ip: IPv4Address | IPv6Address, helo: str, sender: str) -> SpfQuestion:
        """Choose the identity; a domain beyond ASCII is judged by its A-labels (RFC 8616 §4)."""
        greeted = ascii_domain(helo)
        if not sender:
            return cls(str(ip), greeted, f"postmaster@{greeted}", "helo", greeted)
        local, _, domain = sender.rpartition("@")
        domain = ascii_domain(domain)
        return cls(str(ip), greeted, f"{local or 'postmaster'}@{domain}", "mailfrom", domain)

    def judge(self, answers: Answers) -> Spf | frozenset[Question]:
        """Return the result, or what has to be looked up before there can be one."""
        if "." not in self.domain or not is_domain(self.domain):
            return self.answer("none")  # RFC 7208 §4.3; also an address literal
        if _records(answers) > _MOST_RECORDS:
            return self.answer("permerror", "too many DNS records")
        run = _Run(self, answers)
        try:
            result, _, explanation = run.check()
        except _LackingError:
            result, explanation = "", ""
        except _MALFORMED:
            result, explanation = "permerror", "a record is malformed"
        if not run.lacking:
            return self.answer(result, explanation)
        if len(answers) + len(run.lacking) > _MOST_QUESTIONS:
            return self.answer("permerror", "too many DNS look-ups")
        return frozenset(run.lacking)

    def answer(self, result: str, explanation: str = "") -> Spf:
        """Return a result for this question."""
        words = explanation.removeprefix("SPF Permanent Error: ").removeprefix("SPF Temporary Error: ")
        shown = "".join(letter if " " <= letter < "\x7f" else "?" for letter in words)
        said = shown if result in ("fail", "temperror", "permerror") else ""
        return Spf(result, self.identity, self.domain, said)


def _records(answers: Answers) -> int:
    """Count the records that are gone through: of a client's names only some are."""
    return sum(
        len(found) for (_, kind), found in answers.items() if kind != "PTR" and not isinstance(found, OSError)
    )


class _LackingError(Exception):
    """An answer of DNS is missing."""


class _Run(spf.query):  # type: ignore[misc]  # pyspf has no types
    """One run of pyspf over the answers known so far."""

    def __init__(self, question: SpfQuestion, answers: Answers) -> None:
        super().__init__(question.ip, question.sender, question.helo)
        self.l, _, self.o = question.sender.rpartition("@")  # pyspf takes the first @, which may be quoted
        self.d = self.o
        self.answers: Mapping[Question, Sequence[str] | OSError] = answers
        self.lacking: set[Question] = set()
        """What this run missed; it may have gone on regardless, as pyspf does without an explanation."""
        self._read: set[str] = set()
        self.set_default_explanation("")

    def dns(self, name: Any, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """Answer a question of pyspf, in the form in which its own DNS look-up would."""
        found = self._known((_plain(str(name)), qtype))
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"Void lookup limit of {spf.MAX_VOID_LOOKUPS} exceeded")
        if qtype == "TXT":
            return [(self._text(one),) for one in found]
        return list(map(_mx, found)) if qtype == "MX" else [one.rstrip(".") for one in found]

    def _known(self, question: Question) -> Sequence[str]:
        if not all(0 < len(label) < 64 for label in question[0].split(".")):
            return ()  # no name that DNS could have
        if question not in self.answers:
            self.lacking.add(question)
            raise _LackingError
        found = self.answers[question]
        if isinstance(found, OSError):
            raise spf.TempError(f"DNS {found}")
        return found

    def _text(self, text: str) -> bytes:
        if text[:6].lower() == "v=spf1":
            self._read.add(text)
            if sum(map(len, self._read)) > _MOST_TEXT:
                raise spf.PermError(f"SPF records of more than {_MOST_TEXT} bytes")
            if any(len(term) > _LONGEST_TERM for term in text.split()):
                raise spf.PermError(f"A term of more than {_LONGEST_TERM} bytes")
        return text.encode("utf-8", "surrogateescape")

    def get_explanation(self, spec: str) -> str | None:
        """See pyspf, which takes the text for a name, and cuts off the front of one that is too long."""
        if any(len(text) > _LONGEST_NAME for text in self.dns_txt(spec, ignore_void=True)):
            return None
        return super().get_explanation(spec)  # type: ignore[no-any-return]

    def dns_mx(self, domainname: str) -> list[str]:
        """See pyspf; notes all missing addresses at once."""
        self._note(host for _, host in self.dns(domainname, "MX")[: spf.MAX_MX])
        return super().dns_mx(domainname)  # type: ignore[no-any-return]

    def validated_ptrs(self) -> list[str]:
        """Return the client's names that lead back to it; failing DNS is no error here (RFC 7208 §5.5)."""
        try:
            names = self.dns_ptr(self.i)[: spf.MAX_PTR]
        except spf.TempError:
            return []
        self._note(names)
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self.dns_a(name, self.A), self.cidrmax))
        except spf.TempError:
            return False

    def _note(self, hosts: Any) -> None:
        questions = ((_plain(str(host)), self.A) for host in hosts)
        missing = {one for one in questions if one[0] and one not in self.answers}
        self.lacking |= {one for one in missing if all(0 < len(label) < 64 for label in one[0].split("."))}


def _plain(name: str) -> str:
    return name.removesuffix(".").lower()


def _mx(record: str) -> tuple[int, str]:
    preference, _, host = record.partition(" ")
    return int(preference), host.strip().rstrip(".")
