"""Many sessions at once through the six real milters: each message gets its own verdict and no other's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.interop.postfix import wait_until
from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import CROWD, CROWD_STRANGER, OUTSIDE, mail
from tests.stack.dialogue import Dialogue
from tests.stack.messages import attached, eicar, gtube, message

SESSIONS = 4


def hold(arrangement: Arrangement, way: str, number: int) -> list[int]:
    """Hold one session of good and bad mail by turns, beginning elsewhere each time; return the last codes."""
    mails = [
        mail(message(f"Ham {number} a"), CROWD),
        mail(message("Spam", gtube()), CROWD),
        mail(message(f"Ham {number} b"), CROWD),
        mail(attached("Virus", eicar().encode(), "eicar.com"), CROWD),
        mail(message("Stranger"), CROWD_STRANGER),
        mail(message(f"Ham {number} c"), CROWD),
    ]
    turn = number % len(mails)
    dialogue = Dialogue(arrangement.ports[way], OUTSIDE)
    codes = [dialogue.send(each) for each in mails[turn:] + mails[:turn]]
    dialogue.close()
    return codes[-turn:] + codes[:-turn] if turn else codes


@pytest.mark.parametrize("way", ["postmill", "pooled"])
def test_each_message_gets_its_own_verdict(way: str, arrangement: Arrangement) -> None:
    arrangement.mailbox.take()
    with ThreadPoolExecutor(SESSIONS) as threads:
        codes = list(threads.map(lambda number: hold(arrangement, way, number), range(SESSIONS)))
    assert codes == [[250, 550, 250, 550, 451, 250]] * SESSIONS
    wait_until(lambda: len(arrangement.mailbox) >= 3 * SESSIONS, "all deliveries")
    subjects = sorted(delivery.header("Subject").strip() for delivery in arrangement.mailbox.take())
    assert subjects == sorted(f"Ham {number} {part}" for number in range(SESSIONS) for part in "abc")
