"""The scripted child over real sockets: recording, rules, steps, restarts. Bytes are written by hand."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
import time

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.script import (
    Close,
    Default,
    Delay,
    HalfClose,
    Negotiation,
    Reset,
    Rule,
    Script,
    Send,
    StopAnswering,
    Trickle,
)
from postmill.wire.codes import Protocol
from postmill.wire.framing import FrameReader, frame

OFFER = frame(ord("O"), struct.pack(">III", 6, 0x1FF, 0x1FFFFF))
MAIL = frame(ord("M"), b"<a@example.com>\0")
CONT = frame(ord("c"))


class Peer:
    """A raw MTA: bytes out, packets in."""

    def __init__(self, child: ScriptedChild) -> None:
        family = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}[
            child.endpoint.kind
        ]
        self.sock = socket.socket(family)
        self.sock.settimeout(10)
        unix = child.endpoint.kind == "unix"
        try:
            self.sock.connect(child.endpoint.path if unix else (child.endpoint.host, child.endpoint.port))
        except OSError:
            self.sock.close()
            raise
        self.reader = FrameReader()
        self.packets: list[tuple[int, bytes]] = []

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def ask(self, data: bytes) -> tuple[str, bytes]:
        self.sock.sendall(data)
        return self.receive()

    def receive(self) -> tuple[str, bytes]:
        while not self.packets:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.packets += self.reader.feed(data)
        letter, payload = self.packets.pop(0)
        return chr(letter), payload

    def rest(self) -> bytes:
        data = b""
        while more := self.sock.recv(65536):
            data += more
        return data


def session(child: ScriptedChild, letters: str) -> list[str]:
    """Send bare packets of these letters after OPTNEG, collect one answer for each."""
    with Peer(child) as peer:
        peer.ask(OFFER)
        return [peer.ask(frame(ord(letter), b"x\0"))[0] for letter in letters]


@pytest.mark.parametrize("endpoint", [None, "inet:0@127.0.0.1", "inet6:0@::1"])
def test_answers_continue_and_records(endpoint: str | None) -> None:
    with ScriptedChild(endpoint=endpoint) as child:
        with Peer(child) as peer:
            assert peer.ask(OFFER) == ("O", struct.pack(">III", 6, 0x1FF, 0))
            assert peer.ask(frame(ord("D"), b"Mi\0Q1\0{mail_addr}\0a@b\0") + MAIL) == ("c", b"")
            peer.sock.sendall(frame(ord("Q")))
            assert peer.rest() == b""
        child.wait_closed()
        assert child.letters() == "OMQ"
        mail = child.wait_for(lambda event: event.code == "M")
        assert mail.macros == ((b"i", b"Q1"), (b"{mail_addr}", b"a@b"))
        assert mail.macro("mail_addr") == mail.macro("{mail_addr}") == b"a@b"
        assert mail.macro("{i}") == b"Q1"
        assert mail.payload == b"<a@example.com>\0"
        assert child.events[0].macros is None
        assert [chr(packet.letter) for packet in child.packets] == list("ODMQ")
        assert [(c.number, c.how) for c in child.connections] == [(1, "quit")]


def test_macros_for_another_event_are_not_hung_on_this_one() -> None:
    with ScriptedChild() as child:
        with Peer(child) as peer:
            peer.ask(OFFER)
            peer.ask(frame(ord("D"), b"Ri\0Q1\0") + MAIL)
            peer.ask(frame(ord("D"), b"M") + MAIL)
        child.wait_closed()
        assert [event.macros for event in child.events[1:]] == [None, ()]


def test_rules_choose_by_connection_message_and_occurrence() -> None:
    reject, tempfail, accept, skip = (Send(frame(ord(letter))) for letter in "rtas")
    script = Script(
        rules=[
            Rule("R", (reject,), nth=2, message=1),
            Rule("R", (tempfail,), message=2),
            Rule("M", (accept,), connection=2),
            Rule("LN", (skip,), every=2),
            Rule("U", (reject,), containing=b"EXPN"),
        ]
    )
    with ScriptedChild(script) as child:
        assert session(child, "CHMRRRTLNEMRTE") == list("ccccrcccccctcc")
        assert session(child, "MRRNL") == list("acrss")
        with Peer(child) as peer:
            peer.ask(OFFER)
            assert peer.ask(frame(ord("U"), b"EXPN\0"))[0] == "r"
            assert peer.ask(frame(ord("U"), b"HELP\0"))[0] == "c"
        child.wait_closed(3)
        assert [event.message for event in child.events if event.connection == 1] == [0] * 3 + [1] * 8 + [
            2
        ] * 4


def test_a_message_without_mail_is_counted_too() -> None:
    with ScriptedChild(Script(rules=[Rule("L", (Send(frame(ord("r"))),), message=2)])) as child:
        assert session(child, "LLELE") == list("cccrc")


def test_no_reply_flags_are_honoured_unless_forced() -> None:
    nr = Negotiation(protocol=Protocol.NR_RCPT | Protocol.NR_HDR)
    reject = Send(frame(ord("r")))
    with ScriptedChild(Script(nr, [Rule("R", (reject,))])) as child, Peer(child) as peer:
        assert peer.ask(OFFER)[1][8:] == struct.pack(">I", Protocol.NR_RCPT | Protocol.NR_HDR)
        peer.sock.sendall(frame(ord("R"), b"r\0") + frame(ord("L"), b"a\0b\0"))
        assert peer.ask(frame(ord("E"))) == ("c", b"")
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.rest() == b""
    with ScriptedChild(Script(nr, [Rule("R", (reject,), forced=True)])) as child, Peer(child) as peer:
        peer.ask(OFFER)
        assert peer.ask(frame(ord("R"), b"r\0")) == ("r", b"")


def test_negotiation_is_fitted_to_the_offer_or_sent_as_it_stands() -> None:
    small = frame(ord("O"), struct.pack(">III", 2, 0x3F, 0x7F))
    with ScriptedChild(Script(Negotiation(protocol=0x1FFFFF))) as child, Peer(child) as peer:
        assert peer.ask(small)[1] == struct.pack(">III", 2, 0x3F, 0x7F)
    exact = Negotiation(7, 0x1FFF, 0x30200000, ((5, b"i {client_addr}"),), fit=False, extra=b"!!")
    with ScriptedChild(Script(exact)) as child, Peer(child) as peer:
        want = struct.pack(">IIII", 7, 0x1FFF, 0x30200000, 5) + b"i {client_addr}\0!!"
        assert peer.ask(small) == ("O", want)
    with ScriptedChild(Script(Negotiation(steps=(Send(b"junk"), Close())))) as child, Peer(child) as peer:
        peer.sock.sendall(small)
        assert peer.rest() == b"junk"


def test_many_replies_half_a_packet_then_close() -> None:
    edits = frame(ord("h"), b"X-A\x001\0") + frame(ord("q"), b"virus\0")
    script = Script(
        rules=[
            Rule("E", (Send(edits), Send(CONT), Send(CONT))),
            Rule("H", (Default(), Send(b"\0\0\0"), Close())),
        ]
    )
    with ScriptedChild(script) as child:
        with Peer(child) as peer:
            peer.ask(OFFER)
            answers = [peer.ask(frame(ord("E"))), *(peer.receive() for _ in range(3))]
            assert answers == [("h", b"X-A\x001\0"), ("q", b"virus\0"), ("c", b""), ("c", b"")]
            peer.sock.sendall(frame(ord("H"), b"h\0"))
            assert peer.rest() == CONT + b"\0\0\0"
        child.wait_closed()
        assert child.connections[0].how == "script"


def test_delay_and_trickle_keep_the_order_of_events() -> None:
    script = Script(rules=[Rule("M", (Delay(0.05), Default())), Rule("R", (Trickle(CONT, 0.01), Send(CONT)))])
    with ScriptedChild(script) as child, Peer(child) as peer:
        peer.ask(OFFER)
        begin = time.monotonic()
        peer.sock.sendall(MAIL + frame(ord("R"), b"r\0") + frame(ord("T")))
        assert [peer.receive()[0] for _ in range(4)] == list("cccc")
        assert time.monotonic() - begin >= 0.1
        assert child.letters() == "OMRT"


def test_silence_half_close_reset_and_close_on_accept() -> None:
    with ScriptedChild(Script(rules=[Rule("M", (StopAnswering(),))])) as child, Peer(child) as peer:
        peer.ask(OFFER)
        peer.sock.sendall(MAIL + frame(ord("R"), b"r\0"))
        child.wait_for(lambda event: event.code == "R")
        peer.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.sock.recv(1)
    with ScriptedChild(Script(rules=[Rule("M", (Default(), HalfClose()))])) as child, Peer(child) as peer:
        peer.ask(OFFER)
        peer.sock.sendall(MAIL)
        assert peer.rest() == CONT
        peer.sock.sendall(frame(ord("R"), b"r\0"))
        child.wait_for(lambda event: event.code == "R")
    reset = Script(rules=[Rule("M", (Reset(),))])
    with ScriptedChild(reset, "inet:0@127.0.0.1") as child, Peer(child) as peer:
        peer.ask(OFFER)
        peer.sock.sendall(MAIL)
        with pytest.raises(ConnectionResetError):
            peer.rest()
    with ScriptedChild(Script(rules=[Rule("^", (Close(),), connection=1)])) as child:
        with Peer(child) as peer:
            assert peer.rest() == b""
        with Peer(child) as peer:
            assert peer.ask(OFFER)[0] == "O"


def test_last_words_of_an_mta_that_is_gone_before_our_answer_are_heard() -> None:
    """The answer cannot be written any more; ABORT and QUIT wait in the socket."""
    gone = threading.Event()
    with ScriptedChild(Script(rules=[Rule("M", lambda event: (gone.wait(10), [Default()])[1])])) as child:
        with Peer(child) as peer:
            peer.ask(OFFER)
            peer.sock.sendall(MAIL)
            child.wait_for(lambda event: event.code == "M")
            peer.sock.sendall(frame(ord("A")) + frame(ord("Q")))
        gone.set()
        child.wait_closed()
        assert child.letters() == "OMAQ"
        assert child.connections[0].how == "quit"


def test_an_answer_larger_than_the_buffers_arrives_whole() -> None:
    big = frame(ord("b"), b"x" * 5_000_000)
    with ScriptedChild(Script(rules=[Rule("E", (Send(big), Default()))])) as child, Peer(child) as peer:
        peer.ask(OFFER)
        assert peer.ask(frame(ord("E"))) == ("b", b"x" * 5_000_000)
        assert peer.receive() == ("c", b"")


def test_a_broken_packet_ends_the_connection_even_behind_good_ones() -> None:
    with ScriptedChild() as child:
        with Peer(child) as peer:
            peer.sock.sendall(OFFER + b"\0\0\0\0")
            peer.rest()
        with Peer(child) as peer:
            peer.ask(OFFER)
            peer.sock.sendall(b"\0\0\0\x09Mab")
        child.wait_closed(2)
        assert [(c.how, c.pending) for c in child.connections] == [("error", 4), ("eof", 7)]


def test_steps_may_be_computed_from_the_event() -> None:
    script = Script(
        rules=[Rule("R", lambda event: [Send(frame(ord("y"), b"550 5.7.1 no " + event.payload))])]
    )
    with ScriptedChild(script) as child, Peer(child) as peer:
        peer.ask(OFFER)
        assert peer.ask(frame(ord("R"), b"bob\0")) == ("y", b"550 5.7.1 no bob\0")


@pytest.mark.parametrize("endpoint", [None, "inet:0@127.0.0.1"])
def test_stops_and_starts_again_on_the_same_endpoint(endpoint: str | None) -> None:
    child = ScriptedChild(endpoint=endpoint)
    try:
        child.start()
        place = child.endpoint
        with Peer(child) as peer:
            peer.ask(OFFER)
            child.stop()
            with pytest.raises((EOFError, ConnectionError)):
                peer.receive()
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            Peer(child)
        child.start()
        assert child.endpoint == place
        with Peer(child) as peer:
            peer.ask(OFFER)
            child.drop_connections()
            with pytest.raises((EOFError, ConnectionError)):
                peer.receive()
        with Peer(child) as peer:
            peer.ask(OFFER)
        child.wait_closed(3)
        assert [c.number for c in child.connections] == [1, 2, 3]
    finally:
        child.close()
    assert place.kind != "unix" or not os.path.exists(os.path.dirname(place.path))


def test_the_socket_is_reachable_by_daemons_under_other_users() -> None:
    with ScriptedChild(mode=0o666) as child:
        assert stat.S_IMODE(os.stat(child.endpoint.path).st_mode) == 0o666
        assert stat.S_IMODE(os.stat(os.path.dirname(child.endpoint.path)).st_mode) == 0o755


def test_hundreds_of_connections_at_once() -> None:
    with ScriptedChild() as child:
        peers = [Peer(child) for _ in range(300)]
        for peer in peers:
            peer.sock.sendall(OFFER + MAIL)
        assert all([peer.receive()[0], peer.receive()[0]] == ["O", "c"] for peer in peers)
        assert child.open_connections == 300
        for peer in peers:
            peer.sock.close()
        child.wait_closed(300)
        assert sorted(c.number for c in child.connections) == list(range(1, 301))


def test_waiting_in_vain_says_what_was_seen() -> None:
    with ScriptedChild() as child:
        with Peer(child) as peer:
            peer.ask(OFFER)
        with pytest.raises(TimeoutError, match="saw 'O'"):
            child.wait_for(lambda event: event.code == "Z", timeout=0.05)
        with pytest.raises(TimeoutError):
            child.wait_until(lambda: False, timeout=0.05)
