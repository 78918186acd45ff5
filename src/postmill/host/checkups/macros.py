"""Macros that a milter asked for, or that conditions go by, and that Postfix does not send (protocol §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.chain.macros import bare, split_names
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import MACRO_PARAMETERS
from postmill.wire.codes import MacroStage

PLACE = 4
_NAME = "macros"
_STAGES: Mapping[int, str] = {
    int(MacroStage.CONNECT): "connect",
    int(MacroStage.HELO): "helo",
    int(MacroStage.MAIL): "mail",
    int(MacroStage.RCPT): "rcpt",
    int(MacroStage.DATA): "data",
    int(MacroStage.EOM): "eom",
    int(MacroStage.EOH): "eoh",
}
_NOT_IN_POSTFIX = frozenset(
    (
        "if_name",
        "if_addr",
        "auth_ssf",
        "msg_id",
        "cert_md5",
        "ntries",
        "nrcpts",
        "nbadrcpts",
        "server_name",
        "b",
        "p",
        "r",
    )
)
"""Macros of Sendmail that Postfix never has a value for (MILTER_README, "Workarounds")."""
_FOR_LOGIN = ("auth_type", "auth_authen")
_GOES_BY_LOGIN = ("authenticated", "unauthenticated")


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare what is asked for with what Postfix can send."""
    if patient.postfix is None:
        return
    before = list(_asked_in_vain(patient)) + list(_login(patient))
    yield from before
    if not before:
        yield Diagnosis(_NAME, Level.OK, "Postfix sends every macro that is asked for")


def _asked_in_vain(patient: Patient) -> Iterator[Diagnosis]:
    for milter in patient.milters:
        negotiated = patient.answers[milter.name].negotiated
        for stage, text in negotiated.symlists if negotiated is not None else ():
            word = _STAGES.get(stage, "")
            given = milter.macros.get(word, {})
            has = {name.strip("{}") for name in given}
            names = [bare(name).decode("utf-8", "replace") for name in split_names(text)]
            missing = [name for name in names if name in _NOT_IN_POSTFIX and name not in has]
            if missing and "sendmail-compatible" not in {wish.name for wish in milter.when}:
                shown = ", ".join(f"{{{name}}}" if len(name) > 1 else name for name in missing)
                advice = (
                    f'add "sendmail-compatible" to when of [milters.{milter.name}], or give a value: macros.{word} = '
                    f'{{ {missing[0]} = "…" }}'
                )
                text = f"{milter.name} asks for {shown} at {word}, which Postfix does not have"
                yield Diagnosis(_NAME, Level.WARNING, text, advice)


def _login(patient: Patient) -> Iterator[Diagnosis]:
    """Without the macros of the login nobody is ever authenticated."""
    postfix = patient.postfix
    assert postfix is not None
    users = [
        milter.name for milter in patient.milters if any(wish.name in _GOES_BY_LOGIN for wish in milter.when)
    ]
    sent = {name.strip("{}") for name in postfix.macros("mail")}
    missing = [name for name in _FOR_LOGIN if name not in sent]
    if users and missing:
        names = " and ".join(f"{{{name}}}" for name in missing)
        text = (
            f"{MACRO_PARAMETERS['mail']} of Postfix does not have {names}, so nobody counts as authenticated for "
            f"{', '.join(users)}"
        )
        yield Diagnosis(_NAME, Level.ERROR, text, "", _setup(patient), safe=True)


def _setup(patient: Patient) -> tuple[str, ...]:
    assert patient.postfix is not None
    where = ("--config-directory", patient.postfix.directory)
    return ("postmill", "setup", "postfix", *where, "--config", patient.config_file, "--yes")
