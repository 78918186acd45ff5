"""The groups of the machine that the patients live on, whatever those of this one are."""

from __future__ import annotations

import grp

import pytest

GROUPS = {0: "root", 60: "games", 105: "postfix", 990: "postmill"}


@pytest.fixture(autouse=True)
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let group 105 be called postfix even where no Postfix is installed."""
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((GROUPS[gid], "x", gid, [])))
