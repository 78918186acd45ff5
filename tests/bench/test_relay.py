"""The plain relay is a fair yardstick only if it does the work: packets raw, children in turn, edits passed on."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bench.generator import Generator
from bench.null_child import CONTINUE, PROFILES, NullChild, address, listen
from bench.processes import relay
from bench.relay import cut
from bench.transaction import OFFER, packet, standard

MAIL = packet("D", b"M{mail_addr}\0a\0") + packet("M", b"<a>\0")


def reply(version: int = 6, actions: int = 0, protocol: int = 0) -> bytes:
    return packet("O", struct.pack(">III", version, actions, protocol))


class Scripted:
    """A milter that keeps what it reads and gives the answers of a table, each letter's own."""

    def __init__(self, endpoint: str, negotiation: bytes = reply(), **answers: bytes) -> None:
        self.heard = b""
        self.listener = listen(endpoint)
        self.endpoint = address(self.listener)
        self._answers = {"O": negotiation, **answers}
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        rest = b""
        with connection:
            while data := connection.recv(65536):
                self.heard += data
                packets, rest = cut(rest + data)
                for code, _ in packets:
                    if chr(code) not in "DAQ":
                        connection.sendall(self._answers.get(chr(code), CONTINUE))

    def letters(self) -> str:
        return "".join(chr(code) for code, _ in cut(self.heard)[0])


@contextmanager
def scripted(kind: str, tmp_path: Path, *milters: tuple[bytes, dict[str, bytes]]) -> Iterator[list[Scripted]]:
    running = [
        Scripted(f"unix:{tmp_path}/{n}" if kind == "unix" else "inet:0@127.0.0.1", negotiation, **answers)
        for n, (negotiation, answers) in enumerate(milters)
    ]
    yield running
    for milter in running:
        milter.thread.join(10)
        milter.listener.close()
        assert not milter.thread.is_alive()


@contextmanager
def mta(milters: Sequence[Scripted], kind: str = "unix") -> Iterator[Callable[[bytes], bytes]]:
    """Run the relay before these and yield what writes to it and returns the next packets."""
    with relay(kind, [milter.endpoint for milter in milters]) as running:
        family, where = running.target
        with socket.socket(family) as connection:
            connection.settimeout(10)
            connection.connect(where)

            def ask(data: bytes) -> bytes:
                connection.sendall(data)
                return connection.recv(65536)

            yield ask
            connection.sendall(packet("Q"))
            assert connection.recv(1) == b""


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_packets_are_passed_on_raw_and_in_turn(tmp_path: Path, kind: str) -> None:
    with scripted(kind, tmp_path, (reply(), {}), (reply(), {})) as milters:
        with mta(milters, kind) as ask:
            assert ask(OFFER) == reply()
            assert ask(packet("C", b"localhost\0U")) == CONTINUE
            assert ask(MAIL) == CONTINUE
        for milter in milters:
            milter.thread.join(10)
            assert milter.heard == OFFER + packet("C", b"localhost\0U") + MAIL + packet("Q")


def test_the_first_answer_other_than_continue_wins_and_ends_the_round(tmp_path: Path) -> None:
    refusal = packet("y", b"550 5.7.1 no\0")
    milters = [(reply(), {}), (reply(), {"M": refusal}), (reply(), {"M": packet("r")})]
    with scripted("unix", tmp_path, *milters) as (first, second, third):
        with mta([first, second, third]) as ask:
            assert ask(OFFER) == reply()
            assert ask(MAIL) == refusal
            assert ask(packet("H", b"x\0")) == CONTINUE
        third.thread.join(10)
        assert [milter.letters() for milter in (first, second, third)] == ["ODMHQ", "ODMHQ", "OHQ"]


def test_edits_go_with_the_verdict(tmp_path: Path) -> None:
    edits = [packet("h", b"X-1\0a\0"), packet("h", b"X-2\0b\0")]
    milters = [(reply(), {"E": edit + CONTINUE}) for edit in edits]
    with scripted("unix", tmp_path, *milters) as running, mta(running) as ask:
        ask(OFFER)
        assert ask(packet("E")) == b"".join(edits) + CONTINUE


def test_the_answers_are_merged_and_each_is_shown_what_it_wants(tmp_path: Path) -> None:
    milters = [(reply(6, 0x101, 0x4002), {"M": b""}), (reply(4, 0x10, 0x2), {})]
    with scripted("unix", tmp_path, *milters) as (first, second):
        with mta([first, second]) as ask:
            assert ask(OFFER) == reply(4, 0x11, 0x2)
            assert [ask(packet(letter, b"x\0")) for letter in "HMR"] == [CONTINUE] * 3
        second.thread.join(10)
        assert (first.letters(), second.letters()) == ("OMRQ", "OMRQ")


@pytest.mark.parametrize("profile", PROFILES)
def test_it_serves_the_sessions_of_the_generator(tmp_path: Path, profile: str) -> None:
    with ExitStack() as stack:
        endpoints = []
        for number in range(3):
            listener = listen(f"unix:{tmp_path}/{number}")
            stack.callback(listener.close)
            endpoints.append(address(listener))
            threading.Thread(target=NullChild(listener, PROFILES[profile]).serve, daemon=True).start()
        running = stack.enter_context(relay("unix", endpoints))
        outcome = Generator(standard(), [running.target], concurrency=5, sessions=20).run()
    assert (len(outcome.latencies), outcome.errors) == (20, {})
    assert outcome.edits == (60 if profile == "adds-header" else 0)


def test_a_milter_that_goes_away_ends_the_session(tmp_path: Path) -> None:
    listener = listen(f"unix:{tmp_path}/gone")

    def leave() -> None:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.close()

    thread = threading.Thread(target=leave)
    thread.start()
    with relay("unix", [address(listener)]) as running:
        outcome = Generator(standard(), [running.target], concurrency=1, sessions=1).run()
    thread.join(10)
    listener.close()
    assert outcome.errors == {"closed instead of answering O": 1}
