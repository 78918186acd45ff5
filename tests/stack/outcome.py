"""What became of a conversation, with everything masked that differs between two runs of the same thing.

Masked are dates, queue ids, waiting times, and of a DKIM signature the time and the signature proper; the
body hash stays. `play` holds a conversation with one listener of a private Postfix and collects replies,
deliveries and held messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.interop.postfix import PrivatePostfix, wait_until
from tests.stack.dialogue import Client, Mail, converse
from tests.stack.mailbox import Delivered, Mailbox

MASKS = (
    (
        re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), +\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d (?:[+-]\d{4}|GMT)"),
        "(date)",
    ),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "(time)"),
    (re.compile(r"(\bid |queued as |Filter v[\d.]+ \S+ )[0-9A-F]{6,}\b"), r"\1(queue-id)"),
    (re.compile(r"(?<=<)\d{14}\.[0-9A-F]+(?=@)"), "(message-id)"),
    (re.compile(r"(\bt=)\d{9,}"), r"\1(time)"),
    (re.compile(r"(\bb=)[A-Za-z0-9+/=]+(?:\n?[ \t]+[A-Za-z0-9+/=]+)*"), r"\1(signature)"),
)


@dataclass(frozen=True)
class Outcome:
    """Replies to the client, what was delivered, what is on hold; `originals` are unmasked deliveries."""

    replies: list[str]
    delivered: list[str]
    held: list[str]
    originals: list[Delivered]

    def visible(self) -> dict[str, list[str]]:
        """Return what two outcomes must have in common."""
        return {"replies": self.replies, "delivered": self.delivered, "held": self.held}


def masked(text: str) -> str:
    """Return `text` without what differs from run to run."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def play(
    postfix: PrivatePostfix, mailbox: Mailbox, port: int, client: Client, steps: Sequence[Mail | str]
) -> Outcome:
    """Hold the conversation on `port`, wait until the queue is empty, and return what became of it."""
    replies = converse(port, client, steps)
    wait_until(lambda: not queue(postfix, "incoming", "active", "deferred"), "the end of all deliveries")
    held = queue(postfix, "hold")
    texts = [postfix.command("postcat", "-hbq", entry).decode("latin-1") for entry in held]
    for entry in held:
        postfix.command("postsuper", "-d", entry)
    originals = mailbox.take()
    return Outcome(
        [masked(f"{reply.said[:60]} -> {reply.code} {reply.text}") for reply in replies],
        sorted(masked(as_text(delivery)) for delivery in originals),
        sorted(masked(text) for text in texts),
        originals,
    )


def as_text(delivery: Delivered) -> str:
    """Return envelope and content as one text."""
    to = ",".join(sorted(delivery.recipients))
    return f"{delivery.sender} -> {to}\n" + delivery.content.decode("latin-1").replace("\r\n", "\n")


def queue(postfix: PrivatePostfix, *names: str) -> list[str]:
    """Return the ids of the messages in the queues of these names."""
    lines = postfix.command("postqueue", "-j").decode().splitlines()
    return [entry["queue_id"] for entry in map(json.loads, lines) if entry["queue_name"] in names]
