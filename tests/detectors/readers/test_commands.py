"""Command lines of services, as systemd.service(5) expands them."""

from __future__ import annotations

import pytest

from postmill.api import Source
from postmill.detectors.readers.systemd.commands import started_by
from postmill.detectors.readers.systemd.quoting import words_of
from postmill.detectors.readers.systemd.specifiers import specified
from postmill.detectors.readers.systemd.units import load_unit
from postmill.detectors.readers.values import Value
from postmill.testing.paper_machine import PaperMachine

VARIABLES = {
    "ONE": Value("/run/x", Source("/etc/default/x", 3)),
    "TWO": Value("-p '/run/with blank' -u x", Source("/etc/default/x", 4)),
    "NONE": Value("", Source("/etc/default/x", 5)),
}


def started(*lines: str) -> list[list[Value]]:
    path = "/etc/systemd/system/x@y-z.service"
    host = PaperMachine({path: "[Service]\n" + "\n".join(f"ExecStart={line}" for line in lines)})
    unit = load_unit(host, "x@y-z.service")
    assert unit is not None
    return [list(words) for words in started_by(host, unit, VARIABLES)]


def texts(*lines: str) -> list[list[str]]:
    return [[word.text for word in words] for words in started(*lines)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/usr/sbin/x -a 'b c' \"d e\"f", ["/usr/sbin/x", "-a", "b c", "d ef"]),
        ("/x \\x41\\t\\s \"\\u00e4\\\\\" '\\101'", ["/x", "A\t ", "ä\\", "A"]),
        ("/x $ONE ${ONE}.sock a${ONE}b $ONEs", ["/x", "/run/x", "/run/x.sock", "a/run/xb"]),
        ("/x $TWO ${TWO}", ["/x", "-p", "/run/with blank", "-u", "x", "-p '/run/with blank' -u x"]),
        ("/x $NONE $UNSET ${NONE} end", ["/x", "", "end"]),
        ("/x $$ONE $$ '$ONE x'", ["/x", "$ONE", "$", "$ONE x"]),
        ("/x %n %p %i %I %% %t/s", ["/x", "x@y-z.service", "x", "y-z", "y/z", "%", "/run/s"]),
        ("-/x a", ["/x", "a"]),
        ("!!/x a", ["/x", "a"]),
        ("@/x other-name a", ["/x", "a"]),
        (":/x $ONE", ["/x", "$ONE"]),
    ],
)
def test_a_command_line(line: str, words: list[str]) -> None:
    assert texts(line) == [words]


def test_several_commands() -> None:
    assert texts("/a b ; /c d", "/e") == [["/a", "b"], ["/c", "d"], ["/e"]]
    assert texts("", ";", "/a") == [["/a"]]


def test_words_know_where_they_come_from() -> None:
    ((program, socket, option, path, _, _),) = started("/x ${ONE} $TWO")
    assert str(program.source) == "/etc/systemd/system/x@y-z.service:2"
    assert str(socket.source) == "/etc/default/x:3"
    assert [str(word.source) for word in (option, path)] == ["/etc/default/x:4"] * 2


def test_a_line_of_shell_is_followed() -> None:
    line = '/bin/sh -ec \'A=1; exec /usr/bin/x `[ -n "$ONE" ] && echo "-p $ONE"` -q\''
    ((*words,),) = started(line)
    assert [word.text for word in words] == ["/usr/bin/x", "-p", "/run/x", "-q"]
    assert str(words[2].source) == "/etc/default/x:3"
    assert texts("/usr/bin/env A=1 /x")[0] == ["/usr/bin/env", "A=1", "/x"]
    assert texts("/bin/sh /x.sh")[0] == ["/bin/sh", "/x.sh"]


def test_quotes_that_never_end() -> None:
    assert words_of("a 'b c") == ["a", "'b", "c"]
    assert words_of('"') == ['"']
    assert words_of("\\") == ["\\"]


def test_a_specifier_of_the_running_machine_is_not_known() -> None:
    assert specified("%H", "x.service") == "\ue000"
    assert specified("%", "x.service") == "%"
