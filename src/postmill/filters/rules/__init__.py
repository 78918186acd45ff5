"""The filter ``rules``: headers, senders, recipients, sizes and attachments that nobody wants.

For the small things people write milters for. Rules are judged in their order, each as soon as it can be: one
that looks at the sender alone at MAIL, one that looks at recipients for each of them, the others at the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from postmill.api import (
    Accept,
    Address,
    Discard,
    HeaderEdit,
    Message,
    Milter,
    Quarantine,
    Recipient,
    Reject,
    Sender,
    Tempfail,
    Verdict,
    key,
    required,
)
from postmill.api.header_text import readings
from postmill.api.kinds import Choice, ListOf, Size, Text
from postmill.api.mail_kinds import Account, Pattern, find_account
from postmill.api.settings import Table
from postmill.filters.rules.parameters import UNREADABLE
from postmill.filters.rules.parts import Parts

_WORDS = Text(r"[^\0\r\n]+", "some text")
_HEADER = Text(r"([!-9;-~]+)?", 'the name of a header such as "Subject"')
Wanted = tuple[str | re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule looks at, all of which must hold, and what then becomes of the mail."""

    action: str = required(
        Choice(("reject", "tempfail", "quarantine", "discard", "accept", "add-header")),
        "What becomes of the mail; `accept`: the rules behind are not judged.",
    )
    name: str = key(Text(r"[^\x00-\x1f\x7f]*"), "", "What the log calls the rule.")
    text: str = key(
        Text(), "", "What the client is told, the reason of a quarantine, or the header to add (`X-A: yes`)."
    )
    senders: Wanted = key(
        ListOf(Pattern(Account())), [], "Senders of the envelope; the empty one is `/^<>$/`."
    )
    recipients: Wanted = key(ListOf(Pattern(Account())), [], "Recipients of the envelope.")
    header: str = key(_HEADER, "", "A header that has to be there.")
    contains: Wanted = key(ListOf(Pattern(_WORDS)), [], "One of these has to be found in that header.")
    larger_than: int = key(Size(), "0", "Bytes that the message must be larger than.")
    attachments: tuple[str, ...] = key(
        ListOf(_WORDS), [], "File names of attachments, `*` for anything: `*.exe`; case does not matter."
    )
    types: tuple[str, ...] = key(
        ListOf(Text(r"[^/\s]+/[^/\s]+", "a MIME type")),
        [],
        "MIME types of parts, `*` for anything: `application/x-msdownload`, `video/*`.",
    )

    @property
    def stage(self) -> type[Sender] | type[Recipient] | type[Message]:
        """When it can be judged."""
        looks_inside = self.header or self.larger_than or self.attachments or self.types
        if looks_inside or self.action in ("quarantine", "add-header"):
            return Message
        if not self.recipients:
            return Sender
        of_one = self.action in ("reject", "tempfail")  # the others are of all recipients
        return Recipient if of_one else Message


@dataclass(frozen=True, slots=True)
class Settings:
    """The rules."""

    rule: tuple[Rule, ...] = key(ListOf(Table(Rule)), [], "The rules, in the order in which they are judged.")


class Rules:
    """The rules by their stage, checked."""

    def __init__(self, settings: Settings) -> None:
        """Raise ValueError for a rule that says nothing, or a text that no mail can have."""
        for number, rule in enumerate(settings.rule, 1):
            try:
                _check(rule)
            except ValueError as error:
                raise ValueError(f"rule {rule.name or number}: {error}") from None
        self._rules = settings.rule

    def at(self, stage: type[Sender] | type[Recipient] | type[Message]) -> list[Rule]:
        """Return the rules that are judged at a stage."""
        return [rule for rule in self._rules if rule.stage is stage]


def _check(rule: Rule) -> None:
    if rule.contains and not rule.header:
        raise ValueError("contains needs header: in which one?")
    if not (
        rule.senders or rule.recipients or rule.header or rule.larger_than or rule.attachments or rule.types
    ):
        raise ValueError("looks at nothing, so it would hold for all mail")
    if rule.action == "add-header":
        name, colon, value = rule.text.partition(":")
        if not colon or not value.strip():
            raise ValueError(f"text must be the header to add, as X-A: yes, not {rule.text!r}")
        HeaderEdit([]).add_header(name, value.strip())
    else:
        _verdict(rule)


app = Milter("rules", Settings)


@app.prepare
def prepare(settings: Settings) -> Rules:
    """Check the rules."""
    return Rules(settings)


@app.on(where=lambda rules: bool(rules.at(Sender)))
async def sender(sender: Sender, rules: Rules) -> Verdict | None:
    """Judge what the sender alone decides."""
    return next(
        (_verdict(rule) for rule in rules.at(Sender) if _is_among(sender.address, rule.senders)), None
    )


@app.on(where=lambda rules: bool(rules.at(Recipient)))
async def recipient(rcpt: Recipient, rules: Rules) -> Verdict | None:
    """Judge what one recipient decides."""
    for rule in rules.at(Recipient):
        if _is_among(rcpt.address, rule.recipients) and _holds_for(rcpt.sender, rule):
            return _verdict(rule)
    return None


@app.on(where=lambda rules: bool(rules.at(Message)))
def message(msg: Message, rules: Rules, edit: HeaderEdit) -> Verdict | None:
    """Judge what the whole message decides."""
    content = Content(msg)
    for rule in rules.at(Message):
        if not content.has(rule):
            continue
        if rule.action != "add-header":
            return _verdict(rule)
        name, _, value = rule.text.partition(":")
        edit.add_header(name, value.strip())
    return None


class Content:
    """A message as rules look at it; taken apart only if one looks inside."""

    def __init__(self, msg: Message) -> None:
        self._msg = msg

    def has(self, rule: Rule) -> bool:
        """Tell whether all that a rule asks for is there."""
        msg = self._msg
        recipients = [recipient.address for recipient in msg.envelope.recipients]
        enough = any if rule.action == "add-header" else all  # what becomes of all must hold for all
        return (
            _holds_for(msg.sender, rule)
            and (not rule.recipients or enough(_is_among(one, rule.recipients) for one in recipients))
            and (not rule.larger_than or msg.size > rule.larger_than)
            and (not rule.header or self._has_header(rule))
            and (not rule.attachments or self._has_one(self._parts.names, rule.attachments))
            and (not rule.types or self._has_one(self._parts.types, rule.types))
        )

    def _has_header(self, rule: Rule) -> bool:
        values = self._msg.head.all(rule.header)
        if not rule.contains:
            return bool(values)
        return any(
            _is_in(wanted, text) for value in values for text in readings(value) for wanted in rule.contains
        )

    def _has_one(self, there: set[str], globs: tuple[str, ...]) -> bool:
        """Tell whether a name or type is there that is wanted; what nobody can read may be one."""
        return UNREADABLE in there or any(fnmatchcase(one, glob.lower()) for one in there for glob in globs)

    @cached_property
    def _parts(self) -> Parts:
        return Parts.of(self._msg.raw)


def _holds_for(sender: Sender, rule: Rule) -> bool:
    return not rule.senders or _is_among(sender.address, rule.senders)


def _is_among(address: Address, wanted: Wanted) -> bool:
    if find_account(address, [one for one in wanted if isinstance(one, str)]):
        return True
    texts = {f"<{address.text}>", f"<{address.unquoted.text}>"}
    return any(isinstance(one, re.Pattern) and any(map(one.search, texts)) for one in wanted)


def _is_in(wanted: str | re.Pattern[str], text: str) -> bool:
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted.casefold() in text.casefold()


def _verdict(rule: Rule) -> Verdict:
    because = f"rule {rule.name}" if rule.name else f"a rule of {rule.action}"
    match rule.action:
        case "reject":
            return Reject(rule.text, because)
        case "tempfail":
            return Tempfail(rule.text, because)
        case "quarantine":
            return Quarantine(rule.text or because, because)
        case "discard":
            return Discard(because)
        case _:
            return Accept(because)
