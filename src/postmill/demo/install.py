"""Getting Postfix onto the machine, for ``make demo MTA=postfix``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from postmill.demo.postfix import MASTER
from postmill.errors import UnavailableError

_NOT_CONFIGURED = "postfix postfix/main_mailer_type select No configuration\n"
"""So that the package starts nothing and the demo's instance is the only one."""


def require_postfix(say: Callable[[str], None]) -> None:
    """Return when a private Postfix can be started; installs the Debian package if it is missing.

    `say` is told before that begins. UnavailableError when we are not root, or it cannot be installed.
    """
    if os.geteuid() != 0:
        raise UnavailableError("only root can start a Postfix: sudo make demo MTA=postfix")
    if MASTER.exists():
        return
    if shutil.which("apt-get") is None:
        raise UnavailableError(f"no Postfix here ({MASTER}) and no apt-get; please install it")
    say("Postfix is not installed; installing the Debian package postfix, without configuration.")
    if shutil.which("debconf-set-selections"):
        _run(("debconf-set-selections",), _NOT_CONFIGURED)
    _run(("apt-get", "update", "-qq"))
    _run(("apt-get", "install", "-qq", "--yes", "--no-install-recommends", "postfix"))


def _run(command: tuple[str, ...], text: str = "") -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(  # noqa: S603 - the commands above
        command, input=text, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")
