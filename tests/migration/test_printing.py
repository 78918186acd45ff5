"""What our configuration looks like in the predecessor's words, and that nothing in it goes unsaid."""

from __future__ import annotations

import pytest

from postmill.conditions import shelf
from postmill.config import parse
from postmill.migration.printing import as_milter_manager
from postmill.migration.ruby import literal
from postmill.migration.tokens import Pattern


def printed(toml: str) -> str:
    return as_milter_manager(parse("p.toml", toml, shelf()))


def comments(toml: str) -> list[str]:
    return [line.strip() for line in printed(toml).splitlines() if "no equivalent" in line]


def test_a_whole_configuration() -> None:
    text = printed(
        '[manager]\nlisten = ["inet:10025@127.0.0.1"]\nworkers = 4\n[log]\nlevel = "error"\n'
        '[milters.a]\nsocket = "inet6:1@::1"\nmode = "evaluate"\non_error = "discard"\ntimeouts.command = "90s"\n'
        'when = ["s25r", "no-stress"]\n[milters.b]\nsocket = "unix:/b"\n'
    )
    assert text == WHOLE


WHOLE = """\
# default
security.privilege_mode = false
# default
security.effective_user = nil
# default
security.effective_group = nil

# p.toml:5
log.level = "critical|error"
# default
log.use_syslog = false
# default
log.syslog_facility = "mail"

# p.toml:2
manager.connection_spec = "inet:10025@[127.0.0.1]"
# default
manager.unix_socket_mode = 0660
# default
manager.unix_socket_group = nil
# default
manager.remove_unix_socket_on_create = true
# default
manager.remove_unix_socket_on_close = true
# default
manager.daemon = false
# default
manager.pid_file = nil
# default
manager.max_connections = 4096
# default
manager.fallback_status = "accept"
# p.toml:3
manager.n_workers = 4

# default
define_applicable_condition("S25R") do |condition|
  # default
  condition.description = "Ask the milter only about clients whose name is missing or looks like an end user's line."
end

# default
define_applicable_condition("No Stress") do |condition|
  # default
  condition.description = "Ask the milter only as long as the mail host is not under stress."
end

# p.toml:7
define_milter("a") do |milter|
  # p.toml:7
  milter.connection_spec = "inet6:1@[::1]"
  # default
  milter.description = nil
  # p.toml:8
  milter.enabled = true
  # p.toml:9
  milter.fallback_status = "discard"
  # p.toml:8
  milter.evaluation_mode = true
  milter.applicable_conditions = [
    # p.toml:11
    "S25R",
    # p.toml:11
    "No Stress",
  ]
  # default
  milter.command = nil
  # default
  milter.command_options = nil
  # default
  milter.user_name = nil
  # default
  milter.connection_timeout = 5.0
  # p.toml:10
  milter.writing_timeout = 90.0
  # p.toml:10
  milter.reading_timeout = 90.0
  # default
  milter.end_of_message_timeout = 300.0
end

# p.toml:13
define_milter("b") do |milter|
  # p.toml:13
  milter.connection_spec = "unix:/b"
  # default
  milter.description = nil
  # default
  milter.enabled = true
  # default
  milter.fallback_status = "temporary-failure"
  # default
  milter.evaluation_mode = false
  # default
  milter.applicable_conditions = []
  # default
  milter.command = nil
  # default
  milter.command_options = nil
  # default
  milter.user_name = nil
  # default
  milter.connection_timeout = 5.0
  # default
  milter.writing_timeout = 25.0
  # default
  milter.reading_timeout = 25.0
  # default
  milter.end_of_message_timeout = 300.0
end"""


def test_milters_stand_in_the_order_of_asking() -> None:
    text = printed('[milters.a]\nsocket = "unix:/a"\norder = 9\n[milters.b]\nsocket = "unix:/b"\n')
    assert text.index('define_milter("b")') < text.index('define_milter("a")')
    assert "no equivalent" not in text


def test_lists_of_conditions() -> None:
    text = printed(
        '[conditions.s25r]\nwhitelist = ["mx.example.com", ".example.org", "/^out[0-9]+\\\\.a/"]\nblacklist = ["/x/"]\n'
        "ipv4_only = false\n"
        '[conditions.remote-network]\nlocal = ["192.0.2.0/24", "192.0.3.1"]\nremote = ["2001:db8::/32"]\n'
        '[conditions.trust]\ndomains = ["example.com", ".example.org"]\n'
        "[conditions.no-stress]\nsessions = 5\n"
        '[conditions.dnsbl-listed]\nzones = { "a.example" = ["127.0.0.2", "127.0.0.4/30"], "b.example" = [] }\n'
        'servers = ["9.9.9.9", "::1"]\n'
    )
    assert text[text.index("s25r.") :].splitlines() == [
        's25r.add_whitelist("mx.example.com")',
        r"s25r.add_whitelist(/\.example\.org\z/)",
        r"s25r.add_whitelist(/^out[0-9]+\.a/i)",
        "s25r.add_blacklist(/x/i)",
        "s25r.only_check_ipv4 = false",
        "",
        'remote_network.add_local_address("192.0.2.0/24")',
        'remote_network.add_local_address("192.0.3.1")',
        'remote_network.add_remote_address("2001:db8::/32")',
        "",
        "trust.clear",
        r"trust.add_envelope_from_domain(/\.example\.org\z/)",
        'trust.add_envelope_from_domain("example.com")',
        "",
        "stress.threshold_n_connections = 5",
        "",
        'dnsbl.add_service("a.example", "127.0.0.2")',
        'dnsbl.add_service("a.example", "127.0.0.4/30")',
        'dnsbl.add_service("b.example")',
        'dnsbl.name_servers = ["9.9.9.9", "::1"]',
    ]


def test_a_list_of_accounts_follows_its_milter() -> None:
    text = printed(
        '[conditions.restrict-accounts]\naccounts = ["joe@a.example", "b.example", ".c.example", "root@"]\nmatch = "all"\n'
        '[milters.a]\nsocket = "unix:/a"\nwhen = ["restrict-accounts", "s25r"]\n[milters.b]\nsocket = "unix:/b"\n'
    )
    call = (
        r'restrict_accounts_by_list(/\.c\.example\z/, /@b\.example\z/, "joe@a.example", /\Aroot@/, '
        'condition_name: "Restrict Accounts", milters: ["a"])'
    )
    assert f'end\n\n{call}\n\n# p.toml:8\ndefine_milter("b")' in text
    assert "no equivalent" not in text


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('[manager]\nask = "in-turn"', ['# no equivalent: manager.ask = "in-turn"  (p.toml:2)']),
        (
            '[manager]\nlisten = ["unix:/a", "unix:/b", "inet:1@::1"]',
            [
                '# no equivalent: manager.listen[1] = "unix:/b"',
                '# no equivalent: manager.listen[2] = "inet6:1@::1"',
            ],
        ),
        ('[log]\nformat = "json"', ['# no equivalent: log.format = "json"  (p.toml:2)']),
        ('[log]\nto = "journal"', ['# no equivalent: log.to = "journal"  (p.toml:2)']),
        (
            '[milters.a]\nsocket = "unix:/a"\npool = true\nbreaker.retry = "9s"\nmacros.mail = { x = "y" }\nbreaker.retry_max = "9s"',
            [
                '# no equivalent: milters.a.breaker.retry = "9s"  (p.toml:4)',
                '# no equivalent: milters.a.breaker.retry_max = "9s"  (p.toml:6)',
                '# no equivalent: milters.a.macros = { mail = { x = "y" } }  (p.toml:5)',
                "# no equivalent: milters.a.pool = true  (p.toml:3)",
            ],
        ),
        (
            '[milters.a]\nsocket = "unix:/a"\non_error = "quarantine"',
            ['# no equivalent: milters.a.on_error = "quarantine"  (p.toml:3)'],
        ),
        (
            '[milters.a]\nsocket = "unix:/a"\nwhen = ["not s25r", { name = "no-stress", sessions = 3 }, "trust"]',
            [
                '# no equivalent: milters.a.when = ["not s25r"]  (p.toml:3)',
                '# no equivalent: milters.a.when = [{ name = "no-stress", sessions = 3 }]  (p.toml:3)',
            ],
        ),
        (
            '[conditions.guests]\nuse = "remote-network"\nremote = ["10.9.0.0/16"]\n[milters.a]\nsocket = "unix:/a"\nwhen = ["guests"]',
            [
                '# no equivalent: conditions.guests.use = "remote-network"',
                '# no equivalent: conditions.guests.remote = ["10.9.0.0/16"]  (p.toml:3)',
                '# no equivalent: milters.a.when = ["guests"]  (p.toml:6)',
            ],
        ),
        (
            '[conditions.sendmail-compatible]\nif_name = "mx.example.com"',
            ['# no equivalent: conditions.sendmail-compatible.if_name = "mx.example.com"  (p.toml:2)'],
        ),
        (
            '[conditions.dnsbl-listed]\nzones = { "a.example" = [] }\ntimeout = "2s"',
            ['# no equivalent: conditions.dnsbl-listed.timeout = "2s"  (p.toml:3)'],
        ),
        (
            "[conditions.stress-notify]\nsessions = 10\n[conditions.no-stress]\nsessions = 20",
            ["# no equivalent: conditions.no-stress.sessions = 20  (p.toml:4)"],
        ),
        ("[conditions.stress-notify]\nsessions = 10\n[conditions.no-stress]\nsessions = 10", []),
        (
            '[conditions.restrict-accounts]\naccounts = ["a@b.example"]',
            ['# no equivalent: conditions.restrict-accounts.accounts = ["a@b.example"]  (p.toml:2)'],
        ),
        (
            '[conditions.x]\nuse = "restrict-accounts"\naccounts = ["a@b.example"]\nmatch = "any"\n'
            '[milters.a]\nsocket = "unix:/a"\nwhen = ["x"]',
            [
                '# no equivalent: conditions.x.use = "restrict-accounts"',
                '# no equivalent: conditions.x.accounts = ["a@b.example"]  (p.toml:3)',
                '# no equivalent: conditions.x.match = "any"  (p.toml:4)',
                '# no equivalent: milters.a.when = ["x"]  (p.toml:7)',
            ],
        ),
        (
            '[conditions.s25r]\nwhitelist = ["/(?s:a)/"]',
            ['# no equivalent: s25r.add_whitelist("/(?s:a)/"): (? does not mean the same to milter-manager'],
        ),
    ],
)
def test_what_has_no_equivalent_is_a_comment(toml: str, expected: list[str]) -> None:
    assert comments(toml) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nil"),
        (True, "true"),
        (7, "7"),
        (0.25, "0.25"),
        ('a"b\\c\n\x7f#{x}#y', r'"a\"b\\c\n\x7F\#{x}#y"'),
        (["a", 1], '["a", 1]'),
        (Pattern("a", "i"), "/a/i"),
    ],
)
def test_literals(value: object, text: str) -> None:
    assert literal(value) == text
