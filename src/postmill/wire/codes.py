"""Letters, flags and numbers of the milter protocol (protocol §2.1, §3.1, §4.1, §4.2, §4.6).

Names are those of libmilter without their ``SMFIC_``, ``SMFIR_``, ``SMFIF_`` and ``SMFIP_`` prefixes.
Which letter is allowed when does not belong here: see ``wire.states``.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Command(IntEnum):
    """What an MTA says to a filter (protocol §2.1); the value is the code byte."""

    OPTNEG = ord("O")
    MACRO = ord("D")
    CONNECT = ord("C")
    HELO = ord("H")
    MAIL = ord("M")
    RCPT = ord("R")
    DATA = ord("T")
    HEADER = ord("L")
    EOH = ord("N")
    BODY = ord("B")
    BODYEOB = ord("E")
    ABORT = ord("A")
    QUIT = ord("Q")
    QUIT_NC = ord("K")
    UNKNOWN = ord("U")


class Reply(IntEnum):
    """What a filter says to an MTA (protocol §3.1); the value is the code byte."""

    CONTINUE = ord("c")
    ACCEPT = ord("a")
    REJECT = ord("r")
    TEMPFAIL = ord("t")
    DISCARD = ord("d")
    REPLYCODE = ord("y")
    SKIP = ord("s")
    PROGRESS = ord("p")
    SHUTDOWN = ord("4")
    CONN_FAIL = ord("f")
    ADDHEADER = ord("h")
    INSHEADER = ord("i")
    CHGHEADER = ord("m")
    REPLBODY = ord("b")
    ADDRCPT = ord("+")
    ADDRCPT_PAR = ord("2")
    DELRCPT = ord("-")
    CHGFROM = ord("e")
    QUARANTINE = ord("q")
    SETSYMLIST = ord("l")
    OPTNEG = ord("O")


class Action(IntFlag):
    """What a filter may do to a message (protocol §4.1)."""

    ADDHDRS = 0x001
    CHGBODY = 0x002
    ADDRCPT = 0x004
    DELRCPT = 0x008
    CHGHDRS = 0x010
    QUARANTINE = 0x020
    CHGFROM = 0x040
    ADDRCPT_PAR = 0x080
    SETSYMLIST = 0x100


class Protocol(IntFlag):
    """Events and replies that are left out, and other capabilities (protocol §4.2)."""

    NOCONNECT = 0x000001
    NOHELO = 0x000002
    NOMAIL = 0x000004
    NORCPT = 0x000008
    NOBODY = 0x000010
    NOHDRS = 0x000020
    NOEOH = 0x000040
    NR_HDR = 0x000080
    NOUNKNOWN = 0x000100
    NODATA = 0x000200
    SKIP = 0x000400
    RCPT_REJ = 0x000800
    NR_CONN = 0x001000
    NR_HELO = 0x002000
    NR_MAIL = 0x004000
    NR_RCPT = 0x008000
    NR_DATA = 0x010000
    NR_UNKN = 0x020000
    NR_EOH = 0x040000
    NR_BODY = 0x080000
    HDR_LEADSPC = 0x100000
    MDS_256K = 0x10000000
    MDS_1M = 0x20000000
    TEST = 0x80000000


class MacroStage(IntEnum):
    """Stages of a symbol list; mind that EOM comes before EOH (protocol §4.6)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    EOM = 5
    EOH = 6


COMMAND_LETTERS = frozenset(int(command) for command in Command)
REPLY_LETTERS = frozenset(int(reply) for reply in Reply)

VERSION = 6
"""The protocol version that Postmill speaks; versions 2, 3 and 4 are understood, 5 never existed."""

ALL_ACTIONS = 0x1FF
ALL_PROTOCOL = 0x1FFFFF

CHUNK = 65535
"""Most data bytes (code byte not counted) that a packet we write may carry (protocol §1.2)."""

VERSION_PROTOCOL = {2: 0x7F, 3: 0x17F, 4: 0x37F, 6: ALL_PROTOCOL}
"""Protocol flags that exist in each version (protocol §4.2)."""
