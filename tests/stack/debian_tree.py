"""A Debian tree for containers: systemd, Postfix, milters and what Postmill's package needs, made by mmdebstrap.

It takes one to three minutes, so a tree is kept and used again for as long as what goes into it stays the same. Nobody
writes to it: a container puts a layer of its own on top (`container`). Where packages come from is what the
machine's own apt says.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

#: The least that boots, what Postmill's package depends on, Postfix, and real milters with their own units.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "init-system-helpers",
    "python3-click",
    "python3-dnspython",
    "python3-rich",
    "python3-uvloop",
    "python3-aiosmtpd",
    "python3-venv",
    "iproute2",
    "openssl",
    "postfix",
    "opendkim",
    "spamass-milter",
    "spamd",
    "spamc",
)
#: Postfix's package stays at hand, to be installed again where there is no network.
HOOKS = ("mkdir -p /var/cache/packages && cd /var/cache/packages && apt-get download -q postfix",)
IDENTITY = "systemd-machine-id-setup && echo mx >/etc/hostname"
FORM = 1
"""To be raised when `_make` changes what it makes."""
BUILD_TIMEOUT = 1800
_APT_SETTINGS = ("Acquire::http", "Acquire::Check-", "Acquire::Retries")


def tree(packages: Iterable[str] = PACKAGES, release: str = "", hooks: Sequence[str] = HOOKS) -> Path:
    """Return the directory of a tree with these packages, made now if it has not been made before.

    Hooks are shell commands, run in the tree at the end, while there is a network. Raises RuntimeError with the end of mmdebstrap's log when that fails.
    """
    release = release or this_release()
    wanted = sorted(set(packages))
    key = hashlib.sha256(repr((FORM, release, wanted, hooks)).encode()).hexdigest()[:12]
    place = cache() / f"{release}-{key}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # somebody else may be making it
        if not place.exists():
            _make(place, release, wanted, hooks)
    return place


def cache() -> Path:
    """Where trees are kept: below POSTMILL_CACHE, else with what the user caches."""
    own = os.environ.get("POSTMILL_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postmill"
    return base / "trees"


def this_release() -> str:
    """The code name of the Debian we run on, or an empty string."""
    found = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else ""


def _make(place: Path, release: str, packages: list[str], hooks: Sequence[str]) -> None:
    fresh, log = place.with_suffix(".new"), place.with_suffix(".log")
    shutil.rmtree(fresh, ignore_errors=True)
    servers = sources(release)
    if not servers:
        raise RuntimeError("apt on this machine reads no packages of Debian (sources.list(5))")
    # What it mounts must not outlive it: the tree is removed when it fails.
    command = ["unshare", "--mount", "--propagation", "private"]
    command += ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    command += [f"--include={','.join(packages)}", "--dpkgopt=force-unsafe-io"]
    command += [
        "--skip=cleanup/reproducible"
    ]  # it would make each boot the first one, which enables all services
    command += [f"--aptopt={setting}" for setting in ('Apt::Install-Recommends "false"', *_apt_settings())]
    command += [f'--customize-hook=chroot "$1" sh -c {shlex.quote(hook)}' for hook in (IDENTITY, *hooks)]
    command += [release, str(fresh), *servers]
    try:
        with log.open("wb") as output:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **_proxies()},
                timeout=BUILD_TIMEOUT,
                check=True,
            )
        fresh.rename(place)
        log.unlink()
    except subprocess.SubprocessError as error:
        lines = log.read_text(errors="replace").splitlines()
        raise RuntimeError("\n".join([f"mmdebstrap: {error}", *lines[-30:]])) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _apt_settings() -> Iterator[str]:
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    for line in dump.splitlines():
        if line.startswith(_APT_SETTINGS) and not line.endswith('"";'):
            yield line.removesuffix(";")


def _proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def sources(release: str, directory: Path = Path("/etc/apt")) -> list[str]:
    """The one-line forms of what the machine's apt reads of this release; of another, of the same servers."""
    lines: list[str] = []
    for file in sorted([directory / "sources.list", *(directory / "sources.list.d").glob("*")]):
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        lines += _from_stanzas(text) if file.suffix == ".sources" else _from_lines(text)
    here = this_release()
    return [line.replace(f" {here}", f" {release}") for line in lines if re.search(rf" {here}(-\S+)? ", line)]


def _from_lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.startswith("deb "))


def _from_stanzas(text: str) -> Iterator[str]:
    """Turn deb822 (sources.list(5)) into lines; a key written into the stanza itself is left to mmdebstrap."""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            name.lower(): value for name, value in re.findall(r"^(\S+):[ \t]*(.*)$", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        keyring = fields.get("signed-by", "")
        options = f"[signed-by={keyring}] " if keyring.startswith("/") else ""
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield f"deb {options}{uri} {suite} {fields.get('components', '')}"
