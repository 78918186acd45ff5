"""Whether Postfix asks Postmill, once, and no milter is asked both by Postfix and by Postmill."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.known import counts, is_ours, milter_at
from postmill.host.patient import Patient
from postmill.host.postfix import ListedMilter, Service
from postmill.wire.endpoint import Endpoint

PLACE = 5
_NAME = "registration"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look through ``smtpd_milters`` of every service that takes mail, and ``non_smtpd_milters``."""
    postfix = patient.postfix
    if postfix is None or patient.loaded is None:
        return
    setup = ("postmill", "setup", "postfix", "--config-directory", postfix.directory)
    setup += ("--config", patient.config_file, "--yes")
    found = False
    lists = [(service.key, service, postfix.smtpd_milters(service)) for service in postfix.smtpd_services]
    lists.append(("non_smtpd_milters", None, postfix.non_smtpd_milters()))
    for where, service, listed in lists:
        ours = [one for one in listed if is_ours(_endpoints(patient, one, service), patient.loaded.settings)]
        found = found or (service is not None and bool(ours))
        if len(ours) > 1:
            text = f"{where} of Postfix lists Postmill {len(ours)} times: every mail would be asked about as often"
            yield Diagnosis(_NAME, Level.ERROR, text, "", setup, safe=True)
        for one in listed:
            milter = milter_at(_endpoints(patient, one, service), patient.loaded.settings)
            if ours and counts(milter):
                assert milter is not None
                text = (
                    f"{milter.name} is asked twice: by Postmill, and by {where} of Postfix as {one.address}"
                )
                yield Diagnosis(_NAME, Level.ERROR, text, "", setup, safe=True)
    if found:
        yield Diagnosis(_NAME, Level.OK, "Postfix asks Postmill")
    else:
        text = "no service of Postfix asks Postmill: smtpd_milters does not have it"
        yield Diagnosis(_NAME, Level.ERROR, text, "", setup, safe=False)


def _endpoints(patient: Patient, one: ListedMilter, service: Service | None) -> list[Endpoint]:
    """Return the sockets that an element may mean; what cannot be understood means none."""
    assert patient.postfix is not None
    root = patient.postfix.queue_directory
    chrooted = service is not None and service.chroot
    endpoint = one.endpoint(root, chrooted=chrooted)
    return [] if endpoint is None else [endpoint]
