"""Whether the real programs are here: if not, tests are skipped, or fail with POSTMILL_REQUIRE_PEERS."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.stack.milter_greylist import PEERS

#: The programs of both suites beside Postfix, as install.sh leaves them.
PROGRAMS = (
    "/usr/sbin/spamd",
    "/usr/bin/spamc",
    "/usr/sbin/spamass-milter",
    "/usr/sbin/clamd",
    "/usr/sbin/clamav-milter",
    "/usr/sbin/opendkim",
    "/usr/sbin/opendkim-genkey",
    "/usr/sbin/opendmarc",
    "/usr/bin/rspamd",
    str(PEERS / "milter-greylist/usr/sbin/milter-greylist"),
    str(PEERS / "sendmail/usr/libexec/sendmail/sendmail"),
    "/usr/sbin/postfix",
    "/usr/bin/psql",
    "/usr/bin/redis-server",
    "/usr/bin/prometheus",
    "/usr/bin/promtool",
    "/usr/sbin/munin-run",
    "m4",
    "ip",
    "setpriv",
    "nsenter",
)


def missing() -> str:
    """Return what the real programs lack to run here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can run private mail daemons"
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [program for program in PROGRAMS if not shutil.which(program, path=search)]
    if absent:
        return f"not installed (run tests/stack/install.sh): {', '.join(absent)}"
    namespaces = subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True, check=False)
    return "" if namespaces.returncode == 0 else "no right to make namespaces (CAP_SYS_ADMIN)"


def require() -> None:
    """Skip or, with POSTMILL_REQUIRE_PEERS, fail the test when something is missing."""
    if reason := missing():
        if os.environ.get("POSTMILL_REQUIRE_PEERS"):
            pytest.fail(reason)
        pytest.skip(reason)
