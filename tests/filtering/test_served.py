"""What a milter asks of the MTA follows from its handlers (protocol §4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from postmill.api import (
    Client,
    Envelope,
    Head,
    HeaderEdit,
    Message,
    Milter,
    Recipient,
    Reject,
    Sender,
    Verdict,
    key,
)
from postmill.api.kinds import Flag
from postmill.filtering import Served
from postmill.testing import deliver
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Action, Protocol
from postmill.wire.packets import OptNeg

NOTHING = (
    Protocol.NR_CONN
    | Protocol.NOHELO
    | Protocol.NOMAIL
    | Protocol.NORCPT
    | Protocol.NODATA
    | Protocol.NOUNKNOWN
    | Protocol.NOHDRS
    | Protocol.NOEOH
    | Protocol.NOBODY
)
EVERYBODY = NOTHING & ~(Protocol.NOHELO | Protocol.NOMAIL | Protocol.NORCPT)
TOLD = Protocol.NR_HELO | Protocol.NR_MAIL
HEADERS = Protocol.HDR_LEADSPC | Protocol.NR_HDR
CONTENT = EVERYBODY & ~(Protocol.NOHDRS | Protocol.NOEOH | Protocol.NOBODY) | HEADERS | Protocol.NR_BODY


def client(noun: Client) -> Verdict | None:
    return None


def sender(noun: Sender) -> Verdict | None:
    return None


def recipient(noun: Recipient) -> Verdict | None:
    return None


def notes_recipients(noun: Recipient) -> None:
    return None


def envelope(noun: Envelope) -> Verdict | None:
    return None


def edits_by_the_envelope(noun: Envelope, edit: HeaderEdit) -> None:
    return None


def head(noun: Head) -> None:
    return None


def message(noun: Message, edit: HeaderEdit) -> Verdict | None:
    return None


@dataclass(frozen=True)
class Settings:
    deep: bool = key(Flag(), False, "Whether to look inside.")


def asks(milter: Milter, settings: Any = None) -> tuple[int, int]:
    answer = Served(milter, settings).answer(OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL))
    return answer.actions, answer.protocol


@pytest.mark.parametrize(
    ("handlers", "actions", "protocol"),
    [
        ((client,), 0, NOTHING & ~Protocol.NR_CONN),
        (
            (client, sender),
            0,
            NOTHING & ~(Protocol.NR_CONN | Protocol.NOHELO | Protocol.NOMAIL) | Protocol.NR_HELO,
        ),
        ((recipient,), 0, EVERYBODY | TOLD),
        ((notes_recipients,), 0, EVERYBODY | TOLD | Protocol.NR_RCPT),
        ((envelope,), 0, EVERYBODY & ~Protocol.NODATA | TOLD | Protocol.NR_RCPT),
        (
            (edits_by_the_envelope,),
            Action.ADDHDRS | Action.CHGHDRS,
            EVERYBODY | TOLD | Protocol.NR_RCPT,
        ),
        ((head,), 0, EVERYBODY & ~(Protocol.NOHDRS | Protocol.NOEOH) | TOLD | Protocol.NR_RCPT | HEADERS),
        (
            (message,),
            Action.ADDHDRS | Action.CHGHDRS | Action.QUARANTINE,
            CONTENT | TOLD | Protocol.NR_RCPT | Protocol.NR_EOH,
        ),
    ],
    ids=lambda value: "+".join(one.__name__ for one in value) if isinstance(value, tuple) else None,
)
def test_no_more_is_asked_than_handlers_look_at(
    handlers: tuple[Callable[..., Any], ...], actions: int, protocol: int
) -> None:
    milter = Milter("one")
    for handler in handlers:
        milter.on(handler)
    assert asks(milter) == (actions, protocol)


def test_a_handler_that_the_settings_do_not_call_for_asks_nothing() -> None:
    milter = Milter("one", Settings)
    milter.on(recipient)
    milter.on(where=lambda settings: settings.deep)(message)
    shallow, deep = asks(milter, Settings()), asks(milter, Settings(deep=True))
    assert shallow == (0, EVERYBODY | TOLD)
    assert deep == (Action.ADDHDRS | Action.CHGHDRS | Action.QUARANTINE, CONTENT | TOLD | Protocol.NR_EOH)


def test_a_verdict_where_none_was_announced_is_a_failure_and_not_lost() -> None:
    milter = Milter("one")

    @milter.on
    async def strict(noun: Recipient) -> None:
        return Reject("5.7.1 No")  # type: ignore[return-value]

    with pytest.raises(TypeError, match="handler strict is annotated to return None, and returned Reject"):
        deliver(milter)
