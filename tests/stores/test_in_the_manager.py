"""Stores under filters in the daemon: two managers share one, and what becomes of mail without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Recipient, SessionPlan
from tests.daemon.running import ROOT
from tests.filters.beside import a_box
from tests.net.hosting import NO_BREAKER, Host
from tests.stack import peers
from tests.stores.servers import PostgresServer, RedisServer

QUOTA = {"use": f"{ROOT}/examples/quota.py:app", "settings": {"recipients": 3}, "breaker": NO_BREAKER}
TO = tuple(Recipient(f"<{name}@x.example>".encode()) for name in ("a", "b"))
LOGIN = {"M": {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"joe"}}


def refused(endpoint: str) -> int:
    """How many of two recipients are refused."""
    (report,) = FakeMta(endpoint).session(SessionPlan(mails=(Mail(recipients=TO),), macros=LOGIN)).mails
    return len(report.refused)


def of_two_managers(url: str) -> list[int]:
    host = Host()
    endpoints = [host.add({}, filters=[QUOTA], store=url) for _ in range(2)]
    with host:
        return [refused(endpoint) for endpoint in (*endpoints, *endpoints)]


def test_a_file_is_shared(tmp_path: Path) -> None:
    assert of_two_managers(f"sqlite:{tmp_path}/state.db") == [0, 1, 2, 2]


def test_memory_is_not() -> None:
    assert of_two_managers("memory:") == [0, 0, 1, 1]


@pytest.mark.interop
@pytest.mark.parametrize("kind", [RedisServer, PostgresServer])
def test_a_server_is_shared_and_comes_back(kind: type[RedisServer | PostgresServer]) -> None:
    peers.require()
    with a_box("store-") as box, kind(box.directory.parent) as server:
        host = Host()
        endpoints = [host.add({}, filters=[QUOTA], store=server.url) for _ in range(2)]
        with host:
            assert [refused(endpoint) for endpoint in endpoints] == [0, 1]
            server.kill()
            assert refused(endpoints[0]) == 2  # on_error = "tempfail"
            assert "lost:filter" in host.log
            server.start()
            assert [refused(endpoint) for endpoint in endpoints] == [2, 2]


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    host = Host()
    lenient = {**QUOTA, "on_error": "accept"}
    endpoints = [
        host.add({}, filters=[one], store=f"sqlite:{tmp_path}/no/state.db") for one in (QUOTA, lenient)
    ]
    with host:
        assert [refused(endpoint) for endpoint in endpoints] == [2, 0]
        assert "no/state.db cannot be opened: No such file or directory" in host.log
