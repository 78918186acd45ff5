"""The null milter's answers: by count, whatever the chunking, QUIT_NC included (protocol §2.1, §4.1)."""

import struct

import pytest

from bench.null_child import PROFILES, Responder
from bench.transaction import OFFER, Answer, packet, standard

C = packet("c")


def replies(profile: str, data: bytes) -> bytes:
    return Responder(PROFILES[profile]).answer(data).reply


@pytest.mark.parametrize(
    ("profile", "actions", "protocol"),
    [("plain", 0, 0), ("edits", 0x13, 0), ("no-body", 0, 0x10), ("no-reply", 0, 0xFF080), ("skip", 0, 0x400)],
)
def test_negotiation_gives_the_profile(profile: str, actions: int, protocol: int) -> None:
    assert replies(profile, OFFER) == packet("O", struct.pack(">III", 6, actions, protocol))


def test_negotiation_with_lists_of_macros() -> None:
    answer = Answer.parse(replies("opendkim", OFFER)[5:])
    assert (answer.protocol, answer.macro_lists) == (0x100702, {5: "i {client_addr}"})


def test_negotiation_asks_for_nothing_that_was_not_offered() -> None:
    offer = packet("O", struct.pack(">III", 2, 0x1, 0x7F))
    assert replies("no-reply", offer) == packet("O", struct.pack(">III", 2, 0, 0))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_awaited_event_of_a_session_is_answered_once(profile: str) -> None:
    responder = Responder(PROFILES[profile])
    answer = Answer.parse(responder.answer(OFFER).reply[5:])
    mail = standard()
    plan = mail.plan([answer], 1 << 20)
    for exchange in plan.exchanges:
        reply = responder.answer(b"".join(exchange.writes)).reply
        expected = {"adds-header": {"E": ord("h")}, "skip": {"B": ord("s")}}.get(profile, {})
        assert reply[4] == expected.get(exchange.letter, ord("c"))
        assert (len(reply) == 5) == (reply[4] != ord("h"))


def test_a_pipelined_burst_is_answered_in_one_piece() -> None:
    plan = standard().plan([Answer(6, 0, {})], 1 << 20)
    burst = b"".join(b"".join(exchange.writes) for exchange in plan.exchanges)
    responder = Responder(PROFILES["plain"])
    for _ in range(2):  # worked out, then from memory
        assert responder.answer(burst) == (C * len(plan.exchanges), len(burst), False, True)


@pytest.mark.parametrize(
    ("letter", "slow"), [*((letter, True) for letter in "CHMRTE"), ("L", False), ("B", False)]
)
def test_what_a_slow_milter_takes_its_time_for(letter: str, slow: bool) -> None:
    assert Responder(PROFILES["slow"]).answer(packet(letter, b"x\0")).slow == slow


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_partial_packet_waits_for_its_rest(cut: int) -> None:
    data = packet("D", b"H") + packet("H", b"x\0")
    reply, used, *_ = Responder(PROFILES["plain"]).answer(data[:cut])
    assert reply == b""
    assert used == (6 if cut >= 6 else 0)


def test_quit_closes_and_quit_nc_does_not() -> None:
    responder = Responder(PROFILES["plain"])
    assert responder.answer(packet("A") + packet("Q")) == (b"", 10, True, False)
    again = packet("K") + packet("C", b"localhost\0U")
    assert responder.answer(again) == (C, len(again), False, True)
