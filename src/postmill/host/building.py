"""Making sendmail.cf of sendmail.mc, as its administrator would: with ``make``, or m4 without a Makefile."""

from __future__ import annotations

import os
import shutil
import subprocess

from postmill.errors import ConfigError, UnavailableError
from postmill.host import backup
from postmill.host.files import FileState, look, put
from postmill.host.sendmail import parse_cf
from postmill.host.undoing import Saved
from postmill.wire.endpoint import parse_endpoint


def cf_of(mc: str) -> str:
    """Return the path of the .cf that belongs to a .mc."""
    return os.path.splitext(mc)[0] + ".cf"


def command(mc: str) -> str:
    """Say how the .cf is made."""
    directory, name = os.path.split(mc)
    if os.path.exists(os.path.join(directory, "Makefile")):
        return f"make -C {directory}"
    return f"cd {directory} && m4 {name} > {os.path.basename(cf_of(mc))}"


def build(mc: str, address: str, layer: str = "") -> str:
    """Make the .cf anew, remember the old one beside the other files of a layer, and return its path.

    UnavailableError when there is no make or m4, or it fails; ConfigError when the result does not ask the
    filter at ``address``. The old .cf is put back then.
    """
    cf = cf_of(mc)
    before = look(cf)
    try:
        _run_make(mc) if command(mc).startswith("make") else _run_m4(mc, before)
        made = look(cf)
        _check(cf, made, address)
    except BaseException:
        if look(cf) != before:
            put(cf, before)
        raise
    if made != before:
        saved, directory = [Saved(cf, before, made.text if made else None)], os.path.dirname(mc)
        backup.extend(layer, saved, directory) if layer else backup.save(saved, directory)
    return cf


def _check(cf: str, made: FileState | None, address: str) -> None:
    asked = parse_cf(made.text if made else "", cf).asked
    if not any(each.endpoint == parse_endpoint(address) for each in asked):
        raise ConfigError(f"Sendmail would not ask {address} by it", file=cf, hint="it was not changed")


def _run_make(mc: str) -> None:
    directory = os.path.dirname(mc)
    os.utime(mc)  # so that make does not take the .cf for up to date
    _run(["make", "-C", directory], directory)


def _run_m4(mc: str, before: FileState | None) -> None:
    directory, name = os.path.split(mc)
    text = _run(["m4", name], directory)
    owner = before or FileState("", 0o644, os.geteuid(), os.getegid())
    put(cf_of(mc), FileState(text, owner.mode, owner.uid, owner.gid))


def _run(words: list[str], directory: str) -> str:
    program = shutil.which(words[0])
    if program is None:
        raise UnavailableError(
            f"{words[0]} is not installed; the .mc was changed, the .cf was not made of it"
        )
    done = subprocess.run(  # noqa: S603 - fixed words and the administrator's own file, no shell
        [program, *words[1:]], cwd=directory, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"{' '.join(words)} failed: {said[-1] if said else done.returncode}")
    return done.stdout.decode("utf-8", "surrogateescape")
