"""``spamassassin`` beside the real spamass-milter, both before one real spamd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.filters.beside import SAMPLES, Outcome, a_box, messages, play, started
from tests.filters.serving import serving
from tests.net.hosting import Host
from tests.stack import peers
from tests.stack.messages import gtube, message
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import MIDDLING, Spamd

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Pair:
    """The real one and ours."""

    theirs: SpamassMilter
    ours: str


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both, before one spamd."""
    peers.require()
    with a_box("spam-beside-") as box:
        directory = box.directory.parent
        spamd = Spamd(directory, box)
        theirs = SpamassMilter(directory, box, spamd)
        settings = {"spamd": [f"unix:{spamd.socket}"], "reject_score": 15}
        with started(spamd, theirs), serving(directory, "spamassassin", settings) as ours:
            yield Pair(theirs, ours)


def mails() -> dict[str, bytes]:
    made = {name: raw for name, raw in messages().items() if "virus" not in name}
    samples = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("sample-*.txt"))}
    marked = b"X-Spam-Flag: YES\nX-Spam-Status: No, score=-99\nX-Spam-Level: *\n"
    return {
        **made,
        **samples,
        "gtube": message("Buy", gtube() + "\n").as_bytes(),
        "middling": message("Buy", MIDDLING + "\n").as_bytes(),
        "marked by the sender": marked + message("Lunch").as_bytes(),
        "marked spam": marked + message("Buy", MIDDLING + "\n").as_bytes(),
    }


def equivalent(outcome: Outcome) -> Outcome:
    """Scores and rules without the order of lines; the version's date and host are spamd's own."""
    added = {name: re.sub(r"\s+", " ", value) for name, value in outcome.added}
    gone = tuple(sorted({*outcome.gone} - {"X-Spam-Status", "X-Spam-Flag", "X-Spam-Level"}))
    return replace(outcome, added=tuple(sorted(added.items())), gone=gone)


def test_the_same_messages_give_the_same_verdicts(pair: Pair) -> None:
    statuses = set()
    for name, raw in mails().items():
        theirs = equivalent(play(pair.theirs.endpoint, raw))
        ours = equivalent(play(pair.ours, raw))
        assert ours == theirs, name
        statuses.add((ours.status, "X-Spam-Flag" in dict(ours.added)))
    assert statuses == {("accept", False), ("accept", True), ("reject", False)}


@pytest.mark.parametrize(("on_error", "status"), [("tempfail", "temporary-failure"), ("accept", "accept")])
def test_a_spamd_that_is_gone_is_no_clean_bill(on_error: str, status: str, tmp_path: Path) -> None:
    """spamass-milter lets everything pass; here the administrator says what becomes of it."""
    settings = {"spamd": [f"unix:{tmp_path}/nobody"], "patience": "0s"}
    host = Host()
    endpoint = host.add({}, filters=[{"use": "spamassassin", "on_error": on_error, "settings": settings}])
    with host:
        assert play(endpoint, mails()["gtube"]).status == status
        assert "spamd cannot be asked" in host.log
