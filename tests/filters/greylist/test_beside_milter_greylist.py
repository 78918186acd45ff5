"""``greylist`` beside the real milter-greylist 4.6: one configuration, the same sessions, replies and headers.

Neither is waited for: both know from the start tuples whose time has come, one by its dump file, the other by
the same file imported into its store.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.filters.beside import a_box, started
from tests.filters.greylist.pair import RAW, Ours, Theirs, both, mail, session
from tests.stack.milter_greylist import PEERS, Known

pytestmark = pytest.mark.interop
RULES = """\
subnetmatch /24
greylist 10m
autowhite 1w
nospf
racl whitelist from friend@example.net
racl whitelist domain friendly.example
racl "named" whitelist helo /^good/
racl blacklist from foe@example.net
racl blacklist from /^<rude/ code "554" ecode "5.7.9" msg "Not %f from %i to %r"
racl continue from /^<seen/ addheader "X-Seen: %mr at %sr"
racl greylist rcpt slow@test.example delay 1h msg "Again in %Rh h"
racl whitelist rcpt open@test.example report "open to %i"
racl whitelist rcpt content@test.example
dacl blacklist header /^Subject: *SPAM/ msg "no spam"
dacl continue rcpt content@test.example addheader "X-Content: %f"
"""
CASES = [
    ("joe@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("known@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("known@example.net", "bob@test.example", "mail.ext.example", RAW),
    ("list-1=bob=x.example@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("friend@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("Friend@Example.NET", "alice@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "alice@test.example", "good.ext.example", RAW),
    ("foe@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("rude@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("seen@example.net", "open@test.example", "mail.ext.example", RAW),
    ("seen@example.net", "content@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "slow@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "open@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "open@test.example", "mail.ext.example", RAW.replace(b"hello", b"spam")),
    ("", "alice@test.example", "mail.ext.example", RAW),
]
DUMP = Known("192.0.2.9", "known@example.net", "alice@test.example").line()


@pytest.fixture(scope="module")
def theirs() -> Iterator[Theirs]:
    if not (PEERS / "milter-greylist/usr/sbin/milter-greylist").exists():
        pytest.skip("milter-greylist is not installed")
    with a_box("greylist-beside-") as box:
        program = Theirs(box.directory.parent, box, "milter-greylist", RULES, DUMP)
        with started(program):
            yield program


@pytest.mark.parametrize(("sender", "to", "helo", "raw"), CASES, ids=lambda one: str(one)[:30])
def test_the_same(theirs: Theirs, sender: str, to: str, helo: str, raw: bytes) -> None:
    plan = session(mail(sender, to, raw=raw), helo=helo)
    their, our = both(theirs, Ours(RULES, dump=DUMP), plan)
    assert our == their
