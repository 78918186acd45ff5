"""A quota: how many recipients a user may write to in an hour; with settings, state and a port."""

from dataclasses import dataclass, field

from postmill.api import Message, Milter, Recipient, Store, Tempfail, Verdict, key
from postmill.api.kinds import Count, Duration


@dataclass(frozen=True)
class Settings:
    """How much is too much."""

    recipients: int = key(Count(1), 100, "Recipients that one user may write to within the time.")
    within: float = key(Duration(), "1h", "The time.")


@dataclass
class Counted:
    """What was counted for one message."""

    recipients: list[str] = field(default_factory=list)


app = Milter("quota", Settings, message=Counted)


@app.on
async def count(rcpt: Recipient, settings: Settings, store: Store, counted: Counted) -> Verdict | None:
    """Count each recipient, and refuse those that are too many."""
    user = rcpt.sender.user
    if user is None:
        return None
    so_far = await store.add(user, 1, settings.within)
    if so_far > settings.recipients:
        return Tempfail("4.7.1 Too many recipients, try again later", because=f"{user} has {so_far}")
    counted.recipients.append(rcpt.address.text)
    return None


@app.on
async def give_back(msg: Message, settings: Settings, store: Store, counted: Counted) -> None:
    """Do not count what a user sends to himself."""
    user = msg.sender.user
    own = [address for address in counted.recipients if address.partition("@")[0] == user]
    if user is not None and own:
        await store.add(user, -len(own), settings.within)
