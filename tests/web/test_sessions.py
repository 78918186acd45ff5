"""Logins, sessions and passwords without a server."""

from __future__ import annotations

import pytest

from postmill.web.passwords import fits, hash_password
from postmill.web.sessions import MOST, Sessions
from postmill.web.throttle import OF_A_USER, OF_AN_ADDRESS, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_password_fits_its_hash_and_no_other() -> None:
    hashed = hash_password("Füße 🐾")
    assert hashed.startswith("$scrypt$ln=15,r=8,p=3$")
    assert fits("Füße 🐾", hashed)
    assert not fits("Füße", hashed)
    assert hash_password("Füße 🐾") != hashed, "each has its own salt"


@pytest.mark.parametrize("hashed", ["", "x", "$scrypt$ln=99,r=8,p=3$AAAA$AAAA", "$2b$12$abc"])
def test_nothing_fits_what_is_no_hash(hashed: str) -> None:
    assert not fits("", hashed)
    assert not fits("x", hashed)


def test_the_hash_of_another_program_fits() -> None:
    """RFC 7914 section 12: N = 16384, r = 8, p = 1."""
    digest = "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
    assert fits("pleaseletmein", f"$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU${digest}")


def test_a_session_ends_by_age_by_idleness_and_by_a_logout() -> None:
    clock = Clock()
    sessions = Sessions(1000, 100, clock)
    mark = sessions.begin("anna")
    for _ in range(9):
        clock.now += 99
        assert sessions.find(mark) is not None
    clock.now += 199
    assert sessions.find(mark) is None, "too old"
    idle = sessions.begin("anna")
    clock.now += 60
    assert sessions.find(idle, clicked=False) is not None
    clock.now += 60
    assert sessions.find(idle) is None, "what a page asks by itself keeps nobody in"
    left = sessions.begin("anna")
    sessions.end(left)
    assert sessions.find(left) is None
    assert sessions.find("") is None


def test_sessions_are_limited_and_never_the_same() -> None:
    clock = Clock()
    sessions = Sessions(1e9, 1e9, clock)
    marks = []
    for _ in range(MOST + 5):
        clock.now += 1
        marks.append(sessions.begin("anna"))
    assert len({*marks}) == len(marks)
    assert [sessions.find(mark) is None for mark in marks[:6]] == [True] * 5 + [False]


def test_a_user_has_to_wait_longer_and_longer() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for number in range(OF_A_USER + 4):
        throttle.failed(f"192.0.2.{number}", "anna")
        waits.append(throttle.wait("198.51.100.1", "anna"))
    assert waits == [0, 0, 0, 0, 15, 30, 60, 120, 240]
    assert throttle.wait("198.51.100.1", "bert") == 0
    clock.now += 240
    assert throttle.wait("198.51.100.1", "anna") == 0
    throttle.succeeded("198.51.100.1", "anna")
    throttle.failed("198.51.100.1", "anna")
    assert throttle.wait("198.51.100.1", "anna") == 0


@pytest.mark.parametrize(
    ("tries", "same"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"), ("unix", "unix")],
)
def test_an_address_has_to_wait_whomever_it_tries(tries: str, same: str) -> None:
    throttle = Throttle(Clock())
    for number in range(OF_AN_ADDRESS):
        assert throttle.wait(same, "somebody") == 0
        throttle.failed(tries, f"user{number}")
    assert throttle.wait(same, "somebody") > 0
    assert throttle.wait("203.0.113.9", "somebody") == 0


def test_an_own_account_does_not_open_the_way_to_others() -> None:
    throttle = Throttle(Clock())
    for number in range(OF_AN_ADDRESS):
        throttle.failed("192.0.2.1", f"user{number}")
        throttle.failed("192.0.2.1", "mallory")
        throttle.succeeded("192.0.2.1", "mallory")
    assert throttle.wait("192.0.2.1", "anna") > 0


def test_what_is_remembered_is_limited() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(25_000):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"u{number}")
    assert len(throttle._failures) <= 10_002
