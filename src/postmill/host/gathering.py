"""Gathering a patient: read the configuration and the mail server's; then run checkups over it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from postmill.config import ConfigErrors
from postmill.daemon.configuration import load_configuration
from postmill.errors import PostmillError, UnavailableError
from postmill.host.checkups import Checkup, shelf
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import DEFAULT_DIRECTORY, Postfix
from postmill.host.postfix import read as read_postfix
from postmill.host.running import as_running
from postmill.host.sendmail import DEFAULT_CF
from postmill.host.sendmail import read as read_sendmail


def gather(config_file: str, directory: str = "") -> Patient:
    """Look at this host: Postfix with its configuration in ``directory``, else whatever mail server there is.

    UnavailableError when the configuration may not be read, or there is no Postfix in a directory that was
    named.
    """
    patient = Patient(os.path.abspath(config_file))
    try:
        patient.loaded = as_running(load_configuration(patient.config_file))
    except ConfigErrors as error:
        if isinstance(error.__cause__, PermissionError):
            raise UnavailableError(f"{error}; are you root?") from error
        patient.problems = error.problems
    _find_mta(patient, directory)
    return patient


def _find_mta(patient: Patient, directory: str) -> None:
    try:
        patient.postfix = read_postfix(directory or DEFAULT_DIRECTORY)
        patient.running = _runs(patient.postfix)
    except UnavailableError as no_postfix:
        if directory:
            raise
        try:
            patient.sendmail = read_sendmail(DEFAULT_CF)
        except UnavailableError as no_sendmail:
            patient.no_mta = f"{no_postfix}; {no_sendmail}"


def _runs(postfix: Postfix) -> bool:
    """Whether its master(8) is alive."""
    try:
        pid = Path(postfix.queue_directory, "pid", "master.pid").read_text(encoding="ascii").strip()
        return Path(f"/proc/{int(pid)}/comm").read_text(encoding="ascii").strip() == "master"
    except PermissionError:
        return True  # only root may know
    except (OSError, ValueError):
        return False


def examine(patient: Patient, only: Iterable[str] = ()) -> list[Diagnosis]:
    """Run the checkups of these names, or all of them."""
    wanted = {*only} or {*shelf()}
    return [
        diagnosis
        for name, checkup in shelf().items()
        if name in wanted
        for diagnosis in _looked(name, checkup, patient)
    ]


def _looked(name: str, checkup: Checkup, patient: Patient) -> Iterator[Diagnosis]:
    """One checkup that cannot look must not hide what the others see."""
    try:
        yield from checkup(patient)
    except (PostmillError, OSError) as error:
        yield Diagnosis(name, Level.ERROR, f"this could not be looked at: {error}")
