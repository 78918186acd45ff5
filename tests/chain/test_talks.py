"""Conversations taken alone: what must hold for each reply packet."""

from __future__ import annotations

import pytest

from postmill.chain.steps import Window
from postmill.chain.talks import ContentTalk
from postmill.wire.codes import Reply

BURST: list[Window] = [(b"1", tuple(b"LLNB")), (b"2", tuple(b"BE"))]


@pytest.mark.parametrize("counts", [(4, 2), (1, 3, 2), (2, 2, 1, 1), (1, 1, 1, 1, 1, 1)])
def test_many_continues_at_once_are_as_many_one_by_one(counts: tuple[int, ...]) -> None:
    one_by_one, at_once = ContentTalk(BURST, 1.0), ContentTalk(BURST, 1.0)
    assert one_by_one.start() == at_once.start()
    for count in counts:
        written = [one_by_one.receive(Reply.CONTINUE, b"") for _ in range(count)]
        assert at_once.continued(count) == b"".join(written)
        assert (at_once.stage, at_once.due) == (one_by_one.stage, one_by_one.due)
    assert at_once.outcome is not None
    assert one_by_one.outcome is not None
    assert at_once.outcome.letter == one_by_one.outcome.letter == Reply.CONTINUE
