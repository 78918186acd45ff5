"""What `postmill setup postfix` decides: a function of texts, tried on examples and on random configurations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.config import Loaded
from postmill.errors import ConfigError
from postmill.host.main_cf import set_parameters, written
from postmill.host.plan import Plan
from postmill.host.postfix import split_list
from postmill.host.setup_postfix import Texts, Wishes, plan
from tests.host.texts import POSTMILL, postfix
from tests.host.texts import loaded as load_text

OURS = "unix:postmill/postmill.sock"
DKIM = "unix:opendkim/opendkim.sock"
RSPAMD = "inet:localhost:11332"
LOADED = load_text()


def made(
    main: str,
    *,
    chroot: str = "y",
    overrides: str = "",
    master: str = "",
    toml: str = POSTMILL,
    loaded: Loaded = LOADED,
    **wishes: bool,
) -> Plan:
    return plan(postfix(main, chroot, overrides), Texts(main, master, toml), loaded, Wishes(**wishes))


def after(plan: Plan, name: str = "main.cf") -> str:
    return next((change.after or "" for change in plan.changes if change.path.endswith(name)), "")


def values(plan: Plan) -> dict[str, str]:
    return written(after(plan))


def test_on_an_untouched_postfix() -> None:
    found = values(made("myhostname = mx.example.org\n"))
    assert found == {
        "myhostname": "mx.example.org",
        "smtpd_milters": OURS,
        "milter_protocol": "6",
        "milter_default_action": "tempfail",
        "milter_mail_macros": "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        "milter_connect_macros": "j {daemon_name} {daemon_addr} v _ {daemon_port}",
    }


@pytest.mark.parametrize(
    "spelling",
    [
        DKIM,
        "local:opendkim/opendkim.sock",
        "unix:/opendkim/opendkim.sock",
        "unix:/var/spool/postfix/opendkim/opendkim.sock",
        "unix:/var/spool/postfix//opendkim/../opendkim/opendkim.sock",
        "{ unix:opendkim/opendkim.sock, connect_timeout=3s }",
        RSPAMD,
        "inet:127.0.0.1:11332",
        "inet:[::1]:11332",
    ],
)
def test_a_milter_that_postmill_asks_goes(spelling: str) -> None:
    plan = made(f"smtpd_milters = {spelling}\n")
    assert values(plan)["smtpd_milters"] == OURS
    ((text, name),) = plan.removed
    assert text == spelling
    assert name in {"opendkim", "rspamd"}


def test_postmill_takes_the_first_place_and_others_keep_theirs() -> None:
    plan = made(f"smtpd_milters = unix:/a {DKIM}, unix:/b,{RSPAMD} inet:localhost:spam\n")
    assert values(plan)["smtpd_milters"] == f"unix:/a, {OURS}, unix:/b, inet:localhost:spam"
    assert plan.kept == (
        ("unix:/a", "Postmill does not know it; --adopt takes it over"),
        ("unix:/b", "Postmill does not know it; --adopt takes it over"),
        ("inet:localhost:spam", "Postmill does not know it and cannot read its address"),
    )


def test_a_milter_without_effect_here_stays() -> None:
    plan = made("smtpd_milters = unix:/run/trial.sock\n", chroot="n")
    assert values(plan)["smtpd_milters"] == f"unix:/run/trial.sock, {OURS}"
    assert plan.kept == (("unix:/run/trial.sock", "Postmill has it as trial with mode = evaluate, so its word counts only here"),)  # fmt: skip


@pytest.mark.parametrize(
    ("present", "becomes", "note"),
    [
        ("accept", "tempfail", True),
        ("quarantine", "tempfail", True),
        ("reject", "reject", False),
        ("shutdown", "shutdown", False),
        ("", "tempfail", True),
    ],
)
def test_default_action_is_never_laxer_than_tempfail(present: str, becomes: str, note: bool) -> None:
    plan = made(f"milter_default_action = {present}\n" if present else "")
    assert values(plan)["milter_default_action"] == becomes
    assert any("mail is deferred" in text for text in plan.notes) is note


def test_general_parameters_stay_for_milters_that_stay() -> None:
    main = "smtpd_milters = unix:/a\nmilter_default_action = accept\nmilter_protocol = 2\n"
    plan = made(main)
    found = values(plan)
    assert found["smtpd_milters"] == f"unix:/a, {{ {OURS}, default_action=tempfail, protocol=6 }}"
    assert (found["milter_default_action"], found["milter_protocol"]) == ("accept", "2")
    assert any("stays accept" in note for note in plan.notes)
    assert made(after(plan)).changes == ()


def test_an_old_protocol_version_is_raised() -> None:
    assert values(made("milter_protocol = 4\n"))["milter_protocol"] == "6"
    assert values(made("milter_protocol = 6 no_helo\n"))["milter_protocol"] == "6 no_helo"


def test_macros_are_added_to_the_administrators_list() -> None:
    found = values(made("milter_mail_macros = {auth_type}, i x\nmilter_rcpt_macros = i\n"))
    assert found["milter_mail_macros"] == "{auth_type} i x {auth_author} {auth_authen}"
    assert found["milter_rcpt_macros"] == "i {rcpt_mailer}"
    assert "milter_data_macros" not in found


def test_another_fate_of_mail_while_a_milter_fails_is_told() -> None:
    plan = made(f"smtpd_milters = {{ {DKIM}, default_action=accept }}, {RSPAMD}\n")
    (note,) = [note for note in plan.notes if "fails, what happens" in note]
    assert note == "when opendkim fails, what happens was accept, and is now its on_error, tempfail"


# --- mail from sendmail(1) -----------------------------------------------------------------------------------


def test_non_smtpd_on_request() -> None:
    assert "non_smtpd_milters" not in values(made(""))
    assert any("--non-smtpd" in note for note in made("").notes)
    assert values(made("", non_smtpd=True))["non_smtpd_milters"] == "$smtpd_milters"


def test_non_smtpd_that_has_the_general_list_stays() -> None:
    main = f"smtpd_milters = {DKIM}\nnon_smtpd_milters = $smtpd_milters\n"
    plan = made(main)
    assert values(plan)["non_smtpd_milters"] == "$smtpd_milters"
    assert not any("--non-smtpd" in note for note in plan.notes)


def test_non_smtpd_loses_what_would_run_twice() -> None:
    main = f"smtpd_milters = unix:/a\nnon_smtpd_milters = $smtpd_milters, {DKIM}\n"
    assert values(made(main))["non_smtpd_milters"] == "$smtpd_milters"


def test_non_smtpd_keeps_strangers_of_its_own() -> None:
    main = f"smtpd_milters = unix:/a\nnon_smtpd_milters = {DKIM} unix:/a unix:/b\n"
    assert values(made(main))["non_smtpd_milters"] == f"{DKIM} unix:/a unix:/b"
    assert values(made(main, non_smtpd=True))["non_smtpd_milters"] == "$smtpd_milters, unix:/b"


# --- chroot --------------------------------------------------------------------------------------------------

OUTSIDE = POSTMILL.replace("/var/spool/postfix/postmill/", "/run/postmill/")


def test_without_chroot_a_socket_elsewhere_will_do() -> None:
    plan = made("", chroot="n", loaded=load_text(OUTSIDE))
    assert values(plan)["smtpd_milters"] == "unix:/run/postmill/postmill.sock"


def test_a_socket_that_a_chroot_hides_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError) as caught:
        made("", loaded=load_text(OUTSIDE))
    text = str(caught.value)
    assert ":2: manager.listen: Postfix cannot reach unix:/run/postmill/postmill.sock" in text
    assert "smtp/inet, submission/inet of master.cf runs in a chroot, /var/spool/postfix" in text
    assert 'listen = ["unix:/var/spool/postfix/postmill/postmill.sock"] and socket_group = "postfix"' in text


def test_cleanup_in_a_chroot_counts_only_for_mail_of_its_own() -> None:
    value = postfix("", "n")
    confined = type(value)(
        value.directory,
        value.parameters,
        tuple(
            type(each)(each.name, each.type, each.command == "cleanup", 0, each.command)
            for each in value.services
        ),
    )
    elsewhere, texts = load_text(OUTSIDE), Texts("", "", "")
    assert plan(confined, texts, elsewhere).address == "unix:/run/postmill/postmill.sock"
    with pytest.raises(ConfigError, match="cleanup/unix of master"):
        plan(confined, texts, elsewhere, Wishes(non_smtpd=True))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("inet:8890@127.0.0.1", "inet:127.0.0.1:8890"),
        ("inet:8890@0.0.0.0", "inet:127.0.0.1:8890"),
        ("inet6:8890@::", "inet:[::1]:8890"),
        ("unix:/var/spool/postfix/p", "unix:p"),
    ],
)
def test_the_first_socket_that_can_be_reached_is_used(listen: str, address: str) -> None:
    toml = f'[manager]\nlisten = ["unix:/run/p.sock", "{listen}"]\n'
    assert values(made("", loaded=load_text(toml)))["smtpd_milters"] == address


def test_postmill_stays_as_it_is_written_if_that_works() -> None:
    own = "{ unix:/postmill/postmill.sock, connect_timeout=5s }"
    assert values(made(f"smtpd_milters = {own}\n"))["smtpd_milters"] == own
    assert values(made(f"smtpd_milters = {own}\n", chroot="n"))["smtpd_milters"] == OURS
    assert values(made(f"smtpd_milters = {OURS} local:postmill/postmill.sock\n"))["smtpd_milters"] == OURS


# --- master.cf -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "note"),
    [
        ("", "none: its mail passes no milter"),
        (f"{DKIM}, unix:/x", f"{DKIM} (opendkim), unix:/x (unknown here): Postmill does not see its mail"),
        ("$smtpd_milters, unix:/x", "$smtpd_milters, unix:/x: Postmill is among them"),
    ],
)
def test_services_with_milters_of_their_own_are_named(own: str, note: str) -> None:
    plan = made("", overrides=f"submission/inet/smtpd_milters = {own}")
    assert f"submission/inet of master.cf has its own smtpd_milters, {note}" in plan.notes


def test_what_would_run_twice_is_taken_out_of_master_cf() -> None:
    master = f"submission inet n - y - - smtpd\n  -o {{ smtpd_milters = $smtpd_milters, {DKIM} }}\n"
    overrides = f"submission/inet/smtpd_milters = $smtpd_milters, {DKIM}"
    plan = made("", overrides=overrides, master=master)
    assert after(plan, "master.cf") == master.replace(f", {DKIM}", "")
    alone = made(
        "", overrides=overrides.replace("$smtpd_milters, ", ""), master=master.replace("$smtpd_milters, ", "")
    )
    assert after(alone, "master.cf") == ""


def test_other_services_with_milters_of_their_own_keep_the_general_parameters() -> None:
    plan = made("milter_default_action = accept\n", overrides="submission/inet/smtpd_milters = unix:/x")
    assert values(plan)["milter_default_action"] == "accept"
    assert values(plan)["smtpd_milters"] == f"{{ {OURS}, default_action=tempfail }}"


# --- warnings ------------------------------------------------------------------------------------------------


def test_warnings() -> None:
    main = "smtpd_milters = unix:/a\nsmtpd_milters = unix:/b\nsmtpd_milter_maps = cidr:/x\nbiff = no\nbiff = no\n"
    plan = made(main + "receive_override_options = no_milters\n")
    assert [text.partition(":")[0] for text in plan.warnings] == [
        "smtpd_milters is set more than once in main.cf, on lines 1, 2",
        "receive_override_options has no_milters in main.cf",
        "smtpd_milter_maps = cidr",
    ]


# --- adoption ------------------------------------------------------------------------------------------------


def test_adoption() -> None:
    main = f"""\
smtpd_milters = unix:clamav/clamav-milter.ctl, {DKIM}, inet:localhost:783
  {{ unix:spamass/spamass.sock, default_action=accept, content_timeout=10m }} inet:localhost:spam
milter_connect_timeout = 5s
"""
    plan = made(main, adopt=True)
    assert values(plan)["smtpd_milters"] == f"{OURS}, inet:localhost:spam"
    assert [name for _, name in plan.adopted] == ["clamav-milter", "milter-783", "spamass"]
    assert plan.removed == ((DKIM, "opendkim"),)
    change = plan.changes[-1]
    assert (
        change.after
        == POSTMILL
        + """
[milters.clamav-milter]
socket = "unix:/var/spool/postfix/clamav/clamav-milter.ctl"
timeouts = { connect = "5s" }

[milters.milter-783]
socket = "inet:783@localhost"
timeouts = { connect = "5s" }

[milters.spamass]
socket = "unix:/var/spool/postfix/spamass/spamass.sock"
on_error = "accept"
timeouts = { connect = "5s", content = "10m" }
"""
    )
    assert [each.name for each in load_text(change.after).settings.milters][-3:] == [
        "clamav-milter",
        "milter-783",
        "spamass",
    ]


def test_adoption_of_mail_from_sendmail_only_on_request() -> None:
    main = "smtpd_milters = unix:a/milter.sock\nnon_smtpd_milters = local:a/milter.sock unix:b/milter.sock\n"
    assert [name for _, name in made(main, adopt=True).adopted] == ["a"]
    plan = made(main, adopt=True, non_smtpd=True)
    assert [name for _, name in plan.adopted] == ["a", "b"]
    assert values(plan)["non_smtpd_milters"] == "$smtpd_milters"


def test_the_action_that_is_meant_for_an_adopted_milter_goes_with_it() -> None:
    plan = made("smtpd_milters = unix:a.sock\nmilter_default_action = accept\n", adopt=True)
    assert 'on_error = "accept"' in after(plan, ".toml")
    assert values(plan)["milter_default_action"] == "tempfail"


# --- any configuration ---------------------------------------------------------------------------------------

_element = st.sampled_from(
    [
        OURS,
        DKIM,
        RSPAMD,
        "unix:/a",
        "unix:b/c.sock",
        "inet:x:y",
        "local:opendkim/opendkim.sock",
        "{ unix:d, default_action=accept }",
        "{ unix:postmill/postmill.sock, default_action=accept, protocol=2 }",
        "{ unix:opendkim/opendkim.sock, command_timeout=3s }",
    ]
)
_list = st.lists(_element, max_size=4).flatmap(lambda each: st.sampled_from([", ", " ", ",\n  # why\n  "]).map(lambda gap: gap.join(each)))  # fmt: skip
_mains = st.fixed_dictionaries(
    {},
    optional={
        "smtpd_milters": _list,
        "non_smtpd_milters": _list
        | st.just("$smtpd_milters")
        | _list.map(lambda value: f"$smtpd_milters, {value}"),
        "milter_default_action": st.sampled_from(["accept", "tempfail", "reject", "quarantine", "odd"]),
        "milter_protocol": st.sampled_from(["2", "6"]),
        "milter_mail_macros": st.sampled_from(["", "i", "{auth_type}"]),
        "biff": st.just("no"),
    },
).map(lambda pairs: "".join(f"{name} = {value}\n" for name, value in pairs.items()))


@given(_mains, st.booleans(), st.booleans(), st.sampled_from(["y", "n"]))
def test_twice_is_once_and_nobody_is_asked_twice(
    main: str, non_smtpd: bool, adopt: bool, chroot: str
) -> None:
    first = made(main, chroot=chroot, non_smtpd=non_smtpd, adopt=adopt)
    text, toml = after(first) or main, after(first, ".toml") or POSTMILL
    now = load_text(toml)
    again = made(text, chroot=chroot, loaded=now, toml=toml, non_smtpd=non_smtpd, adopt=adopt)
    assert again.changes == ()
    assert written(text).get("biff") == written(main).get("biff")
    effective = postfix(text, chroot)
    for listed in (effective.smtpd_milters(), effective.non_smtpd_milters()):
        ours = [milter for milter in listed if "postmill.sock" in milter.address]
        if ours:
            assert len(ours) == 1
            assert not any("opendkim" in milter.address for milter in listed)
    before = postfix(main, chroot)
    for milter in effective.smtpd_milters():
        if "postmill.sock" not in milter.address:
            assert milter.text in split_list(before.value("smtpd_milters"))
            assert effective.milter_default_action == before.milter_default_action


def test_the_order_of_lines_and_comments_stay() -> None:
    main = "# top\nsmtpd_milters = unix:opendkim/opendkim.sock,\n# why\n   unix:/a\nbiff = no\n# end\n"
    found = after(made(main))
    assert [line for line in found.splitlines() if not line.startswith("milter_")] == [
        "# top",
        f"smtpd_milters = {OURS}, unix:/a",
        "# why",
        "biff = no",
        "# end",
    ]
    assert set_parameters(found, written(found)) == found
