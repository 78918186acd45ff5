"""A milter with something at every stage, for the tests of what runs milters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from postmill.api import (
    Accept,
    Client,
    Discard,
    Edit,
    Envelope,
    Head,
    Message,
    Milter,
    Quarantine,
    Recipient,
    Reject,
    Sender,
    Tempfail,
    Verdict,
    key,
)
from postmill.api.kinds import Text


@dataclass(frozen=True)
class Settings:
    mark: str = key(Text(), "yes", "Value of the header X-Seen.")


@dataclass
class Session:
    messages: int = 0


@dataclass
class Seen:
    stages: list[str] = field(default_factory=list)


app = Milter("everything", Settings, session=Session, message=Seen)


@app.on
async def connected(client: Client) -> Verdict | None:
    return Reject("5.7.1 not you") if client.name == "bad.example" else None


@app.on
async def sender(sender: Sender, session: Session, seen: Seen) -> Verdict | None:
    session.messages += 1
    seen.stages.append(f"mail{session.messages}")
    return Tempfail("4.7.1 later") if sender.address.local == "later" else None


@app.on
async def recipient(rcpt: Recipient, seen: Seen, edit: Edit) -> Verdict | None:
    await asyncio.sleep(0.001)
    match rcpt.address.local:
        case "nobody":
            return Reject("5.1.1 no such user", because="not in the list")
        case "accept":
            return Accept(because="seen enough")
        case "discard":
            return Discard()
        case "raise":
            raise ZeroDivisionError("as asked")
        case "down":
            raise ConnectionRefusedError("nobody answers at /run/scanner")
        case "slow":
            await asyncio.sleep(30)
    seen.stages.append(rcpt.address.local)
    edit.add_header("X-Rcpt", rcpt.address.text)
    return None


@app.on
def envelope(envelope: Envelope, seen: Seen) -> None:
    seen.stages.append(f"data{len(envelope.recipients)}")


@app.on
async def head(head: Head) -> Verdict | None:
    return Reject("5.7.1 that subject") if "forbidden" in head.all("Subject") else None


@app.on
def end(msg: Message, seen: Seen, settings: Settings, edit: Edit) -> Verdict | None:
    edit.add_header("X-Seen", f"{settings.mark} {' '.join(seen.stages)} {msg.body_size}")
    if b"replace" in msg.body:
        edit.replace_body(msg.body.upper())
        edit.add_recipient("copy@example.org")
        edit.delete_header("Subject")
    if b"hold" in msg.body:
        return Quarantine("as asked", because="the body says so")
    return Reject("5.7.1 body") if b"refuse" in msg.body else None
