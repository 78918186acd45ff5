"""Carrying a plan out: what turns out not to be read as meant is taken back."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from postmill.errors import ConfigError, UnavailableError
from postmill.host.plan import Change, Plan
from postmill.host.prepare import carry_out, listens
from postmill.wire.endpoint import Endpoint


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.cf"
    file.write_text("before\n")
    return file


def plan(main: Path) -> Plan:
    return Plan("unix:p", (Change(str(main), "before\n", "after\n"),))


def test_what_is_read_as_meant_stays(main: Path) -> None:
    layer = carry_out(plan(main), str(main.parent), lambda: Plan("unix:p"))
    assert main.read_text() == "after\n"
    assert (main.parent / "postmill-backup" / layer / "main.cf").read_text() == "before\n"


def test_what_is_read_differently_is_taken_back(main: Path) -> None:
    with pytest.raises(ConfigError, match=r"main\.cf: would not be read as meant \(it was not changed\)"):
        carry_out(plan(main), str(main.parent), lambda: plan(main))
    assert [file.name for file in main.parent.iterdir()] == ["main.cf"]
    assert main.read_text() == "before\n"


def test_what_cannot_be_read_is_taken_back(main: Path) -> None:
    def fail() -> Plan:
        raise UnavailableError("postconf: fatal")

    with pytest.raises(UnavailableError, match="fatal"):
        carry_out(plan(main), str(main.parent), fail)
    assert main.read_text() == "before\n"


def test_listens(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    assert not listens(Endpoint("unix", path=path))
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as inet:
        unix.bind(path)
        assert not listens(Endpoint("unix", path=path))
        unix.listen()
        assert listens(Endpoint("unix", path=path))
        endpoint = Endpoint("inet", host="127.0.0.1", port=inet.getsockname()[1])
        assert listens(endpoint)
    assert not listens(endpoint)
