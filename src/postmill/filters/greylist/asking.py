"""Finding out what rules need to know beyond the mail itself: SPF, DKIM, DNS lists, MX, countries, rates."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from postmill.api.ports import Resolver, Store
from postmill.filters.greylist.facts import Answer, Facts, Question
from postmill.filters.greylist.rules import Judgement, Need, judge
from postmill.filters.greylist.texts import Context, expand, printable
from postmill.filters.greylist.values import Config, Dnsrbl, RateLimit

log = logging.getLogger("postmill.filter.greylist")


@dataclass(slots=True)
class Asking:
    """Who can be asked about one mail, and what they have said."""

    config: Config
    resolver: Resolver
    store: Store
    countries: Any = None
    """An open GeoIP database, if one is configured."""
    raw: Callable[[], bytes] = bytes
    """The whole message, once there is one."""
    counted: set[str] = field(default_factory=set)
    """Rates of this session that have been counted."""
    answers: dict[Question, Answer] = field(default_factory=dict)
    """What holds for the whole mail."""
    failed: bool = False
    """Whether DNS has failed to answer about this mail."""

    async def judge(self, stage: str, facts: Facts) -> tuple[Judgement, Facts]:
        """Judge by the rules of a stage, asking what they need; raises OSError where the store fails."""
        if self.answers:
            facts = replace(facts, answers={**self.answers, **facts.answers})
        while isinstance(found := await self._judged(stage, facts), Need):
            answer = await self.ask(found.question, facts)
            if found.question[0] != "ratelimit":
                self.answers[found.question] = answer
            facts = replace(facts, answers={**facts.answers, found.question: answer})
        for text, matched in found.logs:
            log.info("%s", printable(expand(text, Context(facts, facts.macros, matched=matched))))
        return found, facts

    async def _judged(self, stage: str, facts: Facts) -> Judgement | Need:
        """Judge, beside other sessions where a whole message has to be searched."""
        if stage == "data" and (self.config.uses("body") or self.config.uses("header")):
            return await asyncio.to_thread(judge, self.config, stage, facts)
        return judge(self.config, stage, facts)

    async def ask(self, question: Question, facts: Facts) -> Answer:
        """Answer one question. A DNS that fails lists nobody, as milter-greylist has it."""
        kind, item = question
        if kind == "ratelimit" and isinstance(item, RateLimit):
            return await self._beyond(item, facts)
        if kind == "geoip":
            return self._country(facts)
        if kind == "dkim":
            return await self._dkim()
        if kind == "spf":
            return await self._spf(facts, item == "self")
        try:
            if kind == "dnsrbl" and isinstance(item, Dnsrbl):
                return await self._listed(item, facts)
            return await self._exchanger(item if isinstance(item, int) else 128, facts)
        except OSError:
            self.failed = True
            return False

    @property
    def _within(self) -> float:
        """Seconds for a question to DNS; few when it has failed once, lest the MTA waits for each of them."""
        return 1.0 if self.failed else 5.0

    async def _spf(self, facts: Facts, ours: bool) -> Answer:
        """With ``self``: whether the sender's domain would let this host send, too, so says nothing."""
        from postmill.filters._spf import check_spf  # noqa: PLC0415 - its library may be missing

        own = self.config.localaddr or facts.macros.get("if_addr", "").removeprefix("IPv6:")
        try:
            ip = ip_address(own) if ours else facts.ip
        except ValueError:
            return False
        sender = facts.rawfrom.strip("<> ")
        result = await check_spf(ip, facts.helo, sender, self.resolver, 2 * self._within)
        self.failed |= result == "temperror"
        return result == "pass" if ours else result

    async def _dkim(self) -> Answer:
        """Verify the signatures: the first that passes counts, else the first that can be read."""
        from postmill.filters._dkim import verify  # noqa: PLC0415 - its library may be missing
        from postmill.filters._dkim_keys import NO_KEY, REVOKED  # noqa: PLC0415 - the same

        every = await verify(self.raw(), self.resolver)
        found = [one for one in every if one.domain and one.selector and one.algorithm and one.start]
        if not found:
            return "none"
        one = next((one for one in found if one.result == "pass"), found[0])
        result = one.result
        if result in ("permerror", "policy"):
            result = {NO_KEY: "permerror", REVOKED: "fail"}.get(one.reason, "neutral")
        return f"{result} header.d={one.domain}"

    async def _listed(self, item: Dnsrbl, facts: Facts) -> bool:
        name = facts.ip.reverse_pointer.rsplit(".", 2)[0]
        found = await self.resolver.addresses(f"{name}.{item.zone}", within=self._within)
        return any(IPv4Address(address) in item.answers for address in found)

    async def _exchanger(self, bits: int, facts: Facts) -> bool:
        """Tell whether the client is near a mail exchanger of the sender's domain."""
        domain = facts.sender.strip("<>").rpartition("@")[2]
        records = await self.resolver.records(domain, "MX", within=self._within) if domain else ()
        names = [record.split()[-1] for record in records][:10]
        kind = "A" if facts.ip.version == 4 else "AAAA"
        found = await asyncio.gather(
            *(self.resolver.records(name, kind, within=self._within) for name in names)
        )
        near = ip_network(f"{facts.ip}/{min(bits, facts.ip.max_prefixlen)}", strict=False)
        return any(ip_address(address) in near for addresses in found for address in addresses)

    def _country(self, facts: Facts) -> str:
        """Return the code of the client's country; ``ZZ``, as milter-greylist has it, where there is none."""
        found = None
        with suppress(ValueError):  # an IPv6 address, and a database of IPv4 only
            found = self.countries.get(str(facts.ip))
        country = found.get("country") if isinstance(found, dict) else None
        return str(country.get("iso_code", "ZZ")) if isinstance(country, dict) else "ZZ"

    async def _beyond(self, limit: RateLimit, facts: Facts) -> bool:
        """Count, and tell whether it is too much.

        Counted is by fixed windows; of the one before, the share counts that is not older than the period.
        """
        key = expand(limit.key, Context(facts, facts.macros))
        name = f"rate {limit.name} {key}".encode("unicode_escape").decode()[:900]
        window, gone = divmod(facts.now.timestamp(), limit.seconds)
        lives = 2.0 * limit.seconds
        now, before = await asyncio.gather(
            self.store.add(f"{name} {window:.0f}", self._amount(limit, name, facts), lives),
            self.store.add(f"{name} {window - 1:.0f}", 0, lives),
        )
        return now + before * (1 - gone / limit.seconds) > limit.most

    def _amount(self, limit: RateLimit, name: str, facts: Facts) -> int:
        """Return by how much a rate goes up: a session counts once, recipients at RCPT one by one."""
        if limit.counts == "data":
            return facts.size
        if limit.counts == "rcpt":
            return 1 if facts.recipient else len(facts.recipients)
        again = name in self.counted
        self.counted.add(name)
        return 0 if again else 1
