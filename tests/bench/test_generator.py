"""Generator and null milter over real sockets: sessions end well, and every kind of fault is counted."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.generator import Generator, Target
from bench.null_child import PROFILES, NullChild, address, listen
from bench.transaction import OFFER, packet, standard

NEGOTIATED = packet("O", bytes.fromhex("000000060000000000000000"))


@contextmanager
def null_child(endpoint: str, profile: str) -> Iterator[Target]:
    listener = listen(endpoint)
    # a daemon thread: the loop serves until its process ends, and has no other way out
    threading.Thread(target=NullChild(listener, PROFILES[profile]).serve, daemon=True).start()
    yield Target.parse(address(listener))


@contextmanager
def clumsy_milter(endpoint: str, serve: Callable[[socket.socket], object]) -> Iterator[Target]:
    listener = listen(endpoint)

    def once() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            serve(connection)

    thread = threading.Thread(target=once)
    thread.start()
    yield Target.parse(address(listener))
    thread.join(10)
    listener.close()
    assert not thread.is_alive()


@pytest.fixture(params=["unix", "inet"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}/null.sock" if request.param == "unix" else "inet:0@127.0.0.1"


@pytest.mark.parametrize("profile", PROFILES)
def test_sessions_end_without_error(endpoint: str, profile: str) -> None:
    with null_child(endpoint, profile) as target:
        outcome = Generator(standard(), [target], concurrency=5, sessions=20).run()
    assert (len(outcome.latencies), outcome.errors) == (20, {})
    assert outcome.edits == (20 if profile == "adds-header" else 0)
    assert outcome.percentile(0) <= outcome.percentile(50) <= outcome.percentile(99)


def test_sessions_straight_to_three_milters_of_different_kinds(tmp_path: Path) -> None:
    with (
        null_child(f"unix:{tmp_path}/a", "plain") as a,
        null_child(f"unix:{tmp_path}/b", "no-reply") as b,
        null_child(f"unix:{tmp_path}/c", "skip") as c,
    ):
        outcome = Generator(standard(), [a, b, c], concurrency=3, sessions=9).run()
    assert (len(outcome.latencies), outcome.errors) == (9, {})


@pytest.mark.parametrize("letter", "CHMRTLNBE")
def test_parked_sessions_stay_open_until_released(tmp_path: Path, letter: str) -> None:
    with null_child(f"unix:{tmp_path}/a", "plain") as a, null_child(f"unix:{tmp_path}/b", "plain") as b:
        generator = Generator(standard(), [a, b], concurrency=4, sessions=4, park=letter)
        outcome = generator.run()
        assert (len(outcome.latencies), outcome.errors) == (4, {})
        assert len(generator.parked) == 4
        assert all(
            len(session.children) == 2 and session.children[1].fileno() > 0 for session in generator.parked
        )
        generator.release()
        assert not generator.parked


def answer_offer(reply: bytes) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        assert connection.recv(65536) == OFFER
        connection.sendall(reply)
        connection.recv(65536)

    return serve


def answer_then(reply: bytes) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        assert connection.recv(65536) == OFFER
        connection.sendall(NEGOTIATED)
        connection.recv(65536)
        connection.sendall(reply)
        connection.recv(65536)

    return serve


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (lambda connection: connection.recv(65536), "closed instead of answering O"),
        (answer_offer(packet("c")), "'c' instead of a negotiation answer"),
        (answer_offer(packet("O", b"\0")), "negotiation answer is too short"),
        (answer_then(packet("r")), "'r' in answer to C"),
        (answer_then(packet("h", b"X\0y\0")), "'h' in answer to C"),
        (answer_then(packet("c") * 2), "surplus packet"),
        (answer_then(packet("c") + b"\0"), "surplus packet"),
    ],
    ids=[
        "close",
        "no negotiation",
        "short negotiation",
        "reject",
        "edit too early",
        "two replies",
        "reply and a half",
    ],
)
def test_a_fault_is_counted(tmp_path: Path, serve: Callable[[socket.socket], object], error: str) -> None:
    with clumsy_milter(f"unix:{tmp_path}/clumsy", serve) as target:
        outcome = Generator(standard(), [target], concurrency=1, sessions=1).run()
    assert (dict(outcome.errors), outcome.latencies) == ({error: 1}, [])


def test_nobody_listening_is_counted_for_every_session(tmp_path: Path) -> None:
    outcome = Generator(
        standard(), [Target.parse(f"unix:{tmp_path}/none")], concurrency=10, sessions=3000
    ).run()
    assert dict(outcome.errors) == {"FileNotFoundError": 3000}


def test_a_continue_in_pieces_after_progress_is_a_continue(tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(NEGOTIATED[:3])
        connection.sendall(NEGOTIATED[3:])
        assert connection.recv(65536)
        connection.sendall(packet("p") + packet("c")[:2])
        connection.sendall(packet("c")[2:])
        assert connection.recv(65536).endswith(packet("H", b"client.example.com\0"))

    with clumsy_milter(f"unix:{tmp_path}/slow", serve) as target:
        outcome = Generator(standard(), [target], concurrency=1, sessions=1).run()
    assert dict(outcome.errors) == {"closed instead of answering H": 1}
