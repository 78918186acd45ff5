"""Hypothesis strategies for packets that can be expressed."""

from __future__ import annotations

from hypothesis import strategies as st

from postmill.wire.commands import FAMILIES, MACRO_COMMANDS
from postmill.wire.packets import (
    Abort,
    Accept,
    AddHeader,
    AddRcpt,
    AddRcptPar,
    Body,
    BodyEob,
    ChangeFrom,
    ChangeHeader,
    CommandPacket,
    Connect,
    ConnFail,
    Continue,
    Data,
    DelRcpt,
    Discard,
    Eoh,
    Header,
    Helo,
    InsertHeader,
    Macro,
    Mail,
    OptNeg,
    Progress,
    Quarantine,
    Quit,
    QuitNc,
    Rcpt,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Skip,
    Tempfail,
    Unknown,
)

strings = st.binary(max_size=60).map(lambda data: data.replace(b"\0", b""))
args = st.lists(strings, max_size=3).map(tuple)
raw = st.binary(max_size=300)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
header_names = st.text("abcXYZ-09éß", min_size=1, max_size=12).map(str.encode)
pairs = st.lists(st.tuples(strings, strings), max_size=3).map(tuple)
symlists = st.lists(st.tuples(u32, strings), max_size=3).map(tuple)

commands: st.SearchStrategy[CommandPacket] = st.one_of(
    st.builds(OptNeg, u32, u32, u32),
    st.builds(Macro, st.sampled_from(sorted(MACRO_COMMANDS)), pairs),
    st.builds(Connect, strings, st.sampled_from(sorted(FAMILIES - {b"U"})), u16, strings),
    st.builds(Connect, strings),
    st.builds(Helo, strings),
    st.builds(Mail, strings, args),
    st.builds(Rcpt, strings, args),
    st.builds(Header, strings, strings),
    st.builds(Body, raw),
    st.builds(BodyEob, raw),
    st.builds(Unknown, strings),
    st.sampled_from([Data(), Eoh(), Abort(), Quit(), QuitNc()]),
)

replies: st.SearchStrategy[ReplyPacket] = st.one_of(
    st.builds(OptNeg, u32, u32, u32, symlists),
    st.builds(ReplyCode, strings),
    st.builds(AddHeader, header_names, strings),
    st.builds(InsertHeader, u32, header_names, strings),
    st.builds(ChangeHeader, u32, header_names, strings),
    st.builds(ReplaceBody, raw),
    st.builds(AddRcpt, strings),
    st.builds(AddRcptPar, strings, st.none() | strings),
    st.builds(DelRcpt, strings),
    st.builds(ChangeFrom, strings, st.none() | strings),
    st.builds(Quarantine, strings),
    st.sampled_from(
        [Continue(), Accept(), Reject(), Tempfail(), Discard(), Skip(), Progress(), Shutdown(), ConnFail()]
    ),
)
