"""Macros that Postmill, a condition or a milter goes by, and the mail server does not send (protocol §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.chain.macros import split_names
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import MACRO_PARAMETERS, split_list
from postmill.host.setup_postfix import NEEDED_MACROS
from postmill.wire.codes import MacroStage
from postmill.wire.symbols import bare

PLACE = 5
_NAME = "macros"
_STAGES: Mapping[int, str] = {
    MacroStage.CONNECT: "connect",
    MacroStage.HELO: "helo",
    MacroStage.MAIL: "mail",
    MacroStage.RCPT: "rcpt",
    MacroStage.DATA: "data",
    MacroStage.EOM: "eom",
    MacroStage.EOH: "eoh",
}
_WORDS = """
    i j v _ auth_authen auth_author auth_type cert_issuer cert_subject cipher cipher_bits client_addr
    client_connections client_name client_port client_ptr client_resolve daemon_addr daemon_name
    daemon_port mail_addr mail_host mail_mailer rcpt_addr rcpt_host rcpt_mailer tls_version
"""
_OF_POSTFIX = frozenset(_WORDS.split())
"""All that Postfix has a value for (protocol §5.1, §5.2)."""
_LOGIN = ("auth_type", "auth_authen")
_GOES_BY_LOGIN = ("authenticated", "unauthenticated")
_WITHOUT: Mapping[str, str] = {
    "v": "Postmill cannot tell that it is Postfix, and may not ask it to wait for slow milters",
    "auth_type": "nobody counts as authenticated",
    "auth_authen": "nobody counts as authenticated",
    "rcpt_mailer": "recipients that Postfix refuses look to milters like good ones",
    "i": "the queue id is missing in the log and for milters",
}
"""What the lack of a macro comes to; that of others is hardly noticed."""


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare what is gone by and what is asked for with what the mail server sends."""
    found = [*_needed(patient), *_asked_in_vain(patient)]
    yield from found
    if not found and (patient.postfix or patient.sendmail) and patient.loaded is not None:
        yield Diagnosis(_NAME, Level.OK, "the mail server sends every macro that is asked for")


def _needed(patient: Patient) -> Iterator[Diagnosis]:
    if patient.loaded is None or not any(entry.ours for entry in patient.entries):
        return
    if patient.postfix is not None:
        for stage, names in NEEDED_MACROS.items():
            yield from _lacking(patient, stage, names, patient.postfix.macros(stage), MACRO_PARAMETERS[stage])
    elif patient.sendmail is not None:
        sent = patient.sendmail.macros["mail"]
        yield from _lacking(patient, "mail", _LOGIN, sent, "Milter.macros.envfrom of Sendmail")


def _lacking(
    patient: Patient, stage: str, names: tuple[str, ...], sent: tuple[str, ...], parameter: str
) -> Iterator[Diagnosis]:
    has = {_bare(name) for name in sent}
    missing = [_bare(name) for name in names if _bare(name) not in has and _bare(name) in _WITHOUT]
    if not missing:
        return
    users = _going_by_login(patient) if set(missing) & set(_LOGIN) else []
    text = f"{parameter} does not have {_shown(missing)}: {_WITHOUT[missing[0]]}"
    text += f", and by that is decided whether to ask {', '.join(users)}" if users else ""
    level = Level.ERROR if users else Level.WARNING
    command = patient.setup()
    advice = "" if command else "put it there, or let `postmill setup sendmail` do it"
    yield Diagnosis(_NAME, level, text, advice, command, safe=bool(command))


def _going_by_login(patient: Patient) -> list[str]:
    return [
        milter.name
        for milter in patient.milters
        if any(use.condition.name in _GOES_BY_LOGIN for use in milter.conditions)
    ]


def _asked_in_vain(patient: Patient) -> Iterator[Diagnosis]:
    """Postfix has no value for some macros that milters made for Sendmail ask for."""
    if patient.postfix is None:
        return
    has = {
        pair.partition("=")[0].strip(" {}")
        for pair in split_list(patient.postfix.value("milter_macro_defaults"))
    }
    for milter in patient.milters:
        negotiated = patient.answers[milter.name].negotiated
        if negotiated is None or any(
            use.condition.name == "sendmail-compatible" for use in milter.conditions
        ):
            continue
        for number, text in negotiated.symlists:
            stage = _STAGES.get(number, "")
            given = {_bare(name) for name in milter.macros.get(stage, {})}
            asked = [bare(name).decode("utf-8", "replace") for name in split_names(text)]
            missing = [name for name in asked if name not in _OF_POSTFIX | has | given]
            if missing and stage:
                yield _vain(milter.name, stage, missing)


def _vain(milter: str, stage: str, missing: list[str]) -> Diagnosis:
    text = f"{milter} asks for {_shown(missing)} at {stage}, which Postfix does not have"
    advice = (
        f'add "sendmail-compatible" to when of [milters.{milter}], or give a value: '
        f'macros.{stage} = {{ {missing[0]} = "…" }}'
    )
    return Diagnosis(_NAME, Level.WARNING, text, advice)


def _bare(name: str) -> str:
    return name.strip("{}")


def _shown(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" if len(name) > 1 else name for name in names)
