"""Rules of the house: an internal list is for users who logged in, and mail from outside is marked."""

from postmill.api import HeaderEdit, Message, Milter, Recipient, Reject, Verdict

app = Milter("house-rules")


@app.on
async def members_only(rcpt: Recipient) -> Verdict | None:
    """Let only users who logged in write to the staff."""
    if rcpt.address.domain == "staff.example" and rcpt.sender.user is None:
        return Reject("5.7.1 Authentication required", because="list is internal")
    return None


@app.on
async def mark_external(msg: Message, edit: HeaderEdit) -> None:
    """Mark what came from outside."""
    if msg.sender.user is None:
        edit.add_header("X-External", "yes")
