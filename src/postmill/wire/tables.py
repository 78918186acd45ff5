"""Who may say what when, as data (protocol §2.1, §3.1, §3.2, §4.2, §4.6).

Sets are written as "everything minus", so that a letter which is forgotten is allowed nowhere rather than
missing somewhere. The code that applies the tables is in ``wire.states``.
"""

from __future__ import annotations

from postmill.wire.codes import Action, Command, MacroStage, Protocol, Reply

NO_FLAG: dict[int, Protocol] = {
    Command.CONNECT: Protocol.NOCONNECT,
    Command.HELO: Protocol.NOHELO,
    Command.MAIL: Protocol.NOMAIL,
    Command.RCPT: Protocol.NORCPT,
    Command.DATA: Protocol.NODATA,
    Command.UNKNOWN: Protocol.NOUNKNOWN,
    Command.HEADER: Protocol.NOHDRS,
    Command.EOH: Protocol.NOEOH,
    Command.BODY: Protocol.NOBODY,
}
"""The flag that keeps an event from being sent; the end of a message cannot be switched off."""

NR_FLAG: dict[int, Protocol] = {
    Command.CONNECT: Protocol.NR_CONN,
    Command.HELO: Protocol.NR_HELO,
    Command.MAIL: Protocol.NR_MAIL,
    Command.RCPT: Protocol.NR_RCPT,
    Command.DATA: Protocol.NR_DATA,
    Command.UNKNOWN: Protocol.NR_UNKN,
    Command.HEADER: Protocol.NR_HDR,
    Command.EOH: Protocol.NR_EOH,
    Command.BODY: Protocol.NR_BODY,
}
"""The flag that keeps an event from being answered."""

SINCE_VERSION: dict[int, int] = {Command.UNKNOWN: 3, Command.DATA: 4, Command.QUIT_NC: 6}
"""The version a command was born with; the others are as old as the protocol."""

MACRO_STAGE: dict[int, MacroStage] = {
    Command.CONNECT: MacroStage.CONNECT,
    Command.HELO: MacroStage.HELO,
    Command.MAIL: MacroStage.MAIL,
    Command.RCPT: MacroStage.RCPT,
    Command.DATA: MacroStage.DATA,
    Command.HEADER: MacroStage.EOH,
    Command.EOH: MacroStage.EOH,
    Command.BODY: MacroStage.EOM,
    Command.BODYEOB: MacroStage.EOM,
}
"""The symbol list that rules the macros of an event; UNKNOWN has none."""

EVERY_COMMAND = frozenset(Command)
NEVER_ANSWERED = frozenset({Command.MACRO, Command.ABORT, Command.QUIT, Command.QUIT_NC})
EVENTS = EVERY_COMMAND - NEVER_ANSWERED - {Command.OPTNEG}
"""Commands that carry something from the SMTP session and are answered by a verdict."""

EVERY_REPLY = frozenset(Reply)
NO_MTA_TAKES = frozenset({Reply.CONN_FAIL, Reply.SETSYMLIST})
EDITS = frozenset(
    {
        Reply.ADDHEADER,
        Reply.INSHEADER,
        Reply.CHGHEADER,
        Reply.REPLBODY,
        Reply.ADDRCPT,
        Reply.ADDRCPT_PAR,
        Reply.DELRCPT,
        Reply.CHGFROM,
    }
)
ASYNCHRONOUS = frozenset({Reply.PROGRESS, Reply.QUARANTINE})
"""Replies after which the verdict is still to come, besides the edits."""

VERDICTS = EVERY_REPLY - EDITS - ASYNCHRONOUS - NO_MTA_TAKES - {Reply.OPTNEG}
"""Replies that end the wait for one event."""

_TO_ANY_EVENT = VERDICTS | ASYNCHRONOUS

ALLOWED_REPLIES: dict[int, frozenset[Reply]] = {
    command: (
        frozenset()
        if command in NEVER_ANSWERED
        else frozenset({Reply.OPTNEG})
        if command is Command.OPTNEG
        else _TO_ANY_EVENT | EDITS
        if command is Command.BODYEOB
        else _TO_ANY_EVENT
    )
    for command in Command
}
"""What a filter may answer to each command, read as liberally as Postfix does (protocol §3.2)."""

ACTION_NEEDED: dict[int, Action] = {
    Reply.ADDHEADER: Action.ADDHDRS,
    Reply.INSHEADER: Action.ADDHDRS,
    Reply.CHGHEADER: Action.CHGHDRS,
    Reply.REPLBODY: Action.CHGBODY,
    Reply.ADDRCPT: Action.ADDRCPT,
    Reply.ADDRCPT_PAR: Action.ADDRCPT_PAR,
    Reply.DELRCPT: Action.DELRCPT,
    Reply.CHGFROM: Action.CHGFROM,
    Reply.QUARANTINE: Action.QUARANTINE,
}
"""The action flag that a filter must have negotiated for an edit."""
