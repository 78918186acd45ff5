"""Accounts and ways to sockets, on real files of this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from postmill.host.accounts import Account, Look, account, account_of_process, group_name, look, obstacle

NOBODY = Account("nobody", 65534, 65534, frozenset({65534}))


def test_accounts_of_this_machine() -> None:
    root = account("root")
    assert root is not None
    assert (root.name, root.uid, root.gid) == ("root", 0, 0)
    assert account("0") == root
    assert account("no-such-user") is account("4294967000") is None
    assert (group_name(0), group_name(4294967000)) == ("root", "4294967000")


def test_the_account_of_a_process() -> None:
    own = account_of_process(os.getpid())
    assert own is not None
    assert (own.uid, own.gid, own.groups) == (
        os.geteuid(),
        os.getegid(),
        frozenset({os.getegid(), *os.getgroups()}),
    )
    assert account_of_process(2**22 + 1) is None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "way").mkdir(mode=0o755)
    return tmp_path / "way" / "sock"


def below(directory: Path) -> Look:
    """Look at what is below a directory; all above it is open to everybody, which pytest's own is not."""
    return lambda path: look(path if Path(path).is_relative_to(directory) else "/")


def test_the_first_obstacle_is_told(path: Path) -> None:
    way, looking = path.parent, below(path.parent)
    assert obstacle(str(path), NOBODY, looking) is None, "it leads nowhere"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        way.chmod(0o700)
        first = obstacle(str(path), NOBODY, looking)
        assert first is not None
        assert (first.path, first.is_directory, first.helps_group) == (str(way), True, False)
        assert str(first) == f"may not search {way} (mode 0700, group {group_name(os.getegid())})"
        way.chmod(0o755)
        second = obstacle(str(path), NOBODY, looking)
        assert second is not None
        assert (second.path, second.is_directory) == (str(path), False)
        path.chmod(0o606)
        assert obstacle(str(path), NOBODY, looking) is None


def test_the_group_counts_before_the_others(path: Path) -> None:
    path.touch()
    path.chmod(0o606)
    member = Account("member", 65534, 65534, frozenset({65534, os.getegid()}))
    assert obstacle(str(path), NOBODY, below(path.parent)) is None
    found = obstacle(str(path), member, below(path.parent))
    assert found is not None
    assert not found.helps_group
