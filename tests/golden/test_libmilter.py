"""What the strict role sends is never met by silence in a libmilter filter (protocol §6.8)."""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.framing import FrameReader, frame
from postmill.wire.packets import decode_command
from postmill.wire.states import MtaRole
from tests.golden.vault import Case, libmilter_cases


def answers_as_bytes(answers: tuple[str, ...]) -> bytes:
    return b"".join(
        frame(ord(answer[0]), bytes.fromhex(answer[1:]))
        for answer in answers
        if answer not in ("EOF", "RESET")
    )


def steps_until_we_refuse(case: Case) -> int:
    """Play the case as far as our role would send it; fails where libmilter left an answer out."""
    role, played = MtaRole(), 0
    for sent, answers in case.steps:
        try:
            for letter, payload in FrameReader().feed(sent):
                role.send(decode_command(letter, payload))
        except (LocalProtocolError, RemoteProtocolError):
            break
        if "EOF" in answers or "RESET" in answers:
            break
        role.receive_data(answers_as_bytes(answers))
        list(role.events())
        assert not role.awaiting, f"{case.name}: silence after {sent.hex()}"
        played += 1
    return played


@pytest.mark.parametrize("case", libmilter_cases(), ids=lambda case: case.name)
def test_what_we_send_is_answered(case: Case) -> None:
    steps_until_we_refuse(case)


def test_most_of_the_recording_is_something_we_would_send() -> None:
    assert sum(steps_until_we_refuse(case) for case in libmilter_cases()) > 250


def test_the_recording_contains_silence_that_we_avoid() -> None:
    silent = [case for case in libmilter_cases() if any(not answers for _sent, answers in case.steps[1:])]
    refused = [case for case in silent if steps_until_we_refuse(case) < len(case.steps)]
    assert len(refused) > 15
