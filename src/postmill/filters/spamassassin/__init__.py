"""The filter ``spamassassin``: shows each message to SpamAssassin's spamd and takes over what it says.

It is what spamass-milter is, with spamd as the only other program: the same headers, the same refusals, and
several spamd in turn. Unlike there, a message that no spamd could look at does not pass as if it were clean:
what becomes of it says ``on_error``.
"""

from __future__ import annotations

from postmill.api import Accept, Address, Client, Clock, Edit, Message, Milter, Reject, Sender, Verdict
from postmill.filters.spamassassin.envelope import content, exactly, prelude, user_of
from postmill.filters.spamassassin.expansion import expanded
from postmill.filters.spamassassin.policy import Policy, Settings
from postmill.filters.spamassassin.rewriting import clean, forget, rewrite
from postmill.filters.spamassassin.spamd import Question, ask

app = Milter("spamassassin", Settings)


@app.prepare
def prepare(settings: Settings) -> Policy:
    """Check the texts, and know where spamd is."""
    return Policy(settings)


@app.longest(Message)
def longest(settings: Settings, policy: Policy) -> float:
    """Every spamd may be asked before one has an answer."""
    return policy.spamd.longest(policy.settings.patience)


@app.on(where=lambda policy: bool(policy.settings.ignore))
async def ignored(client: Client, policy: Policy) -> Verdict | None:
    """Leave connections from networks alone that need not be looked at."""
    return Accept("from an ignored network") if policy.ignores(client) else None


@app.on(where=lambda policy: policy.settings.skip_authenticated)
async def trusted(sender: Sender, policy: Policy) -> Verdict | None:
    """Leave mail of users who logged in alone, if so wanted."""
    return None if sender.user is None else Accept(f"user {sender.user}")


@app.on
async def look(msg: Message, policy: Policy, clock: Clock, edit: Edit) -> Verdict | None:
    """Have the message judged."""
    settings = policy.settings
    if settings.max_size and msg.size > settings.max_size:
        if settings.modify != "nothing":
            forget(msg, edit)
        return Accept(f"not looked at: {msg.size} bytes are more than max_size")
    command = "PROCESS" if settings.modify == "all" else "HEADERS"
    recipients = [recipient.address for recipient in msg.envelope.recipients]
    user = user_of(await expanded(recipients, settings.expand), settings)
    question = Question(command, prelude(msg, clock.now()) + content(msg), user)
    request = question.encode()
    said = await policy.spamd.ask(lambda wire: ask(wire, request), settings.patience)
    because = f"score {said.score:g}, spam from {said.threshold:g} on"
    if policy.rejects(said):
        return Reject(settings.reject_text, because)
    if settings.modify != "nothing":
        rewrite(msg, said.message, settings.modify == "all", edit)
    if said.is_spam and settings.spam_to:
        _redirect(msg, settings, edit)
    return Accept(because) if said.is_spam else None


def _redirect(msg: Message, settings: Settings, edit: Edit) -> None:
    """Send spam to somebody who wants to have it, instead of or besides those it is for."""
    recipients = [recipient.address for recipient in msg.envelope.recipients]
    to = Address.parse(settings.spam_to)
    others = [address for address in recipients if address.raw.lower() != to.raw.lower()]
    if len(others) == len(recipients):
        edit.add_recipient(to.text)
    if settings.spam_copy:
        return
    for address in others:
        edit.delete_recipient(address)
    for address in recipients:
        edit.add_header("X-Spam-Orig-To", clean(f"<{exactly(address)}>"))
