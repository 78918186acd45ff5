"""The filter ``clamav``: shows each message to ClamAV's clamd and does with a virus what it was told.

It is what clamav-milter is, with clamd as the only other program: reads its configuration, too (``conf``),
tries several clamd in turn, and waits for one that is being restarted. What becomes of mail that no clamd can
look at says ``on_error``, or where that is not given OnFail in clamav-milter's file.
"""

from __future__ import annotations

from postmill.api import (
    Accept,
    Client,
    Discard,
    Envelope,
    HeaderEdit,
    Message,
    Milter,
    Quarantine,
    Reject,
    Sender,
    Tempfail,
    Verdict,
)
from postmill.filters.clamav.action import act
from postmill.filters.clamav.clamd import FROM, scan
from postmill.filters.clamav.conf import settings_from
from postmill.filters.clamav.policy import Policy, Settings, policy_of
from postmill.filters.clamav.report import infected_headers

app = Milter("clamav", Settings)


@app.prepare
def prepare(settings: Settings) -> Policy:
    """Read the file of clamav-milter, if there is one, and the lists."""
    return policy_of(settings_from(settings.file, settings) if settings.file else settings)


@app.longest(Message)
def longest(settings: Settings, policy: Policy) -> float:
    """Every clamd may be asked before one has an answer."""
    return policy.clamd.longest(policy.settings.patience)


@app.on_error
def on_fail(policy: Policy) -> str:
    """Do as clamav-milter's file says."""
    return policy.on_fail


@app.on(where=lambda policy: policy.knows_clients)
async def local(client: Client, policy: Policy) -> Verdict | None:
    """Leave connections from networks alone that need not be looked at."""
    return Accept("from a local network") if policy.is_local(client) else None


@app.on(where=lambda policy: policy.knows_senders)
async def trusted(sender: Sender, policy: Policy) -> Verdict | None:
    """Leave mail alone of users and senders that need not be looked at."""
    if policy.skips_user(sender.user):
        return Accept(f"user {sender.user}")
    return Accept("the sender is on the list") if policy.allows_sender(sender.address.text) else None


@app.on(where=lambda policy: policy.knows_recipients)
async def wanted(envelope: Envelope, policy: Policy) -> Verdict | None:
    """Leave mail alone all of whose recipients want it as it is."""
    addresses = [recipient.address.text for recipient in envelope.recipients]
    return Accept("the recipients are on the list") if policy.allows_recipients(addresses) else None


@app.on
async def look(msg: Message, policy: Policy, edit: HeaderEdit) -> Verdict | None:
    """Have the message scanned."""
    settings = policy.settings
    most = max(settings.max_file_size - len(FROM), 0) if settings.max_file_size else msg.size
    shown = msg.raw[:most]
    virus = await policy.clamd.ask(lambda wire: scan(wire, shown), settings.patience)
    if virus is None:
        whole = msg.size <= most
        _mark(msg, policy, edit, "Clean" if whole else f"Clean (the first {most} bytes)")
        return Accept("clean" if whole else f"only {most} of {msg.size} bytes were looked at")
    if settings.virus_action:
        await act(settings.virus_action, msg, virus, settings.each_recipient)
    _mark(msg, policy, edit, f"Infected ({virus})")
    return _verdict(settings, virus)


def _verdict(settings: Settings, virus: str) -> Verdict | None:
    because = f"virus {virus}"
    match settings.on_infected:
        case "reject":
            return Reject(settings.reject_text.replace("%v", virus), because)
        case "quarantine":
            return Quarantine(f"virus {virus}", because)
        case "tempfail":
            return Tempfail("", because)
        case "discard":
            return Discard(because)
        case _:
            return Accept(because)


def _mark(msg: Message, policy: Policy, edit: HeaderEdit, status: str) -> None:
    settings = policy.settings
    if settings.add_header == "no":
        return
    for name, value in infected_headers(settings.report_hostname or msg.client.macros.get("j", ""), status):
        if settings.add_header == "replace":
            for nth in range(len(msg.head.all(name)), 0, -1):
                edit.delete_header(name, nth)
        edit.add_header(name, value)
