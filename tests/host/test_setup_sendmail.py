"""What `postmill setup sendmail` decides: a function of texts, tried on examples and on random .mc files."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmill.config import Loaded
from postmill.host.plan import Plan
from postmill.host.sendmail import parse_mc
from postmill.host.setup_sendmail import Texts, plan
from tests.host.texts import loaded as load_text

TOML = """\
[manager]
listen = ["unix:/run/postmill/postmill.sock"]

[milters.opendkim]
socket = "unix:/run/opendkim/opendkim.sock"
timeouts = { command = "80s" }

[milters.rspamd]
socket = "inet:11332@127.0.0.1"
timeouts = { command = "20s" }

[milters.trial]
socket = "unix:/run/trial.sock"
mode = "evaluate"
"""
LOADED = load_text(TOML)
OURS = "(`postmill', `S=unix:/run/postmill/postmill.sock, F=T, T=C:30s;S:30s;R:125s;E:10m')dnl\n"
DKIM = "INPUT_MAIL_FILTER(`dkim', `S=local:/run/opendkim/opendkim.sock, F=T')dnl\n"
SPAM = "INPUT_MAIL_FILTER(`spam', `S=inet:11332@localhost')dnl\n"
OTHER = "INPUT_MAIL_FILTER(`other', `S=unix:/run/other.sock, T=R:30s')dnl the other\n"
MAILERS = "MAILER_DEFINITIONS\nMAILER(`local')dnl\nMAILER(`smtp')dnl\n"


def made(mc: str, loaded: Loaded = LOADED, *, adopting: bool = False, toml: str = TOML) -> Plan:
    return plan("/etc/mail/sendmail.mc", Texts(mc, toml), loaded, adopting=adopting)


def after(plan: Plan, name: str = ".mc") -> str:
    return next((change.after or "" for change in plan.changes if change.path.endswith(name)), "")


def test_without_milters_it_stands_before_the_mailers() -> None:
    mc = "OSTYPE(`debian')dnl\ndnl MAILER(`no')\n" + MAILERS
    assert after(made(mc)) == mc.replace("MAILER_D", f"INPUT_MAIL_FILTER{OURS}MAILER_D", 1)
    assert after(made("OSTYPE(`debian')")) == f"OSTYPE(`debian')\nINPUT_MAIL_FILTER{OURS}"


def test_it_takes_the_place_of_its_milters() -> None:
    plan = made(f"# top\n{OTHER}{DKIM}define(`x', `y')dnl\n{SPAM}{MAILERS}")
    assert after(plan) == f"# top\n{OTHER}INPUT_MAIL_FILTER{OURS}define(`x', `y')dnl\n{MAILERS}"
    assert plan.removed == (("dkim", "opendkim"), ("spam", "rspamd"))
    assert plan.kept == (("other", "Postmill does not know it; --adopt takes it over"),)
    assert any("mail is deferred" in note for note in plan.notes)
    assert "when rspamd fails, what happens was accept, and is now its on_error, tempfail" in plan.notes


def test_it_stands_behind_others_that_stay() -> None:
    assert after(made(f"{OTHER}{MAILERS}")) == f"{OTHER}INPUT_MAIL_FILTER{OURS}{MAILERS}"


def test_a_milter_without_effect_here_stays() -> None:
    trial = "INPUT_MAIL_FILTER(`try', `S=unix:/run/trial.sock')dnl\n"
    plan = made(trial)
    assert after(plan) == f"{trial}INPUT_MAIL_FILTER{OURS}"
    assert "mode = evaluate" in plan.kept[0][1]


def test_a_list_of_names() -> None:
    mc = f"define(`confINPUT_MAIL_FILTERS', `dkim, other')dnl\nMAIL_FILTER{DKIM[17:]}MAIL_FILTER{OTHER[17:]}"
    text = after(made(mc))
    assert "define(`confINPUT_MAIL_FILTERS', `postmill, other')dnl\n" in text
    assert f"MAIL_FILTER{OURS}" in text
    assert "dkim" not in text
    assert parse_mc(text).input_filters == ("postmill", "other")


def test_a_list_of_names_that_grows() -> None:
    mc = (
        f"{OTHER}define(`confINPUT_MAIL_FILTERS', confINPUT_MAIL_FILTERS`, dkim')MAIL_FILTER{DKIM[17:]}{SPAM}"
    )
    assert parse_mc(mc).input_filters == ("other", "dkim", "spam")
    assert parse_mc(after(made(mc))).input_filters == ("other", "postmill")


def test_a_listener_with_milters_of_its_own() -> None:
    daemon = "DAEMON_OPTIONS(`Name=MSA, Port=587, InputMailFilters=dkim')dnl\n"
    plan = made(daemon + DKIM)
    assert after(plan) == f"{daemon}INPUT_MAIL_FILTER{OURS}{DKIM.removeprefix('INPUT_')}"
    assert "MSA has InputMailFilters of its own, dkim: Postmill does not see its mail" in plan.notes
    plan = made(daemon.replace("=dkim", "=postmill;dkim") + DKIM)
    assert plan.warnings == ("MSA asks dkim itself and through Postmill; take it out there",)


@pytest.mark.parametrize(
    ("present", "becomes"),
    [
        ("S=local:/run/postmill/postmill.sock, F=R, T=C:1m;S:1m;R:5m;E:20m", ""),
        (
            "S=unix:/run/postmill/postmill.sock, T=R:5s;E:20m",
            "S=unix:/run/postmill/postmill.sock, T=R:125s;E:20m, F=T",
        ),
        ("S=unix:/run/postmill/postmill.sock", OURS[14:-6]),
    ],
)
def test_postmill_stays_as_it_is_written_unless_too_lax(present: str, becomes: str) -> None:
    text = after(made(f"INPUT_MAIL_FILTER(`ours', `{present}')dnl\n"))
    assert text == (f"INPUT_MAIL_FILTER(`ours', `{becomes}')dnl\n" if becomes else "")


def test_a_definition_that_nobody_asks_is_put_to_use() -> None:
    assert after(made(f"MAIL_FILTER{OURS}")) == f"INPUT_MAIL_FILTER{OURS}"


def test_macros() -> None:
    mc = "define(`confMILTER_MACROS_ENVFROM', `i, {mail_addr}')dnl\ndefine(`confMILTER_MACROS_CONNECT', `j, confX')dnl\n"
    plan = made(mc)
    assert "define(`confMILTER_MACROS_ENVFROM', ``i, {mail_addr}, {auth_type}, {auth_authen}, {auth_author}'')dnl\n" in after(plan)  # fmt: skip
    assert plan.warnings == ("confMILTER_MACROS_CONNECT lacks {daemon_name} {if_name}; add it by hand",)


def test_macros_that_are_added_to_the_default() -> None:
    mc = "define(`confMILTER_MACROS_ENVRCPT', confMILTER_MACROS_ENVRCPT``, {x}'')dnl\n"
    assert parse_mc(mc).macros["rcpt"] == ("{rcpt_mailer}", "{rcpt_host}", "{rcpt_addr}", "{x}")
    assert "ENVRCPT', ``" not in after(made(mc))


def test_adoption() -> None:
    plan = made(OTHER + "INPUT_MAIL_FILTER(`my.filter', `S=unix:/run/f, F=T')dnl\n", adopting=True)
    assert after(plan) == f"INPUT_MAIL_FILTER{OURS}".replace("R:125s", "R:3m")
    assert (
        after(plan, ".toml")
        == TOML
        + """
[milters.other]
socket = "unix:/run/other.sock"
on_error = "accept"
timeouts = { command = "30s" }

[milters.my-filter]
socket = "unix:/run/f"
"""
    )


@pytest.mark.parametrize(
    ("listen", "address"),
    [("inet:8890@0.0.0.0", "inet:8890@127.0.0.1"), ("inet6:8890@::1", "inet6:8890@::1")],
)
def test_over_tcp(listen: str, address: str) -> None:
    assert made("", load_text(f'[manager]\nlisten = ["{listen}"]\n')).address == address


SPAM_IS_LISTED = "define(`confINPUT_MAIL_FILTERS', `spam, other')dnl\n"
LISTENER = "DAEMON_OPTIONS(`Name=MSA, InputMailFilters=spam')dnl\n"
_piece = st.sampled_from(
    [
        "OSTYPE(`linux')dnl\n",
        "dnl comment INPUT_MAIL_FILTER(`no', `')\n",
        DKIM,
        SPAM,
        OTHER,
        DKIM.removesuffix("dnl\n"),
        DKIM.removeprefix("INPUT_"),
        f"INPUT_MAIL_FILTER{OURS}",
        f"MAIL_FILTER{OURS}",
        "INPUT_MAIL_FILTER(`p2', `S=local:/run/postmill/postmill.sock')dnl\n",
        SPAM_IS_LISTED,
        "define(`confINPUT_MAIL_FILTERS', `postmill, dkim')",
        "define(`confMILTER_MACROS_ENVFROM', `i')dnl\n",
        LISTENER,
        MAILERS,
    ]
)


@example([SPAM_IS_LISTED, LISTENER, SPAM, f"INPUT_MAIL_FILTER{OURS}"], False)  # asked twice
@given(st.lists(_piece, max_size=7, unique=True), st.booleans())
def test_twice_is_once_and_nobody_is_asked_twice(pieces: list[str], adopting: bool) -> None:
    mc = "".join(pieces)
    first = made(mc, adopting=adopting)
    text, toml = after(first) or mc, after(first, ".toml") or TOML
    again = made(text, load_text(toml), adopting=adopting, toml=toml)
    assert again.changes == ()
    asked = parse_mc(text).asked
    assert [each.endpoint.path for each in asked if each.endpoint].count("/run/postmill/postmill.sock") == 1
    assert not {each.name for each in asked} & {"dkim", "spam"}
    assert ("other" in {each.name for each in asked}) == (not adopting and "other" in [each.name for each in parse_mc(mc).asked])  # fmt: skip
    assert text.count("OSTYPE") == mc.count("OSTYPE")
