"""Checkups that compare configurations: conditions, macros, registration, order, time limits, failures."""

from __future__ import annotations

import pytest

from postmill.errors import ConfigError
from postmill.host.checkups import (
    conditions,
    configuration,
    failure_policy,
    macros,
    mail_server,
    order,
    registration,
    time_limits,
)
from postmill.host.diagnosis import Level
from postmill.host.patient import Patient
from postmill.host.talking import Answer
from postmill.wire.packets import OptNeg
from tests.host.checkups.patients import (
    CF,
    LISTED,
    MAIN,
    TOML,
    TWO,
    only,
    patient,
    with_postfix,
    with_sendmail,
    wrong,
)

POLICY = """\
from postmill.api import Applies, Apply, Sender, condition


@condition("broken")
def broken(sender: Sender) -> Applies:
    \"\"\"Fails for bounces.\"\"\"
    if not sender.address.text:
        raise RuntimeError("no such luck")
    return Apply("it is no bounce")
"""


def milter(name: str, *lines: str) -> str:
    return "\n".join([f"[milters.{name}]", f'socket = "unix:/run/{name}.sock"', *lines, ""])


def test_mistakes_in_the_configuration() -> None:
    problems = (ConfigError("bad", file="/f", line=3), ConfigError("worse", file="/f", line=4))
    found = wrong(configuration.check(Patient("/f", problems=problems)))
    assert [one.text for one in found] == ["/f:3: bad", "/f:4: worse"]


def test_a_configuration_without_milters_is_suspicious() -> None:
    assert "no milter is in use" in only(configuration.check(with_postfix(TOML))).text


def test_a_condition_that_raises() -> None:
    text = TOML + milter("some", 'when = ["broken"]', 'on_error = "accept"')
    found = only(conditions.check(patient(text, policy=POLICY)))
    assert found.text.startswith("some, with a bounce: condition broken: RuntimeError: no such luck at ")
    assert "on_error of some, accept, decides" in found.advice
    fine = TOML + milter(
        "some", 'when = ["remote-network", { name = "dnsbl-listed", zones = { "bl.example" = [] } }]'
    )
    assert [one.level for one in conditions.check(patient(fine))] == [Level.OK]


def test_no_mail_server() -> None:
    assert "no mail server was found" in only(mail_server.check(patient(TOML))).text
    assert wrong(mail_server.check(with_sendmail())) == []


def test_a_postfix_that_does_not_run_or_speaks_an_old_protocol() -> None:
    found = only(mail_server.check(with_postfix(running=False)))
    assert (found.shell, found.safe) == ("postfix start", False)
    found = only(mail_server.check(with_postfix(main=f"{MAIN}milter_protocol = 4\n")))
    assert found.safe
    assert found.command[-1] == "--reload"


@pytest.mark.parametrize(
    ("lines", "level"), [("", Level.WARNING), ('when = ["unauthenticated"]', Level.ERROR)]
)
def test_macros_that_are_not_sent(lines: str, level: Level) -> None:
    found = only(macros.check(with_postfix(TOML + milter("some", lines), f"{MAIN}milter_mail_macros = i\n")))
    assert found.text.startswith("milter_mail_macros does not have {auth_type}, {auth_authen}: nobody counts")
    assert found.text.endswith("whether to ask some") == (level == Level.ERROR)
    assert (found.level, found.safe) == (level, True)


def test_macros_that_are_not_missed() -> None:
    assert wrong(macros.check(with_postfix(main=f"{MAIN}milter_connect_macros = j v\n"))) == []
    elsewhere = "smtpd_milters = unix:/other\nmilter_mail_macros = i\n"
    assert wrong(macros.check(with_postfix(main=elsewhere))) == [], "Postmill is not asked at all"
    found = only(macros.check(with_sendmail(cf=CF.replace("{auth_type}, ", ""))))
    assert "Milter.macros.envfrom of Sendmail does not have {auth_type}" in found.text


@pytest.mark.parametrize(
    ("main", "lines", "vain"),
    [
        ("", "", True),
        ("milter_macro_defaults = {if_name}=eth0, if_addr=192.0.2.1\n", "", False),
        ("", 'when = ["sendmail-compatible"]', False),
        ("", 'macros.connect = { if_name = "eth0", if_addr = "192.0.2.1" }', False),
    ],
)
def test_macros_that_postfix_does_not_have(main: str, lines: str, vain: bool) -> None:
    asks = {"unix:/run/some.sock": Answer(OptNeg(6, 0, 0, ((0, b"j {if_name} {if_addr}"), (3, b"i"))))}
    host = with_postfix(TOML + milter("some", lines), f"{MAIN}{main}", answers=asks)
    found = wrong(macros.check(host))
    texts = ["some asks for {if_name}, {if_addr} at connect, which Postfix does not have"]
    assert [one.text for one in found] == (texts if vain else [])


def test_a_milter_asked_twice() -> None:
    main = MAIN.replace(
        "smtpd_milters = ", "smtpd_milters = { inet:localhost:11332, default_action=accept }, ", 1
    )
    found = only(registration.check(with_postfix(main=main)))
    assert found.text == (
        "rspamd is asked twice, by Postmill and by Postfix itself: inet:localhost:11332 is in the list of "
        "smtp/inet, submission/inet"
    )
    assert (found.safe, found.command[:3]) == (True, ("postmill", "setup", "postfix"))
    evaluated = f'{TWO}mode = "evaluate"\n'
    assert wrong(registration.check(with_postfix(evaluated, main))) == []


def test_postmill_listed_twice() -> None:
    found = wrong(registration.check(with_postfix(main=f"smtpd_milters = {LISTED}, {LISTED}\n")))
    assert [one.text.partition(" of ")[0] for one in found] == ["smtp/inet", "submission/inet"]
    assert all("lists Postmill 2 times" in one.text and one.safe for one in found)


def test_nobody_asks_postmill() -> None:
    found = only(registration.check(with_postfix(main="")))
    assert found.text == "Postfix does not ask Postmill about any mail"
    assert (found.command[1], found.safe) == ("setup", False)
    found = only(registration.check(with_sendmail(cf="O InputMailFilters=\n")))
    assert "`postmill setup sendmail`" in found.advice


def test_mail_that_passes_by_is_noted() -> None:
    main = f"smtpd_milters = {LISTED}, inet:localhost:9999\n"
    notes = [
        one.text
        for one in registration.check(with_postfix(main=main, overrides="submission/inet/smtpd_milters = "))
        if one.level == Level.NOTE
    ]
    assert notes[0].startswith("Postfix asks inet:localhost:9999 by itself")
    assert notes[1] == "mail through submission/inet of Postfix does not pass Postmill"
    assert notes[2].startswith("mail from sendmail(1) does not pass Postmill")


def test_sendmail_asks_twice() -> None:
    cf = CF.replace("Filters=postmill", "Filters=postmill, spam") + "Xspam, S=inet:11332@localhost\n"
    found = only(registration.check(with_sendmail(cf=cf)))
    assert "rspamd is asked twice, by Postmill and by Sendmail itself" in found.text
    assert "the list of MTA" in found.text


@pytest.mark.parametrize(
    ("text", "hazard"),
    [
        (milter("opendkim") + milter("opendmarc"), ""),
        (milter("opendmarc") + milter("opendkim"), "opendmarc stands before opendkim"),
        (milter("opendmarc") + milter("opendkim", "order = 0"), ""),
        (milter("opendmarc") + milter("opendkim", 'mode = "off"'), ""),
        (
            '[milters.policy]\nsocket = "/run/opendmarc/sock"\n'
            + milter("spf", "").replace("run/spf", "run/pyspf-milter"),
            "policy stands before spf",
        ),
        (milter("openarc") + milter("opendmarc-strict"), "openarc stands before opendmarc-strict"),
        (milter("openarc") + milter("rspamd"), "openarc stands before rspamd"),
        (milter("rspamd") + milter("opendkim"), ""),
        (milter("opendmarc", 'content = "parallel"'), "opendmarc does not see"),
    ],
)
def test_order(text: str, hazard: str) -> None:
    found = wrong(order.check(patient(TOML + text)))
    assert [one.text[: len(hazard)] for one in found] == ([hazard] if hazard else [])
    assert all(one.level == Level.WARNING and not one.command for one in found)


@pytest.mark.parametrize(
    ("manager", "lines", "main", "limit"),
    [
        ("", "", "", ""),
        ("", 'timeouts = { command = "2m" }', "", "timeouts.connect"),
        ("", 'timeouts = { connect = "1s", command = "29s" }', "", ""),
        ("", 'timeouts = { connect = "10s" }', "milter_command_timeout = 2m\n", ""),
        ("", 'timeouts = { connect = "10s" }', "", "timeouts.connect"),
        (
            "",
            'timeouts = { connect = "1s", command = "1s" }',
            "milter_command_timeout = 5s\n",
            "progress_interval",
        ),
        (
            "",
            'timeouts = { connect = "1s", command = "1s" }',
            "milter_content_timeout = 5s\n",
            "progress_interval",
        ),
        ('mta = "sendmail"\n', 'timeouts = { connect = "1s", command = "30s" }', "", "timeouts.command"),
        (
            "",
            'timeouts = { connect = "1s", command = "30s" }',
            "milter_connect_macros = j\n",
            "timeouts.command",
        ),
        (
            'mta = "postfix"\n',
            'timeouts = { connect = "1s", command = "30s" }',
            "milter_connect_macros = j\n",
            "timeouts.connect",
        ),
    ],
)
def test_time_limits(manager: str, lines: str, main: str, limit: str) -> None:
    text = TOML.replace("[manager]\n", f"[manager]\n{manager}") + milter("some", lines)
    found = wrong(time_limits.check(with_postfix(text, f"{MAIN}{main}")))
    assert [limit in one.text for one in found] == ([True] if limit else [])


def test_the_time_limit_of_postmill_alone() -> None:
    main = "smtpd_milters = { unix:postmill/postmill.sock, command_timeout=3s }\n"
    assert any("after 3 s" in one.text for one in wrong(time_limits.check(with_postfix(main=main))))


def test_time_limits_of_sendmail() -> None:
    assert wrong(time_limits.check(with_sendmail())) == []
    short = CF.replace("T=C:30s;S:30s;R:60s;E:10m", "T=R:20s;E:1m")
    texts = [one.text for one in wrong(time_limits.check(with_sendmail(cf=short)))]
    assert sum("timeouts.command)" in text for text in texts) == 2
    assert sum("after 60 s (E in its T=)" in text for text in texts) == 2


def test_what_failures_come_to() -> None:
    main = f"smtpd_milters = {LISTED}, inet:localhost:9999\n"
    override = "submission/inet/milter_default_action = accept"
    text = TWO + milter("trial", 'mode = "evaluate"')
    table, lax = failure_policy.check(with_postfix(text, main, overrides=override))
    assert table.table is not None
    away = "tempfail (smtp/inet), accept (submission/inet)"
    assert table.table.rows == (
        ("opendkim", "tempfail", away),
        ("rspamd", "accept", away),
        ("trial", "nothing: it is only evaluated", away),
        ("inet:localhost:9999", f"{away} (the mail server's)", "-"),
    )
    assert table.as_values()["rows"][0]["if it fails"] == "tempfail"
    assert (lax.level, lax.safe) == (Level.WARNING, False)
    assert "submission/inet accepts mail unfiltered, though opendkim must not" in lax.text


def test_filters_inside_postmill_stand_in_the_row_too() -> None:
    text = TWO + '[[filter]]\nuse = "clamav"\non_error = "reject"\norder = 9\n'
    table = next(iter(failure_policy.check(with_postfix(text))))
    assert table.table is not None
    assert [row[:2] for row in table.table.rows] == [
        ("opendkim", "tempfail"),
        ("rspamd", "accept"),
        ("clamav", "reject"),
    ]
    assert configuration_text(text).endswith("milters: opendkim, rspamd, clamav")


def configuration_text(text: str) -> str:
    return next(iter(configuration.check(with_postfix(text)))).text


def test_what_failures_come_to_with_sendmail() -> None:
    (table,) = failure_policy.check(with_sendmail())
    assert table.table is not None
    assert table.table.rows[0] == ("opendkim", "tempfail", "tempfail")
    found = only(failure_policy.check(with_sendmail(cf=CF.replace("F=T, ", ""))))
    assert "MTA accepts mail unfiltered" in found.text
