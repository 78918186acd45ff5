"""Who may connect to Postmill's socket, told from its configuration; the addresses are `test_setup_postfix`'s."""

from __future__ import annotations

import pytest

from postmill.host.reach import may_connect
from tests.host.texts import loaded


@pytest.mark.parametrize(
    ("manager", "is_fine"),
    [
        ('socket_group = "postfix"', True),
        ('socket_group = "filters"', True),
        ('socket_mode = "0666"', True),
        ('user = "postfix"', True),
        ('user = "postmill"\ngroup = "filters"', True),
        ("", False),
        ('user = "postmill"', False),
        ('socket_group = "other"', False),
        ('socket_group = "postfix"\nsocket_mode = "0640"', False),
    ],
)
def test_who_may_connect(manager: str, is_fine: bool) -> None:
    found = may_connect(
        loaded(f"[manager]\n{manager}\n"), "unix:postmill/p.sock", "postfix", {"postfix", "filters"}
    )
    assert (not found) is is_fine
    assert is_fine or 'socket_group = "postfix"' in found


def test_ports_are_open_to_all() -> None:
    assert may_connect(loaded(""), "inet:127.0.0.1:8890", "postfix", set()) == ""
