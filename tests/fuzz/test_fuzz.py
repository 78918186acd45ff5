"""A bounded run of every fuzz target; ``python -m tests.fuzz`` goes on for ever."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import example, seeds
from tests.fuzz.targets import TARGETS, Target, survive


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_noise(name: str, data: bytes) -> None:
    survive(name, data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_recordings(name: str) -> None:
    dice = random.Random(20240101)
    outcomes = [survive(name, example(TARGETS[name].speaks, dice)) for _ in range(1500)]
    assert any(outcomes)
    assert not all(outcomes) or not TARGETS[name].errors


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.speaks])
def test_undamaged_recordings(name: str) -> None:
    for seed in seeds(TARGETS[name].speaks):
        survive(name, seed)


def test_an_error_of_another_kind_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> object:
        return data[1_000_000]

    monkeypatch.setitem(TARGETS, "broken", Target(broken, TARGETS["framing"].errors))
    with pytest.raises(IndexError):
        survive("broken", b"")
