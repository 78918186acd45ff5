"""A private real Postfix in front of Postmill: ``make demo MTA=postfix``.

Here belongs its configuration (its own, below the demo's directory: nothing in /etc/postfix is read for it or
changed) and its life. All mail ends in the demo's Maildir, whatever its domain; none leaves the machine.
Installing Postfix is `install`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from postmill.demo.fate import Fate
from postmill.demo.maildir import Post, find
from postmill.demo.ports import PortTakenError, check
from postmill.errors import UnavailableError
from postmill.record import MessageRecord

MASTER = Path("/usr/lib/postfix/sbin/master")
HOSTNAME = "mx.example.org"
RECIPIENT = "nobody"
"""The user who owns the Maildir, because Postfix delivers to nobody with a user id below 100."""

_WITHIN = 30.0
_PAUSE = 0.02

_MAIN = """\
compatibility_level = 3.6
config_directory = {base}/etc
queue_directory = {base}/spool
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
multi_instance_name = postfix-{name}
syslog_name = postfix
mail_owner = postfix
setgid_group = postdrop

myhostname = {hostname}
mydomain = example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
biff = no
default_transport = error:5.4.4 this demo sends nothing to the outside
relay_transport = error:5.4.4 this demo sends nothing to the outside

smtpd_milters = {milter}
milter_default_action = tempfail

virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:Maildir/
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 100
"""

_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A running instance; made by `postfix`."""

    what = "a private real Postfix"

    def __init__(self, base: Path, port: int, post: Post) -> None:
        self.base = base
        self.port = port
        self.post = post

    async def fate(self, record: MessageRecord) -> Fate:
        """Wait until an accepted message is in the Maildir."""
        file = None
        while record.verdict == "accept" and file is None:
            await asyncio.sleep(_PAUSE)
            file = find(self.post.inbox, record.queue_id)
        return Fate(record.queue_id, record.reply, file)

    def log(self) -> str:
        """Its mail log so far."""
        return _read(self.base / "mail.log")


@asynccontextmanager
async def postfix(directory: Path, port: int, milter: str, post: Post) -> AsyncIterator[Postfix]:
    """Postfix with its own files in `directory`/postfix, accepting mail on 127.0.0.1 when this is entered.

    `milter` as in ``smtpd_milters``. PortTakenError when the port is taken; UnavailableError with its log
    when it does not start for another reason.
    """
    check(port)
    base = directory / "postfix"
    _lay_out(base, port, milter, post)
    instance = Postfix(base, port, post)
    command = ("/usr/sbin/postfix", "-c", str(base / "etc"), "start")
    starter = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        output, _ = await starter.communicate()
        if "Address already in use" in instance.log():
            raise PortTakenError(f"cannot listen on 127.0.0.1:{port}: Address already in use")
        if starter.returncode:
            text = f"{output.decode(errors='replace')}\n{instance.log()}".strip()
            raise UnavailableError(f"Postfix did not start:\n{text}")
        await _listening(instance)
        yield instance
    finally:
        await starter.wait()
        await _stop(base)
        shutil.rmtree(base, ignore_errors=True)


def _lay_out(base: Path, port: int, milter: str, post: Post) -> None:
    """Make the directories and write main.cf and master.cf."""
    closed = next((p for p in (*base.parents, *post.inbox.parents) if not p.stat().st_mode & 0o001), None)
    if closed is not None:
        raise UnavailableError(f"Postfix delivers as user {RECIPIENT}, who cannot search {closed}")
    for name in ("etc", "spool", "data"):
        (base / name).mkdir(mode=0o755, parents=True)
    shutil.chown(base / "data", "postfix")
    owner = pwd.getpwnam(RECIPIENT)
    for path in (post.inbox, *post.inbox.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    values = {"base": base, "name": base.parent.name, "daemons": MASTER.parent, "hostname": HOSTNAME}
    places = {"milter": milter, "mail": post.inbox.parent, "uid": owner.pw_uid, "gid": owner.pw_gid}
    (base / "etc" / "main.cf").write_text(_MAIN.format(**values, **places))
    (base / "etc" / "master.cf").write_text(_SERVICES.format(port=port))


async def _listening(instance: Postfix) -> None:
    """Wait until smtpd's port takes connections, without making one: Postmill would be asked about it."""
    wanted = f":{instance.port:04X} 00000000:0000 0A "
    if not await _becomes_true(lambda: wanted in _read(Path("/proc/net/tcp")), _WITHIN):
        raise UnavailableError(f"Postfix does not listen:\n{instance.log()}")


async def _stop(base: Path) -> None:
    """End master and its children, which are its process group."""
    text = _read(base / "spool" / "pid" / "master.pid").strip()
    if not text.isdigit():
        return
    master = int(text)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(master, number)
        await _becomes_true(lambda: _read(Path(f"/proc/{master}/stat")).rpartition(") ")[2][:1] in "Z", 5)


async def _becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; tells whether it came true within that time."""
    for _ in range(int(seconds / _PAUSE)):
        if condition():
            return True
        await asyncio.sleep(_PAUSE)
    return condition()


def _read(file: Path) -> str:
    """The text of a file; empty when there is none."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
