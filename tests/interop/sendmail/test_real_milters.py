"""Sendmail before the six real milters: directly in INPUT_MAIL_FILTER, and behind one Postmill."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.interop.real_milters.scenarios import KNOWN, SCENARIOS
from tests.interop.sendmail.conftest import Arrangement
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.filters import Filters
from tests.stack.mailbox import Mailbox
from tests.stack.manager import Manager
from tests.stack.sendmail import Filter, Listener, Sendmail, private_directory

#: Scenarios that mean the same from a local client: Sendmail has no XCLIENT.
NAMES = (
    "stranger",
    "gtube",
    "middling-spam",
    "eicar-attached",
    "eicar-inline",
    "rspamd-adds-header",
    "rspamd-rewrites-subject",
    "rspamd-does-nothing",
    "local-is-signed",
    "attachment",
    "large",
    "two-recipients",
    "one-session",
    "many-in-one-session",
    "spam-history",
    "eight-bit",
    "no-body",
)


@dataclass(frozen=True)
class Real:
    """A Sendmail before real filters."""

    filters: Filters
    arrangement: Arrangement


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    """The filters, a manager before them, and a Sendmail with a listener for each way."""
    peers.require()
    directory = private_directory()
    with contextlib.ExitStack() as opened:
        opened.callback(shutil.rmtree, directory)
        filters = opened.enter_context(Filters(directory, KNOWN, ("direct", "behind")))
        tables = {name: {"socket": milter.endpoint} for name, milter in filters.chain("behind").items()}
        manager = opened.enter_context(Manager(directory, tables))
        box = opened.enter_context(Box(directory / "quiet", network=False))
        mailbox = opened.enter_context(Mailbox())
        chain = {name: Filter(milter.endpoint) for name, milter in filters.chain("direct").items()}
        listeners = {"direct": Listener(list(chain)), "behind": Listener(["postmill"])}
        chain["postmill"] = Filter(manager.endpoint)
        sendmail = opened.enter_context(Sendmail(directory, box, mailbox.port, chain, listeners))
        yield Real(filters, Arrangement(sendmail, {"unix": ()}, mailbox))


@pytest.mark.parametrize("name", NAMES)
def test_same_replies_and_same_delivered_message(name: str, real: Real) -> None:
    scenario = SCENARIOS[name]
    steps = scenario.steps(real.filters)
    direct = real.arrangement.play("direct", (), steps)
    assert scenario.expected(direct), direct
    assert real.arrangement.play("behind", (), steps).visible() == direct.visible()
