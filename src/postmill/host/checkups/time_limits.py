"""Time limits of ours that outlast the mail server's, which would then apply its own default action (protocol §7)."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.config.settings import Settings
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import Postfix

PLACE = 7
_NAME = "time-limits"
_LIMITS = ("milter_command_timeout", "milter_content_timeout")


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare with Postfix's limits: PROGRESS must come in time, and a first answer before it gives up."""
    if patient.postfix is None or patient.loaded is None:
        return
    found = list(_too_long(patient.postfix, patient.loaded.settings, patient))
    yield from found
    if not found:
        yield Diagnosis(_NAME, Level.OK, "Postfix waits longer than Postmill ever lets it")


def _too_long(postfix: Postfix, settings: Settings, patient: Patient) -> Iterator[Diagnosis]:
    interval = settings.manager.progress_interval
    for name in _LIMITS:
        limit = postfix.seconds(name)
        if limit and interval >= limit:
            text = f"progress_interval is {interval:g} s, but Postfix waits {limit:g} s only ({name})"
            advice = f"write progress_interval = {max(1, int(limit / 3))} under [manager]"
            yield Diagnosis(_NAME, Level.ERROR, text, advice)
    limit = postfix.seconds("milter_connect_timeout")
    for milter in patient.milters:
        first = milter.timeouts.connect + milter.timeouts.command
        if limit and first >= limit:
            text = (
                f"{milter.name} may take {first:g} s to connect and negotiate, but Postfix waits {limit:g} s only "
                "(milter_connect_timeout), and nothing can be said to it before that"
            )
            advice = (
                f"shorten timeouts.connect or timeouts.command of [milters.{milter.name}], or lengthen "
                "milter_connect_timeout"
            )
            yield Diagnosis(_NAME, Level.WARNING, text, advice)
