"""One child as the chain sees it: what is configured, what it negotiated, where it stands in this session.

The states are Postfix's own (protocol §9.2): taking part, out of this message, out of this connection,
or sticky: it repeats one verdict for every event that reaches its position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from postmill.api.conditions import Use
from postmill.chain.applying import Applying
from postmill.chain.macros import MacroFilter
from postmill.chain.steps import Edit, Outcome, Verdict
from postmill.wire.codes import Action, Protocol
from postmill.wire.packets import OptNeg
from postmill.wire.symbols import Pairs
from postmill.wire.tables import NO_FLAG, NR_FLAG, SINCE_VERSION

_CONTENT_EDITS = Action.ADDHDRS | Action.CHGHDRS | Action.CHGBODY


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What the administrator said about one child; times in seconds."""

    name: str
    on_error: str = "tempfail"
    """accept, tempfail, reject, discard, quarantine or shutdown (protocol §7.3, §9.8)."""
    evaluate: bool = False
    """Record its verdicts and edits, apply none."""
    independent: bool = False
    """Its content events need not wait for the edits of earlier children, nor later ones for its own."""
    pipeline: bool = True
    """Write a message in bursts instead of one packet per reply."""
    pool: bool = False
    """Keep its links for other sessions where the protocol allows it (protocol §6.8)."""
    connect_timeout: float = 5.0
    command_timeout: float = 25.0
    content_timeout: float = 300.0
    macros: Mapping[int, Pairs] = field(default_factory=dict)
    """Macros added for this child: event letter to (name, value) pairs."""
    when: tuple[Use, ...] = ()
    """Conditions under which it is asked."""


TAKING_PART, OUT_OF_MESSAGE, OUT_OF_CONNECTION, STICKY = range(4)


class Terms:
    """What a child and we agreed on, in the forms that the hot path asks for; one for all its sessions."""

    __slots__ = (
        "answer",
        "content_edits",
        "leadspc",
        "macros",
        "no_reply",
        "plain",
        "rcpt_rej",
        "suppressed",
        "too_new",
    )

    def __init__(self, answer: OptNeg, spec: ChildSpec, imposed: frozenset[int] = frozenset()) -> None:
        """Take the child's negotiation answer (protocol §4.4, §4.5).

        ``imposed`` are the stages at which the MTA was asked for a list of macros because of other children.
        """
        self.answer = answer
        flags = answer.protocol
        self.suppressed = frozenset(letter for letter, flag in NO_FLAG.items() if flags & flag)
        self.no_reply = frozenset(letter for letter, flag in NR_FLAG.items() if flags & flag)
        self.too_new = frozenset(
            letter for letter, since in SINCE_VERSION.items() if 1 < answer.version < since <= 4
        )
        self.leadspc = bool(flags & Protocol.HDR_LEADSPC)
        self.rcpt_rej = bool(flags & Protocol.RCPT_REJ)
        self.content_edits = bool(answer.actions & _CONTENT_EDITS)
        self.macros = MacroFilter(answer.symlists, spec.macros, imposed)
        self.plain = not (self.macros.active or self.suppressed or self.no_reply or self.too_new)


class Child:
    """One child during one session."""

    __slots__ = (
        "applying",
        "asked",
        "backlog",
        "broken",
        "edits_said",
        "failed",
        "given",
        "greeted",
        "in_message",
        "index",
        "late",
        "late_refusal",
        "link",
        "open",
        "reusable",
        "said",
        "said_to_connection",
        "skip",
        "skipped",
        "spec",
        "state",
        "sticky",
        "terms",
        "waits",
    )

    def __init__(self, spec: ChildSpec, index: int) -> None:
        """Stand at position ``index`` of the chain, not connected."""
        self.spec = spec
        self.index = index
        self.state = TAKING_PART
        self.terms: Terms | None = None
        self.sticky: Verdict | None = None
        self.skip = 0
        """Event letter it said SKIP to; any other event clears it (protocol §3.1)."""
        self.open = False
        """There is a link that negotiated."""
        self.greeted = False
        """CONNECT and the last HELO were told on this link."""
        self.in_message = False
        """MAIL (or what began the message) was told, and no ABORT since."""
        self.broken = False
        """Its link was lost while it was shown a message; whoever asks it next will find out."""
        self.asked = False
        """A conversation is under way."""
        self.reusable = False
        """The last thing it did leaves the link fit for a pool (protocol §6.8)."""
        self.backlog: list[bytes] = []
        """Packets without answer, kept for the next write."""
        self.applying = Applying(spec.when) if spec.when else None
        """How far its conditions are decided; None where it has none."""
        self.waits = self.applying is not None
        """It is not to be asked: its conditions are not decided, or one does not hold."""
        self.skipped = False
        """One does not hold."""
        self.failed = False
        """One could not say whether it is to be asked about this message."""
        self.given: Pairs = ()
        """Macros that its conditions hand to it."""
        self.late = 0
        """Recipients that were settled before its conditions were decided."""
        self.late_refusal: Verdict | None = None
        """What it said to one of those; it can only be said about the whole message now."""
        self.said: Outcome | None = None
        """Its last word about the message other than continue, kept where conditions may ask for it."""
        self.said_to_connection: Outcome | None = None
        self.edits_said: tuple[Edit, ...] = ()
        self.link: Any = None
        """The shell's own: what carries this child's conversations."""

    @property
    def name(self) -> str:
        """The name it has in the configuration."""
        return self.spec.name

    def forget_link(self) -> None:
        """Take note that there is no link any more."""
        self.open = self.greeted = self.in_message = self.asked = self.reusable = self.broken = False
        self.backlog.clear()

    def forget_message(self) -> None:
        """End the message: what it did to the child must not reach the next one."""
        self.in_message = False
        self.skip = 0
        if self.state == OUT_OF_MESSAGE:
            self.state = TAKING_PART
