"""Every edit alone, and in pairs on the same header by one filter and by two, a later filter looking on
(protocol §3.4, §9.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from postmill.wire.codes import Protocol
from tests.interop.differential.dialogues import MANY_HEADERS
from tests.interop.differential.matrix import STRICT
from tests.interop.differential.plays import (
    CONTINUE,
    add_header,
    add_rcpt,
    add_rcpt_par,
    change_from,
    change_header,
    del_rcpt,
    insert_header,
    replace_body,
    rule,
)
from tests.interop.differential.scenario import Child, Scenario, Step

HEADER_EDITS: dict[str, tuple[Step, ...]] = {
    "add": (add_header("X-A", "added"),),
    "insert-0": (insert_header(0, "X-A", "at 0"),),
    "insert-1": (insert_header(1, "X-A", "at 1"),),
    "insert-3": (insert_header(3, "X-A", "at 3"),),
    "insert-99": (insert_header(99, "X-A", "at 99"),),
    "change-0": (change_header(0, "X-A", "changed 0"),),
    "change-1": (change_header(1, "x-a", "changed 1"),),
    "change-2": (change_header(2, "X-A", "changed 2"),),
    "change-9": (change_header(9, "X-A", "changed 9"),),
    "delete-1": (change_header(1, "X-A", ""),),
    "delete-2": (change_header(2, "X-A", ""),),
    "delete-9": (change_header(9, "X-A", ""),),
}
OTHER_EDITS: dict[str, tuple[Step, ...]] = {
    "add-folded": (add_header("X-F", "one\n two\nthree\n\nfour"),),
    "add-blank-first": (add_header("X-B", " leading"),),
    "add-empty": (add_header("X-E", ""),),
    "add-8bit": (add_header("X-8", "\xe4\xff"),),
    "add-long": (add_header("X-L", "w " * 2000),),
    "received": (change_header(1, "Received", "changed"), insert_header(0, "Received", "by a filter")),
    "change-folded": (change_header(1, "X-Folded", "new\n\tfold"),),
    "insert-max": (insert_header(0xFFFFFFFF, "X-M", "v"),),
    "change-max": (change_header(0xFFFFFFFF, "X-A", "v"),),
    "body": (replace_body("new body\r\n"),),
    "body-parts": (replace_body("new "), replace_body("body\nbare\r"), replace_body("\nend")),
    "body-empty": (replace_body(""),),
    "body-dots": (replace_body(".\r\n..\r\n"),),
    "rcpt-add": (add_rcpt("<added@example.org>"), add_rcpt("plain@example.org")),
    "rcpt-add-par": (add_rcpt_par("<par@example.org>", "NOTIFY=NEVER"),),
    "rcpt-del": (add_rcpt("<added@example.org>"), del_rcpt("<user1@example.org>")),
    "rcpt-del-all": (del_rcpt("user1@example.org"),),
    "rcpt-empty": (add_rcpt(""),),
    "from": (change_from("<new@example.com>"),),
    "from-null": (change_from("<>"),),
    "from-args": (change_from("<new@example.com>", "RET=HDRS ENVID=abc"),),
}
LOOKER = Child()
LEADSPC = int(Protocol.HDR_LEADSPC)


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield from _alone()
    yield from _pairs_by_one()
    yield from _pairs_by_two()
    yield from _in_front_of_the_mtas_own()


def editor(*edits: Step, protocol: int = 0) -> Child:
    """A filter that makes these edits at the end of each message."""
    return Child((rule("E", *edits, CONTINUE),), protocol=protocol)


def _alone() -> Iterator[Scenario]:
    for (name, edits), (kind, flags) in product(
        {**HEADER_EDITS, **OTHER_EDITS}.items(), (("", 0), ("-leadspc", LEADSPC))
    ):
        watched = (editor(*edits, protocol=flags), LOOKER, Child(protocol=LEADSPC))
        yield Scenario(f"edit-only-{name}{kind}", watched, MANY_HEADERS, manager=STRICT)


def _pairs_by_one() -> Iterator[Scenario]:
    for (one, first), (two, second) in product(HEADER_EDITS.items(), repeat=2):
        yield Scenario(
            f"edit-{one}-then-{two}", (editor(*first, *second), LOOKER), MANY_HEADERS, manager=STRICT
        )


def _pairs_by_two() -> Iterator[Scenario]:
    counted = {**HEADER_EDITS, "received": OTHER_EDITS["received"]}
    for (one, first), (two, second) in product(counted.items(), repeat=2):
        children = (editor(*first), editor(*second, protocol=LEADSPC), LOOKER)
        yield Scenario(f"edit-{one}-and-{two}", children, MANY_HEADERS, manager=STRICT)
    for (one, first), (two, second) in product(OTHER_EDITS.items(), repeat=2):
        if one in counted and two in counted:
            continue
        children = (editor(*first), editor(*second), LOOKER)
        yield Scenario(f"edit-{one}-and-{two}", children, MANY_HEADERS, manager=STRICT)


IN_FRONT: dict[str, tuple[Step, ...]] = {
    "empty": (insert_header(0, "Received", ""),),
    "empty-folded": (insert_header(0, "Received", "\n\tby a filter"),),
    "empty-twice": (insert_header(0, "Received", ""), insert_header(0, "Received", "")),
    "empty-below": (insert_header(0, "Received", "by a filter"), insert_header(1, "Received", "")),
    "empty-above": (insert_header(0, "Received", "by a filter"), insert_header(0, "Received", "")),
    "empty-between": (insert_header(0, "X-A", "top"), insert_header(1, "Received", "")),
    "empty-behind": (insert_header(1, "Received", ""),),
    "empty-other-case": (insert_header(0, "received", ""),),
}
THEN: dict[str, tuple[Step, ...]] = {
    "delete-1": (change_header(1, "Received", ""),),
    "delete-2": (change_header(2, "Received", ""),),
    "delete-twice": (change_header(1, "Received", ""), change_header(1, "Received", "")),
    "change-delete": (change_header(1, "Received", "changed"), change_header(1, "Received", "")),
    "delete-insert-change": (
        change_header(1, "Received", ""),
        insert_header(0, "Received", "by another"),
        change_header(1, "Received", "changed"),
    ),
}


def _in_front_of_the_mtas_own() -> Iterator[Scenario]:
    """An empty Received that a filter put in front of Postfix's own is counted as Postfix's own (protocol §9.5)."""
    for (one, first), (two, second) in product(IN_FRONT.items(), THEN.items()):
        children = (editor(*first), editor(*second, protocol=LEADSPC), LOOKER)
        yield Scenario(f"edit-received-{one}-{two}", children, MANY_HEADERS, manager=STRICT)
