"""The state of one session: the children, what the client said so far, the message under way.

Whatever belongs to a message lives in ``Message``, which is made anew for each, so that nothing of one
message can reach the next (protocol §9.9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postmill.api.nouns import Noun
from postmill.api.ports import NO_PORTS, Ports
from postmill.api.reading import mta_of
from postmill.chain.child import OUT_OF_CONNECTION, OUT_OF_MESSAGE, Child, ChildSpec
from postmill.chain.event import Event
from postmill.chain.message import Message
from postmill.chain.negotiation import Agreement, Negotiations, Offer
from postmill.chain.notes import Observer
from postmill.chain.talks import TextCheck
from postmill.chain.view import View
from postmill.mail.body import Body
from postmill.mail.reply import check_as_postfix, check_reply_text
from postmill.wire.symbols import parse_pairs


@dataclass(frozen=True, slots=True)
class Plan:
    """What the administrator wants of the chain as a whole."""

    children: tuple[ChildSpec, ...]
    in_turn: bool = False
    """Ask one child after the other at every stage, as Postfix does."""
    mta: str = "auto"
    """auto, postfix or sendmail."""
    same_as_postfix: frozenset[str] = frozenset()
    """Where Postfix is copied although we know something safer (design decision, docs/differences.md)."""
    max_message_size: int = 0
    """Most body bytes of a message; 0 is no limit."""
    noted: frozenset[type[Noun]] = frozenset()
    """What the record is to know of each message, whether a child looks at it or not."""

    @property
    def nouns(self) -> frozenset[type[Noun]]:
        """What we need to be told by the MTA ourselves: what conditions look at, and what is noted."""
        uses = [use for child in self.children for use in child.when]
        return self.noted.union(noun for use in uses for noun in use.condition.nouns)

    @property
    def conditional(self) -> bool:
        """Whether any child has conditions."""
        return any(child.when for child in self.children)


class State:
    """Everything one session knows."""

    __slots__ = (
        "agreement",
        "check_text",
        "children",
        "conditional",
        "connect",
        "helo",
        "hold_always",
        "message",
        "mta",
        "negotiations",
        "new_body",
        "observer",
        "offer",
        "pending_macros",
        "plan",
        "ports",
        "view",
    )

    def __init__(
        self,
        plan: Plan,
        negotiations: Negotiations,
        observer: Observer,
        new_body: Callable[[], Body],
        ports: Ports = NO_PORTS,
    ) -> None:
        """Begin a session; ``new_body`` gives an empty body with the shell's own place to keep it."""
        self.conditional = plan.conditional
        self.ports = ports
        self.view = View()
        self.plan = plan
        self.negotiations = negotiations
        self.observer = observer
        self.new_body = new_body
        self.children = tuple(Child(spec, index) for index, spec in enumerate(plan.children))
        self.offer: Offer | None = None
        self.agreement: Agreement | None = None
        self.mta = "" if plan.mta == "auto" else plan.mta
        self.connect: Event | None = None
        self.helo: Event | None = None
        self.message: Message | None = None
        self.hold_always: bytes | None = None
        """Reason for which every message of the connection is held."""
        self.pending_macros: bytes | None = None
        """Macros whose event has not come yet."""
        self.check_text: TextCheck = (
            check_as_postfix if self.copies_postfix("reply-text") else check_reply_text
        )
        """What a reply text must pass before it may reach the MTA."""

    def copies_postfix(self, what: str) -> bool:
        """Tell whether the administrator wants Postfix's own behaviour here."""
        return what in self.plan.same_as_postfix

    def learn_mta(self, macros: bytes | None) -> None:
        """Find out from the macros of CONNECT which MTA this is (protocol §5.2, §9.7)."""
        if self.mta or macros is None:
            return
        self.mta = mta_of(parse_pairs(macros))

    def all_out(self, of_connection: bool) -> bool:
        """Tell whether no child takes part in the message, or connection, any more, and no mail is held.

        Who is left out of a connection by a condition may be asked after all once the client has started TLS.
        """
        least = OUT_OF_CONNECTION if of_connection else OUT_OF_MESSAGE
        out = 0
        for child in self.children:
            if of_connection or not child.skipped:
                if child.state < least or child.sticky is not None:
                    return False
                out += 1
        held = self.hold_always is not None or (self.message is not None and self.message.hold is not None)
        return out > 0 and not held
