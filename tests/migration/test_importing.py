"""What each declaration of the predecessor becomes, and what is said about the others."""

from __future__ import annotations

import textwrap
import tomllib
from typing import Any

import pytest

from postmill.conditions import shelf
from postmill.config import parse
from postmill.errors import ConfigError
from postmill.migration.conditions import OWN_LISTS, OWN_SERVERS, OWN_TRUSTED
from postmill.migration.importing import Imported, import_texts

SHELF = shelf()


def imported(text: str, **others: str) -> Imported:
    texts = {"old.conf": textwrap.dedent(text), **{f"{name}.conf": other for name, other in others.items()}}
    return import_texts(texts, SHELF)


def document(text: str) -> dict[str, Any]:
    """Import what must come over whole."""
    found = imported(text)
    assert found.is_complete, found.remarks
    return tomllib.loads(found.toml)


def lost(text: str) -> list[str]:
    return [str(remark) for remark in imported(text).remarks if remark.severity == "warning"]


def notes(text: str) -> list[str]:
    return [str(remark) for remark in imported(text).remarks if remark.severity == "note"]


def milter(*lines: str) -> dict[str, Any]:
    body = "\n".join(f"  milter.{line}" for line in lines)
    text = f'define_milter("m") do |milter|\n  milter.connection_spec = "unix:/m"\n{body}\nend'
    found: dict[str, Any] = document(text)["milters"]["m"]
    assert found.pop("socket") == "unix:/m"
    return found


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ('security.effective_user = "mail"', {"manager": {"user": "mail"}}),
        ('security.effective_group = "mail"', {"manager": {"group": "mail"}}),
        ("security.effective_user = nil", {}),
        ('manager.connection_spec = "unix:/run/m.sock"', {"manager": {"listen": ["unix:/run/m.sock"]}}),
        (
            'manager.connection_spec = "inet:10025@[127.0.0.1]"',
            {"manager": {"listen": ["inet:10025@127.0.0.1"]}},
        ),
        ('manager.connection_spec = "inet:10025"', {"manager": {"listen": ["inet:10025@0.0.0.0"]}}),
        ('manager.connection_spec = "inet6:10025"', {"manager": {"listen": ["inet6:10025@::"]}}),
        ("manager.unix_socket_mode = 0600", {"manager": {"socket_mode": "0600"}}),
        ("manager.unix_socket_mode = 0660", {}),
        ('manager.unix_socket_group = "postfix"', {"manager": {"socket_group": "postfix"}}),
        ('manager.pid_file = "/run/m.pid"', {"manager": {"pid_file": "/run/m.pid"}}),
        ("manager.n_workers = 4", {"manager": {"workers": 4}}),
        ("manager.n_workers = 0", {}),
        ("manager.max_connections = 10", {"manager": {"max_connections": 10}}),
        ("manager.max_connections = 0", {}),
        ('log.level = "default"', {}),
        ('log.level = "all"', {"log": {"level": "debug"}}),
        ('log.level = "error|debug"', {"log": {"level": "debug"}}),
        ('log.level = "info"', {}),
        ('log.level = "critical|error|warning"', {"log": {"level": "warning"}}),
        ('log.level = "critical|error"', {"log": {"level": "error"}}),
        ("log.use_syslog = true", {"log": {"to": "syslog"}}),
        ("log.use_syslog = false", {}),
        ("log.path = nil", {}),
        ('package.platform = "debian"', {}),
        ("manager.chunk_size = 65535", {}),
        ('load("applicable-conditions/*.conf")', {}),
        ("# manager.n_workers = 4", {}),
        ("", {}),
    ],
)
def test_settings(line: str, ours: dict[str, Any]) -> None:
    assert document(line) == ours


@pytest.mark.parametrize(
    ("lines", "ours"),
    [
        ((), {"on_error": "accept"}),
        (("fallback_status = nil",), {"on_error": "accept"}),
        (('fallback_status = "temporary-failure"',), {}),
        (("fallback_status = :temporary_failure",), {}),
        (('fallback_status = "reject"',), {"on_error": "reject"}),
        (('fallback_status = "discard"',), {"on_error": "discard"}),
        (("enabled = false",), {"on_error": "accept", "mode": "off"}),
        (("enabled = false", "enabled = true"), {"on_error": "accept"}),
        (("evaluation_mode = true",), {"on_error": "accept", "mode": "evaluate"}),
        (("enabled = false", "evaluation_mode = true"), {"on_error": "accept", "mode": "off"}),
        (('description = "a\\n  b"',), {"on_error": "accept", "description": "a b"}),
        (("command = nil", "command_options = nil"), {"on_error": "accept"}),
        (('command = "/usr/bin/systemctl"',), {"on_error": "accept"}),
        (
            ('applicable_conditions = ["S25R", "Unauthenticated"]',),
            {"on_error": "accept", "when": ["s25r", "unauthenticated"]},
        ),
        (
            ('add_applicable_condition("No Stress")', 'applicable_conditions += ["No Stress", "S25R"]'),
            {"on_error": "accept", "when": ["no-stress", "s25r"]},
        ),
        (('add_applicable_condition("S25R")', 'applicable_conditions -= ["S25R"]'), {"on_error": "accept"}),
        (('add_applicable_condition("S25R")', "applicable_conditions = nil"), {"on_error": "accept"}),
        (('add_applicable_condition "S25R"', "clear_applicable_conditions"), {"on_error": "accept"}),
    ],
)
def test_milters(lines: tuple[str, ...], ours: dict[str, Any]) -> None:
    assert milter(*lines) == ours


@pytest.mark.parametrize(
    ("lines", "ours"),
    [
        (("connection_timeout = 297.0", "reading_timeout = 7.0", "end_of_message_timeout = 297"), None),
        (("connection_timeout = 10",), {"connect": "10s"}),
        (("reading_timeout = 60.0",), {"command": "1m"}),
        (("reading_timeout = 60.0", "writing_timeout = 5"), {"command": "1m"}),
        (("reading_timeout = 9.5", "writing_timeout = 20"), {"command": "20s"}),
        (("end_of_message_timeout = 600",), {"content": "10m"}),
        (("connection_timeout = 5.0",), None),
    ],
)
def test_timeouts(lines: tuple[str, ...], ours: dict[str, str] | None) -> None:
    assert milter(*lines).get("timeouts") == ours


def test_a_default_that_somebody_chose_is_a_choice() -> None:
    above = "# /etc/milter-manager/milter-manager.local.conf:3\n  milter."
    assert milter(f"description = nil\n  {above}connection_timeout = 297.0")["timeouts"] == {
        "connect": "297s"
    }
    assert "timeouts" not in milter("description = nil\n  # default\n  milter.connection_timeout = 297.0")


def test_a_milter_that_is_defined_again_comes_last() -> None:
    """So it is in the predecessor; the order of asking must not change with the import."""
    spec = "{ |m| m.connection_spec = 'unix:/%s' }"
    text = "\n".join(f"define_milter('{name}') {spec % name}" for name in "abc")
    found = document(text + "\ndefine_milter('a') { |m| m.enabled = false }")["milters"]
    assert list(found) == ["b", "c", "a"]
    assert (found["a"]["socket"], found["a"]["mode"]) == ("unix:/a", "off")
    assert list(document(text + "\nremove_milter('b')")["milters"]) == ["a", "c"]


def test_what_the_predecessor_forgets_when_a_milter_is_defined_again_is_kept() -> None:
    text = "define_milter('a') { |m| m.connection_spec = 'unix:/a'; m.fallback_status = 'reject' }\n"
    again = text + "define_milter('a') { |m| m.enabled = true }\nrestrict_accounts_by_list('a@b.example')"
    assert document(again)["milters"]["a"]["on_error"] == "reject"
    forgotten = "milter.fallback_status of a is kept, which milter-manager forgets here"
    assert notes(again) == [f"old.conf:2: {forgotten}", f"old.conf:3: {forgotten}"]
    assert notes(text * 2) == []


def test_names_of_milters() -> None:
    text = "\n".join(
        f"define_milter('{name}') {{ |m| m.connection_spec = 'unix:/{n}' }}"
        for n, name in enumerate(["a@b", "a b", "é"])
    )
    assert list(document(text)["milters"]) == ["a-b", "a-b-2", "milter"]
    assert notes(text)[0] == "old.conf:1: the milter 'a@b' is called a-b now"


# Conditions


def conditions(text: str, *used: str) -> dict[str, Any]:
    names = ", ".join(f'"{name}"' for name in used)
    found = document(
        f'define_milter("m") {{ |m| m.connection_spec = "unix:/m"; m.applicable_conditions = [{names}] }}\n{text}'
    )
    tables: dict[str, Any] = found.get("conditions", {})
    return tables


def test_the_predecessors_own_lists_come_with_a_condition_that_uses_them() -> None:
    assert conditions("") == {}
    assert conditions("", "S25R") == {"s25r": {"whitelist": list(OWN_SERVERS)}}
    assert conditions("", "Trust") == {"trust": {"domains": sorted(OWN_TRUSTED)}}
    assert conditions("", "DNSBL Listed") == {"dnsbl-listed": {"zones": OWN_LISTS}}
    assert conditions("", "Remote Network", "No Stress", "Authenticated", "Sendmail Compatible") == {}


def test_s25r() -> None:
    text = r"""
        s25r.add_whitelist("mx.example.com")
        s25r.add_whitelist(/\.example\.org\z/)
        s25r.add_blacklist(/\Adsl\h+/)
        s25r.check_only_ipv4 = false
    """
    assert conditions(textwrap.dedent(text)) == {
        "s25r": {
            "whitelist": [*OWN_SERVERS, "mx.example.com", ".example.org"],
            "blacklist": [r"/\Adsl[0-9a-fA-F]+/"],
            "ipv4_only": False,
        }
    }


def test_remote_network() -> None:
    text = (
        'remote_network.add_local_address("192.0.2.9/24")\nremote_network.add_remote_address("2001:db8::1")'
    )
    assert conditions(text) == {"remote-network": {"local": ["192.0.2.0/24"], "remote": ["2001:db8::1"]}}


def test_the_remote_network_wins_there_and_the_smaller_one_here() -> None:
    text = 'remote_network.add_local_address("10.1.0.0/16")\nremote_network.add_remote_address("10.0.0.0/7")'
    remote = ["10.0.0.0/7", "10.1.0.0/16", "10.0.0.0/8"]
    assert conditions(text) == {"remote-network": {"local": ["10.1.0.0/16"], "remote": remote}}


def test_trust() -> None:
    text = 'trust.add_envelope_from_domain("a.example")\ntrust.clear\ntrust.add_envelope_from_domain(/\\.B\\.example\\z/)'
    assert conditions(text, "Trust") == {"trust": {"domains": [".b.example"]}}
    assert conditions("trust.clear", "Trust") == {}


def test_stress() -> None:
    text = "stress.threshold_n_connections = 75"
    assert conditions(text, "No Stress") == {"no-stress": {"sessions": 75}}
    assert conditions(text) == {"no-stress": {"sessions": 75}, "stress-notify": {"sessions": 75}}


def test_dnsbl() -> None:
    text = """
        dnsbl.add_service("bl.example.org", "127.0.0.2")
        dnsbl.add_service("bl.example.org", "127.0.0.4/30")
        dnsbl.add_service("any.example.org")
        dnsbl.name_servers = ["9.9.9.9"]
    """
    assert conditions(textwrap.dedent(text), "Not DNSBL Listed") == {
        "not-dnsbl-listed": {
            "zones": {**OWN_LISTS, "bl.example.org": ["127.0.0.2", "127.0.0.4/30"], "any.example.org": []},
            "servers": ["9.9.9.9"],
        }
    }


def test_lists_of_accounts() -> None:
    text = r"""
        define_milter("a") { |m| m.connection_spec = "unix:/a" }
        define_milter("b") { |m| m.connection_spec = "unix:/b" }
        restrict_accounts_by_list("joe@example.com", /@example\.org\z/)
        define_milter("c") { |m| m.connection_spec = "unix:/c" }
        restrict_accounts_by_list("sue@example.com", condition_name: "Only Sue!", milters: ["a"])
    """
    found = document(text)
    assert found["conditions"] == {
        "restrict-accounts": {"accounts": ["example.org", "joe@example.com"], "match": "all"},
        "only-sue": {"use": "restrict-accounts", "accounts": ["sue@example.com"], "match": "all"},
    }
    assert {name: table.get("when") for name, table in found["milters"].items()} == {
        "b": ["restrict-accounts"],
        "c": None,
        "a": ["restrict-accounts", "only-sue"],
    }


def test_a_list_of_accounts_is_read_out_of_the_name_that_it_made() -> None:
    text = r"""
        define_applicable_condition("Restrict Accounts by List: [\"joe@example.com\"]") do |condition|
          condition.description = "Some accounts"
        end
        define_milter("a") do |milter|
          milter.connection_spec = "unix:/a"
          milter.applicable_conditions = ["Restrict Accounts by List: [\"joe@example.com\"]", "S25R"]
        end
    """
    found = document(text)
    assert found["milters"]["a"]["when"] == ["s25r", "restrict-accounts"]
    assert found["conditions"]["restrict-accounts"] == {"accounts": ["joe@example.com"], "match": "all"}


def test_the_list_of_a_condition_that_was_printed_is_found_in_another_file() -> None:
    printed = """
        define_applicable_condition("VIP") do |condition|
          condition.description = "Some accounts"
        end
        define_milter("a") do |milter|
          milter.connection_spec = "unix:/a"
          milter.applicable_conditions = ["VIP"]
        end
    """
    assert not imported(printed).is_complete
    found = imported(printed, local='restrict_accounts_by_list("joe@example.com", condition_name: "VIP")')
    assert found.remarks == ()
    assert tomllib.loads(found.toml)["conditions"]["vip"]["accounts"] == ["joe@example.com"]
    assert tomllib.loads(found.toml)["milters"]["a"]["when"] == ["vip"]


def test_conditions_with_nothing_but_a_description_are_those_we_have() -> None:
    assert document('define_applicable_condition("S25R") do |c|\n c.description = "x"\nend') == {}


# What is not carried over

_CONDITION = "write it in Python, as a file in policy.d, and name it in `when`"
_CODE = "Ruby is not run here: say in TOML what it comes to"
_SHOW = "import what `milter-manager --show-config` prints, which has them, or let detect = true find them"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("x = 1", [f"1: not carried over: x = 1 ({_CODE})"]),
        ("manager.pid_file = y", [f"1: not carried over: manager.pid_file = y ({_CODE})"]),
        (
            "\nif x\n manager.n_workers = 2\nend",
            ["2: not carried over: if x … to line 4 (it depends on a condition: say in TOML what holds on this machine)"],
        ),
        (
            "manager.n_workers = 2 if x",
            [
                "1: not carried over: manager.n_workers = 2 if x (it depends on a condition: say in TOML what holds on this "
                "machine)"
            ],
        ),
        (
            "manager.conection_spec = nil",
            ["1: not carried over: unknown setting manager.conection_spec (did you mean manager.connection_spec?)"],
        ),
        ("manager.n_workers += 1", [f"1: not carried over: manager.n_workers += … ({_CODE})"]),
        ("manager.pid_file = 7", ['1: not carried over: pid_file = 7: must be an absolute path, or "" for none']),
        ('log.level = "loud"', ['1: not carried over: log.level = "loud": there are no such levels']),
        (
            'log.path = "/var/log/mm.log"',
            [
                "1: not carried over: log.path (Postmill writes to the standard error output, the journal or syslog: see log.to)"
            ],
        ),
        ('log.syslog_facility = "local0"', ["1: not carried over: log.syslog_facility (Postmill uses the facility mail)"]),
        (
            'manager.fallback_status = "reject"',
            [
                "1: not carried over: manager.fallback_status (the on_error of each milter decides; with no milter in use mail "
                "passes)"
            ],
        ),
        ("load_default", [f"1: not carried over: the milters that milter-manager detects ({_SHOW})"]),
        (
            'load_if_exist("local.conf")',
            [
                "1: not carried over: what local.conf says (name that file, too: postmill import milter-manager FILE FILE)"
            ],
        ),
        (
            'remove_milter("a")',
            ["1: not carried over: remove_milter: no milter a is defined before it (milter-manager may have detected it)"],
        ),
        ('define_milter("a") do |m|\nend', [f"1: not carried over: the milter a, which has no connection_spec here ({_SHOW})"]),
        (
            'define_milter("a") { |m| m.connection_spec = "tcp:1" }',
            [
                "1: not carried over: socket = \"tcp:1\": endpoint 'tcp:1': unknown type 'tcp'; write unix:/path, inet:port@host, "
                "inet6:port@host or inet:host:port"
            ],
        ),
        (
            'define_milter("a") { |m| m.connection_spec = "unix:/a"; m.enabled = 1; m.target_hosts = 2 }',
            [
                "1: not carried over: unknown setting milter.target_hosts (milter-manager has no such setting either)",
                "1: not carried over: milter.enabled = 1: must be true or false",
            ],
        ),
        (
            'define_milter("a") { |m| m.connection_spec = "unix:/a"; m.command = "/opt/a" }',
            ["1: not carried over: milter.command = \"/opt/a\" (Postmill starts no milters: let the init system do it)"],
        ),
        (
            'define_applicable_condition("Mine") do |c|\n c.define_connect_stopper { |x| true }\nend\n'
            'define_milter("a") { |m| m.connection_spec = "unix:/a"; m.add_applicable_condition("Mine") }',
            [
                f'1: not carried over: the condition "Mine" ({_CONDITION})',
                f'4: not carried over: the condition "Mine" of line 1 for a ({_CONDITION}; until then the milter is asked about '
                "all mail)",
            ],
        ),
        (
            'define_applicable_condition("S25R") do |c|\n c.define_connect_stopper { |x| true }\nend',
            [f'1: not carried over: the condition "S25R" ({_CONDITION})'],
        ),
        (
            "s25r.add_whitelist do |host|\n true\nend",
            ["1: not carried over: s25r.add_whitelist do |host| … to line 3 (say it in [conditions.NAME], in plain values)"],
        ),
        (r"s25r.add_whitelist(/\p{L}/)", [r"1: not carried over: /\p{L}/: \p does not mean the same to Postmill"]),
        (
            "trust.add_envelope_from_domain(/a/)",
            ["1: not carried over: /a/: trust has domains, and .example.org for all below one"],
        ),
        (
            'trust.load_envelope_from_domains("/nonexistent/list")',
            ['1: not carried over: file = "/nonexistent/list": cannot read /nonexistent/list: No such file or directory'],
        ),
        ('remote_network.add_local_address("x")', ["1: not carried over: x is no address and no network"]),
        (
            "stress.threshold_n_connections = 0",
            [
                "1: not carried over: a threshold of 0, which is never (take no-stress and stress-notify out of `when`)"
            ],
        ),
        (
            "manager.use_netstat_connection_checker(5)",
            ["1: not carried over: manager.use_netstat_connection_checker (Postmill has no such thing)"],
        ),
        (
            'define_policy("x") do |p|\nend',
            ['1: not carried over: define_policy("x") do (Postmill has no such thing)'],
        ),
        ("x = \"\x1b[31m\x07\"", [f'1: not carried over: x = "?[31m?" ({_CODE})']),
        (
            "defined_milters.each do |name|\n  remove_milter(name)\nend",
            [
                "1: not carried over: defined_milters.each do |name| … to line 3 (say it of each milter, in its [milters.NAME])"
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(text: str, warnings: list[str]) -> None:
    assert lost(text) == [f"old.conf:{warning}" for warning in warnings]


def test_what_is_not_needed_is_noted_and_nothing_is_lost() -> None:
    found = imported(
        'security.privilege_mode = true\nmanager.daemon = true\nmanager.event_loop_backend = "libev"'
    )
    assert found.is_complete
    assert [(remark.severity, remark.place.line) for remark in found.remarks] == [
        ("note", 1),
        ("note", 2),
        ("note", 3),
    ]


def test_milters_that_contradict_something_else_are_left_out() -> None:
    text = """
        manager.connection_spec = "unix:/m"
        define_milter("itself") { |m| m.connection_spec = "unix:/m" }
        define_milter("nowhere") { |m| m.connection_spec = "inet:0" }
        define_milter("good") { |m| m.connection_spec = "unix:/g" }
    """
    found = imported(text)
    assert [milter.name for milter in parse("", found.toml, SHELF).settings.milters] == ["good"]
    assert [str(remark) for remark in found.remarks] == [
        "old.conf:3: not carried over: milters.itself.socket: unix:/m is Postmill's own socket: it would ask itself",
        "old.conf:4: not carried over: milters.nowhere.socket: port 0 cannot be connected to",
    ]


# Several files


def test_a_file_that_another_one_loads_is_read_at_that_place() -> None:
    main = 'load_if_exist("sub/local.conf")\nmanager.n_workers = 2\nmanager.pid_file = "/a"'
    found = imported(main, local="manager.n_workers = 3\nmanager.max_connections = 5")
    assert tomllib.loads(found.toml) == {"manager": {"workers": 2, "max_connections": 5, "pid_file": "/a"}}
    assert found.is_complete


def test_files_that_load_each_other_are_read_once() -> None:
    found = imported('load("other.conf")\nx', other='load("old.conf")\ny')
    assert [str(remark).split(" (")[0] for remark in found.remarks] == [
        "old.conf:2: not carried over: x",
        "other.conf:2: not carried over: y",
    ]


def test_an_error_names_the_file() -> None:
    with pytest.raises(ConfigError, match=r"^other\.conf:2: `end` ends nothing at column 1$"):
        imported("x", other="y\nend")
