"""Configurations of the predecessor as they might be: mostly sound, with an odd value here and there."""

from __future__ import annotations

from hypothesis import strategies as st

from postmill.migration.conditions import NAMES
from postmill.migration.equivalents import BY_NAME
from postmill.migration.ruby import literal

ODD = st.sampled_from(
    [
        "nil", "true", "-1", "0", "1e400", "x", "x.y", "[x]", '"a#{b}"', '"\\u{110000}"', '"\\xff"', "1r", "?a", '"\\0"',
        "[[]]", "99" * 60, '"' + "é" * 200 + '"', "%w[a b]", ":reject", "/a/m", "{}", "<<-X\n X", "`id`", "5 * 60",
    ]
)  # fmt: skip
SOCKETS = [
    "unix:/a",
    "unix:/run/b.sock",
    "local:/c",
    "inet:25@localhost",
    "inet6:26@[::1]",
    "inet:27",
    "inet6:28",
    "inet:0",
]
FLAGS = ["true", "false"]
STATUSES = [
    '"accept"',
    '"temporary-failure"',
    '"reject"',
    '"discard"',
    ":temporary_failure",
    '"TEMPORARY_FAILURE"',
    "nil",
]
COUNTS = ["0", "1", "4", "500", "nil"]
TIMES = ["7.0", "297.0", "5", "132.0", "0.25", "1_000", "86400", "7", "300"]
TEXTS = ["nil", '"mail"', "'www-data'", '"/run/a.pid"', '"a b"', r'"q\"q\\ \t\u3042"', "'it''s'", r'"#\{x}"']
MODES = ["0660", "0o600", "432", "0777", "01777"]

VALUES = {
    "connection_spec": [*map(literal, SOCKETS), "nil"],
    "unix_socket_mode": MODES,
    "level": ['"default"', '"all"', '"none"', '"critical|error"', '"warning"', '"info|debug"', "nil"],
    "syslog_facility": ['"mail"', '"local4"', "nil"],
    "fallback_status": STATUSES,
    "fallback_status_at_disconnect": STATUSES,
    "event_loop_backend": ['"glib"', '"libev"'],
    **dict.fromkeys(("privilege_mode", "use_syslog", "daemon", "remove_unix_socket_on_create"), FLAGS),
    **dict.fromkeys(("remove_unix_socket_on_close", "enabled", "evaluation_mode"), FLAGS),
    **dict.fromkeys(("max_connections", "n_workers", "max_file_descriptors", "chunk_size"), COUNTS),
    **dict.fromkeys(
        ("connection_timeout", "writing_timeout", "reading_timeout", "end_of_message_timeout"), TIMES
    ),
    "command": ["nil", '"/usr/bin/systemctl"', '"/usr/sbin/service"', '"/etc/init.d/x"', '"/opt/start-it"'],
}
ORIGINS = st.sampled_from(
    ["", "", "# default\n", "# /etc/milter-manager/milter-manager.local.conf:12\n", "# why\n"]
)
HOSTS = [
    '"mx.example.com"', r"/\.example\.org\z/", r"/\Amx\d+\.(?:a|b)\.example\z/i", r"/[[:alpha:]\h]+/", r"/(?<n>a)\/#\{/",
    r"/\p{L}/", "/a/x", '"no name"', r"%r{x/y}",
]  # fmt: skip
ACCOUNTS = [
    '"joe@example.com"',
    r"/@lists\.example\.com\z/",
    r"/\Aroot@/",
    r"/\.example\.net\z/",
    "/(/",
    '"a b"',
]
LIST_NAME = 'Restrict Accounts by List: ["joe@example.com", /@example\\.org\\z/]'
CONDITIONS = [*NAMES, "Mine", LIST_NAME, "VIP"]


def one_of(values: list[str]) -> st.SearchStrategy[str]:
    return st.one_of(*[st.sampled_from(values)] * 6, ODD)


@st.composite
def assignments(draw: st.DrawFn, names: list[str]) -> str:
    name = draw(st.sampled_from(names))
    value = draw(one_of(VALUES.get(name.rpartition(".")[2], TEXTS)))
    return f"{draw(ORIGINS)}{name} = {value}"


KNOBS = st.one_of(
    st.builds("s25r.add_{}({})".format, st.sampled_from(["whitelist", "blacklist"]), one_of(HOSTS)),
    st.builds("trust.add_envelope_from_domain {}".format, one_of(HOSTS)),
    st.builds(
        'remote_network.add_{}_address("{}")'.format,
        st.sampled_from(["local", "remote"]),
        st.sampled_from(["10.0.0.0/8", "10.1.2.3", "192.0.2.1/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "x"]),
    ),
    st.builds(
        'dnsbl.add_service("{}"{})'.format,
        st.sampled_from(["bl.example.org", "zen.spamhaus.org", "b l"]),
        st.sampled_from(["", ', "127.0.0.2"', ', "127.0.0.5/30"', ", nil", ', "x"']),
    ),
    st.sampled_from(
        [
            "trust.clear", "s25r.only_check_ipv4 = false", "s25r.check_only_ipv4 = true", "x = 1", 'require "y"',
            "stress.threshold_n_connections = 75", "stress.threshold_n_connections = 0", "database.setup",
            'dnsbl.name_server = "127.0.0.1"', 'dnsbl.name_servers = ["::1", "9.9.9.9"]', "load_default",
            'trust.load_envelope_from_domains("/nonexistent")', 's25r.add_whitelist { |host| host == "x" }',
            'load("applicable-conditions/*.conf")', 'load_if_exist("other.conf")', 'remove_milter("a")',
            "if x\n  manager.n_workers = 2\nend", "manager.use_netstat_connection_checker(5)",
        ]
    ),
)  # fmt: skip

MILTER_NAMES = st.sampled_from(["a", "b", "clamav-milter", "a@b", "é", "a b"])


@st.composite
def milters(draw: st.DrawFn) -> str:
    name = literal(draw(MILTER_NAMES))
    lines = draw(
        st.lists(
            st.one_of(
                assignments(
                    [f"milter.{key}" for key in VALUES if key in _OF_MILTERS] + ["milter.description"]
                ),
                st.builds(
                    "milter.{}".format,
                    st.one_of(
                        st.builds(
                            "add_applicable_condition({})".format,
                            st.sampled_from([*map(literal, CONDITIONS)]),
                        ),
                        st.builds(
                            "applicable_conditions {} {}".format,
                            st.sampled_from(["=", "+=", "-="]),
                            st.lists(st.sampled_from(CONDITIONS), max_size=4).map(literal),
                        ),
                    ),
                ),
            ),
            max_size=7,
        )
    )
    socket = f"milter.connection_spec = {literal(draw(st.sampled_from(SOCKETS)))}"
    body = "\n".join(f"  {line}" for line in [socket, *lines] if draw(st.integers(0, 40)))
    return f"{draw(ORIGINS)}define_milter({name}) do |milter|\n{body}\nend"


_OF_MILTERS = (
    "enabled", "fallback_status", "evaluation_mode", "connection_timeout", "writing_timeout", "reading_timeout",
    "end_of_message_timeout", "command", "connection_spec",
)  # fmt: skip

RESTRICTIONS = st.builds(
    "restrict_accounts_by_list({}{})".format,
    st.lists(one_of(ACCOUNTS), min_size=1, max_size=3).map(", ".join),
    st.sampled_from(
        [
            "",
            ', condition_name: "VIP"',
            ', milters: ["a"]',
            ', :milters => ["a", "b"], condition_name: "S25R"',
        ]
    ),
)

CONFIGURATIONS = st.lists(
    st.one_of(assignments(list(BY_NAME)), KNOBS, milters(), milters(), milters(), RESTRICTIONS), max_size=10
).map("\n".join)
