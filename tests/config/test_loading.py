"""Reading configurations: what good files become, and the exact words for bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmill.config import DEFAULT, ConfigErrors, Loaded, Origin, load, load_control
from postmill.errors import ConfigError
from postmill.wire.endpoint import Endpoint

FULL = """\
[manager]
listen = ["unix:/run/p.sock", "inet:8890@127.0.0.1"]
socket_mode = "0666"
socket_group = "postfix"
user = "postmill"
workers = 2
ask = "in-turn"
mta = "sendmail"
max_message_size = "50MB"
spool_threshold = 65536
progress_interval = "1m30s"
drain_timeout = 7.5
pid_file = "/run/p.pid"
same_as_postfix = ["quarantine", "reply-text"]

[log]
format = "json"
to = "syslog"

[milters.last]
socket = "/run/last.sock"
order = 99

[milters.first]
socket = "inet:127.0.0.1:11332"
on_error = "accept"
timeouts = { connect = "500ms", content = "1h" }
pool = true
breaker.failures = 1
macros.mail = { trusted_domain = "yes", i = "42", "{auth_type}" = "PLAIN" }

[milters.off]
socket = "inet6:11333"
mode = "off"
"""


def write(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "p.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def lines(tmp_path: Path, text: str | bytes) -> list[str]:
    """The error lines for a text, without the directory."""
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path, text))
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


@pytest.fixture
def full(tmp_path: Path) -> Loaded:
    return load(write(tmp_path, FULL))


def test_manager(full: Loaded) -> None:
    manager = full.settings.manager
    assert manager.listen == (
        Endpoint("unix", path="/run/p.sock"),
        Endpoint("inet", host="127.0.0.1", port=8890),
    )
    assert manager.socket_mode == 0o666
    assert (manager.user, manager.group, manager.workers) == ("postmill", "", 2)
    assert (manager.ask, manager.mta) == ("in-turn", "sendmail")
    assert (manager.max_message_size, manager.spool_threshold) == (50 * 1024 * 1024, 65536)
    assert (manager.progress_interval, manager.drain_timeout) == (90.0, 7.5)
    assert manager.same_as_postfix == frozenset({"quarantine", "reply-text"})
    assert (full.settings.log.level, full.settings.log.format, full.settings.log.to) == (
        "info",
        "json",
        "syslog",
    )


def test_milters_stand_in_file_order_unless_order_says_otherwise(full: Loaded) -> None:
    assert [milter.name for milter in full.settings.milters] == ["first", "off", "last"]


def test_milter(full: Loaded) -> None:
    first = full.settings.milters[0]
    assert first.socket == Endpoint("inet", host="127.0.0.1", port=11332)
    assert (first.timeouts.connect, first.timeouts.command, first.timeouts.content) == (0.5, 25.0, 3600.0)
    assert (first.breaker.failures, first.breaker.retry, first.breaker.retry_max) == (1, 1.0, 4.0)
    assert (first.on_error, first.mode, first.pool, first.pipeline) == ("accept", "enforce", True, True)
    assert first.macros == {"mail": {"{trusted_domain}": "yes", "i": "42", "{auth_type}": "PLAIN"}}


def test_origins(full: Loaded) -> None:
    assert full.origins["manager.listen"] == Origin(full.file, 2)
    assert full.origins["manager.group"] is DEFAULT
    assert full.origins["milters.last.order"] == Origin(full.file, 22)
    assert full.origins["milters.first.order"] is DEFAULT
    assert full.origins["milters.first.timeouts.connect"] == Origin(full.file, 27)
    assert full.origins["milters.first.timeouts.command"] is DEFAULT
    assert full.origins["milters.first.breaker.failures"] == Origin(full.file, 29)
    assert str(full.origins["log.to"]) == f"{full.file}:18"
    assert str(DEFAULT) == "default"


def test_an_empty_file_is_a_configuration_with_a_warning(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, ""))
    assert str(loaded.settings.manager.listen[0]) == "unix:/run/postmill/postmill.sock"
    assert [warning.message for warning in loaded.warnings] == [
        "no milter is in use: every message passes as it is"
    ]


def test_crlf_counts_lines_like_lf(tmp_path: Path) -> None:
    assert lines(tmp_path, b'[log]\r\n\r\nlevle = """a\r\nb"""\r\n') == [
        "p.toml:3: log.levle: unknown key (did you mean level?)"
    ]


M = '[milters.a]\nsocket = "unix:/a"\n'
DURATION = 'a time from 1ms to 7d, such as "500ms", "5s", "2m", "1h" or a number of seconds'
SIZE = 'a size of zero or more, such as "64KB", "1MB", "2GB" (1 KB = 1024 bytes) or a number of bytes'
SOCKET = 'a socket such as "unix:/run/x.sock", "inet:8899@127.0.0.1" or "inet6:8899@::1"'
LISTENERS = f"a list of sockets with at least 1 element; each {SOCKET}"
FORMS = "write unix:/path, inet:port@host, inet6:port@host or inet:host:port"
MODE = 'must be permission bits in octal between quotes, such as "0660"'
STAGES = "connect, helo, mail, rcpt, data, eoh, eom, unknown"
MILTER_KEYS = (
    "breaker, content, description, macros, max_sessions, mode, on_error, order, pipeline, pool, pool_idle, pool_size, "
    "socket, timeouts, when"
)

BAD: dict[str, tuple[str | bytes, list[str]]] = {
    "misspelt table": ("[manger]\n", ["p.toml:1: manger: unknown key (did you mean manager?)"]),
    "misspelt milters": (
        '[milter.a]\nsocket = "unix:/a"\n',
        ["p.toml:1: milter: unknown key (did you mean milters?)"],
    ),
    "misspelt key": (
        '[manager]\nlisten = ["unix:/a"]\nsocket-group = "x"\n',
        ["p.toml:3: manager.socket-group: unknown key (did you mean socket_group?)"],
    ),
    "key in capitals": (
        '[log]\nLevel = "info"\n',
        ["p.toml:2: log.Level: unknown key (did you mean level?)"],
    ),
    "key like no other": (
        "[log]\nzzz = 1\n",
        ["p.toml:2: log.zzz: unknown key (known here: format, level, to)"],
    ),
    "key that is to come": (
        M + "greylist = true\n",
        [f"p.toml:3: milters.a.greylist: unknown key (known here: {MILTER_KEYS})"],
    ),
    "key that needs quotes": (
        '[log]\n"le vel" = 1\n',
        ["p.toml:2: log.'le vel': unknown key (did you mean level?)"],
    ),
    "key at the top": (
        'listen = ["unix:/a"]\n',
        [
            "p.toml:1: listen: unknown key (known here: conditions, control, filter, graphs, history, log, manager, metrics, milters, store, tracing, web)"
        ],
    ),
    "misspelt key in an inline table": (
        M + 'timeouts = { connect = "5s",\tcomand = "5s" }\n',
        ["p.toml:3: milters.a.timeouts.comand: unknown key (did you mean command?)"],
    ),
    "misspelt dotted key": (
        M + "breaker.failure = 3\n",
        ["p.toml:3: milters.a.breaker.failure: unknown key (did you mean failures?)"],
    ),
    "no number": (
        '[manager]\nworkers = "two"\n',
        ['p.toml:2: manager.workers: must be a whole number from 0 to 1024, not "two"'],
    ),
    "a flag is no number": (
        "[manager]\nworkers = true\n",
        ["p.toml:2: manager.workers: must be a whole number from 0 to 1024, not true"],
    ),
    "number too small": (
        "[manager]\nmax_connections = 0\n",
        ["p.toml:2: manager.max_connections: must be a whole number from 1 to 1000000, not 0"],
    ),
    "no flag": (M + 'pool = "yes"\n', ['p.toml:3: milters.a.pool: must be true or false, not "yes"']),
    "no such word": (
        M + 'on_error = "ignore"\n',
        [
            'p.toml:3: milters.a.on_error: must be "accept", "tempfail", "reject", "discard", '
            '"quarantine" or "shutdown", not "ignore"'
        ],
    ),
    "a list is no word": (
        M + 'mode = ["off"]\n',
        ['p.toml:3: milters.a.mode: must be "enforce", "evaluate" or "off", not a list'],
    ),
    "metrics at a unix socket": (
        '[metrics]\nlisten = "unix:/run/m"\n',
        [
            'p.toml:2: metrics.listen: must be an address such as "inet:9797@127.0.0.1" or "inet6:9797@::1", '
            'or "" for none, not "unix:/run/m"'
        ],
    ),
    "traces without a history": (
        '[tracing]\nendpoint = "http://127.0.0.1:4318"\n',
        ["p.toml:2: tracing.endpoint: traces are made of the history: set history.url, too"],
    ),
    "zero time": (M + 'pool_idle = "0s"\n', [f'p.toml:3: milters.a.pool_idle: must be {DURATION}, not "0s"']),
    "time without unit": (
        M + 'pool_idle = "5"\n',
        [f'p.toml:3: milters.a.pool_idle: must be {DURATION}, not "5"'],
    ),
    "negative time": (M + "pool_idle = -1\n", [f"p.toml:3: milters.a.pool_idle: must be {DURATION}, not -1"]),
    "no time at all": (
        M + "pool_idle = nan\n",
        [f"p.toml:3: milters.a.pool_idle: must be {DURATION}, not nan"],
    ),
    "endless time": (
        M + "pool_idle = inf\n",
        [f"p.toml:3: milters.a.pool_idle: must be {DURATION}, not inf"],
    ),
    "time too long": (
        M + 'pool_idle = "8d"\n',
        [f'p.toml:3: milters.a.pool_idle: must be {DURATION}, not "8d"'],
    ),
    "size with fraction": (
        '[manager]\nspool_threshold = "1.5MB"\n',
        [f'p.toml:2: manager.spool_threshold: must be {SIZE}, not "1.5MB"'],
    ),
    "negative size": (
        "[manager]\nspool_threshold = -1\n",
        [f"p.toml:2: manager.spool_threshold: must be {SIZE}, not -1"],
    ),
    "mode as a number": (
        "[manager]\nsocket_mode = 660\n",
        [f"p.toml:2: manager.socket_mode: {MODE}, not 660"],
    ),
    "mode not octal": (
        '[manager]\nsocket_mode = "0680"\n',
        [f'p.toml:2: manager.socket_mode: {MODE}, not "0680"'],
    ),
    "mode with sticky bit": (
        '[manager]\nsocket_mode = "1777"\n',
        [f'p.toml:2: manager.socket_mode: {MODE}, not "1777"'],
    ),
    "relative path": (
        '[manager]\npid_file = "p.pid"\n',
        ['p.toml:2: manager.pid_file: must be an absolute path, or "" for none, not "p.pid"'],
    ),
    "no account name": (
        '[manager]\nuser = "a b"\n',
        ['p.toml:2: manager.user: must be the name or number of an account, or "", not "a b"'],
    ),
    "a string for a list": (
        '[manager]\nlisten = "unix:/a"\n',
        [f'p.toml:2: manager.listen: must be {LISTENERS}, not "unix:/a"'],
    ),
    "nothing to listen at": (
        "[manager]\nlisten = []\n",
        [f"p.toml:2: manager.listen: must be {LISTENERS}, not a list"],
    ),
    "wrong elements of a list": (
        '[manager]\nlisten = [\n  "unix:/a",\n  5,\n  "inet:x@127.0.0.1",\n]\n',
        [
            f"p.toml:4: manager.listen[1]: must be {SOCKET}, not 5",
            "p.toml:5: manager.listen[2]: endpoint 'inet:x@127.0.0.1': 'x' is no port number from 0 to "
            f"65535; {FORMS}",
        ],
    ),
    "wrong element of a set": (
        '[manager]\nsame_as_postfix = ["shutdown", "all"]\n',
        [
            'p.toml:2: manager.same_as_postfix[1]: must be "quarantine", "lost-edits", "shutdown", '
            '"unknown-verdicts" or "reply-text", not "all"'
        ],
    ),
    "a value for a table": ("manager = 5\n", ["p.toml:1: manager: must be a table"]),
    "a value for milters": (
        "milters = 5\n",
        ["p.toml:1: milters: must be a table of milters (write [milters.NAME])"],
    ),
    "a list of tables for a table": ("[[manager]]\n", ["p.toml:1: manager: must be a table"]),
    "a milter that is a value": (
        '[milters]\na = "unix:/a"\n',
        ["p.toml:2: milters.a: must be a table (write [milters.a] and its keys below)"],
    ),
    "a milter without a name": (
        '[milters]\nsocket = "unix:/a"\n',
        ["p.toml:2: milters.socket: must be a table (write [milters.NAME])"],
    ),
    "no name for a milter": (
        '[milters."a b"]\nsocket = "unix:/a"\n',
        ["p.toml:1: milters.'a b': the name of a milter must be made of letters, digits, '-' and '_'"],
    ),
    "no socket": (
        '[milters.a]\nmode = "off"\n',
        [f"p.toml:1: milters.a.socket: is missing (must be {SOCKET})"],
    ),
    "misspelt socket": (
        '[milters.a]\nsoket = "unix:/a"\n',
        [
            f"p.toml:1: milters.a.socket: is missing (must be {SOCKET})",
            "p.toml:2: milters.a.soket: unknown key (did you mean socket?)",
        ],
    ),
    "timeouts as a value": (M + "timeouts = 5\n", ["p.toml:3: milters.a.timeouts: must be a table"]),
    "no such stage": (
        M + 'macros = { envrcpt = { a = "b" } }\n',
        [
            'p.toml:3: milters.a.macros: there is no stage "envrcpt": it is connect, helo, mail, rcpt, data, '
            "eoh, eom or unknown"
        ],
    ),
    "macros of no stage": (
        M + 'macros.mail = "x"\n',
        ["p.toml:3: milters.a.macros: stage mail must be a table of macro names and strings"],
    ),
    "macros not a table": (
        M + "macros = 5\n",
        [
            f"p.toml:3: milters.a.macros: must be a table of stages ({STAGES}), each a table of macro names "
            'and strings, such as { mail = { trusted_domain = "yes" } }, not 5'
        ],
    ),
    "no macro name": (
        M + 'macros.mail = { "a b" = "x" }\n',
        [
            'p.toml:3: milters.a.macros: "a b" is no macro name: a letter, then letters, digits, '
            "'_' and '.'",
        ],
    ),
    "macro not a string": (
        M + "macros.mail = { a = 1 }\n",
        ["p.toml:3: milters.a.macros: macro a must be a string without NUL"],
    ),
    "same listener twice": (
        '[manager]\nlisten = [\n"unix:/a",\n"inet:9@127.0.0.1",\n"local:/a"]\n',
        ["p.toml:5: manager.listen[2]: unix:/a is listed twice"],
    ),
    "a milter that is ourselves": (
        '[manager]\nlisten = ["unix:/a"]\n' + M,
        ["p.toml:4: milters.a.socket: unix:/a is Postmill's own socket: it would ask itself"],
    ),
    "MTAs and operators on one socket": (
        '[manager]\nlisten = ["unix:/a"]\n[control]\nsocket = "local:/a"\n',
        ["p.toml:4: control.socket: unix:/a is where MTAs are to connect"],
    ),
    "a milter on the control socket": (
        M + '[control]\nsocket = "unix:/a"\n',
        ["p.toml:2: milters.a.socket: unix:/a is Postmill's control socket"],
    ),
    "a control socket for the whole world": (
        '[control]\nsocket = "inet:8890"\n',
        [
            'p.toml:2: control.socket: must be a unix socket such as "unix:/run/x.sock", or "" for none, '
            'not "inet:8890"'
        ],
    ),
    "an operator that is no name": (
        '[control]\noperators = ["root", "@adm"]\n',
        [
            "p.toml:2: control.operators[1]: must be the name or number of a user, or of a group with "
            '"%" in front, not "@adm"'
        ],
    ),
    "port zero": (
        '[milters.a]\nsocket = "inet:0@127.0.0.1"\n',
        ["p.toml:2: milters.a.socket: port 0 cannot be connected to"],
    ),
    "breaker upside down": (
        M + 'breaker = { retry = "1m" }\n',
        ["p.toml:3: milters.a.breaker.retry_max: must not be shorter than retry"],
    ),
    "broken syntax": (
        "[manager]\nworkers = \n",
        ["p.toml:2: no valid TOML: Invalid value at column 11"],
    ),
    "unfinished string": (
        '[manager]\n\nuser = "x\n',
        ["p.toml:3: no valid TOML: Illegal character '\\n' at column 10"],
    ),
    "unfinished list": (
        '[manager]\nlisten = ["unix:/a"\n',
        ["p.toml:3: no valid TOML: Unclosed array at end of the file"],
    ),
    "table twice": (
        "[log]\n[manager]\n[log]\n",
        ["p.toml:3: no valid TOML: Cannot declare ('log',) twice at column 5"],
    ),
    "not UTF-8": (b'[log]\n# caf\xe9\nlevel = "info"\n', ["p.toml:2: byte 0xe9 is not UTF-8"]),
    "very deep": ("a = " + "[" * 100_000, ["p.toml: tables or lists are nested too deeply"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    assert lines(tmp_path, text) == expected


def test_every_problem_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[milters.a]\nsocket = 1\nmod = "off"\n[log]\nlevel = "loud"\n[manager]\nworkers = -1\n[mlters.b]\n'
    )
    assert [line.split(": ")[:2] for line in lines(tmp_path, text)] == [
        ["p.toml:2", "milters.a.socket"],
        ["p.toml:3", "milters.a.mod"],
        ["p.toml:5", "log.level"],
        ["p.toml:7", "manager.workers"],
        ["p.toml:8", "mlters"],
    ]


def test_errors_are_one_config_error_with_its_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "[log]\nlevle = 1\nzz = 2\n"))
    assert isinstance(caught.value, ConfigErrors)
    assert (caught.value.line, caught.value.key, caught.value.exit_status) == (2, "log.levle", 78)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigErrors, match=r"none\.toml: cannot be read: No such file or directory \(write one"
    ):
        load(tmp_path / "none.toml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r": cannot be read: Is a directory$"):
        load(tmp_path)


def test_only_what_leads_to_the_daemon(tmp_path: Path) -> None:
    """It must be possible to ask and stop a daemon whose file is being edited."""
    control = '[control]\nsocket = "unix:/c"\n'
    found = load_control(write(tmp_path, "[manager]\nwrkers = 5\n[milters.a]\n" + control)).socket
    assert found == Endpoint("unix", "/c")
    assert load_control(write(tmp_path, "")).socket == Endpoint("unix", "/run/postmill/control.sock")
    assert load_control(write(tmp_path, '[control]\nsocket = ""\n')).socket is None


@pytest.mark.parametrize(
    "text", ["[control]\nsocket = 5\n", "[control]\nsoket = 5\n", "control = 5\n", "[\n"]
)
def test_what_leads_to_the_daemon_must_be_right(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors):
        load_control(write(tmp_path, text))


SUSPICIOUS = {
    "same socket": (
        M + '[milters.b]\nsocket = "local:/a"\n',
        ["p.toml:4: milters.b.socket: unix:/a is also the socket of milter a"],
    ),
    "all off": (
        M + 'mode = "off"\n',
        ["p.toml: no milter is in use: every message passes as it is (add [milters.NAME])"],
    ),
    "progress too seldom": (
        '[manager]\nprogress_interval = "30s"\n' + M,
        ["p.toml:2: manager.progress_interval: Postfix gives up after 30s without progress"],
    ),
}


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_warnings(name: str, tmp_path: Path) -> None:
    text, expected = SUSPICIOUS[name]
    loaded = load(write(tmp_path, text))
    assert [str(warning).replace(f"{tmp_path}/", "") for warning in loaded.warnings] == expected


def test_a_good_configuration_has_no_warning(full: Loaded) -> None:
    assert full.warnings == ()
