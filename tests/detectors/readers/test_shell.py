"""Scripts are followed as the machine's own sh runs them: the same variables, the same command lines."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from postmill.api import Source
from postmill.detectors.readers.shell import run_script, run_text
from postmill.testing.paper_machine import PROGRAM, Directory, Entry, Link, PaperMachine

NAMES = "ABCDE"

OTHERS = {"/other": "B=other\n", "/returns": "B=1\nreturn\nB=2\n"}
"""Files that a script may read in, with ``. ./other``."""

SCRIPTS = {
    "assignments": "A=1 B=two\nC='$A' D=\"$A $B\" E=$A$B",
    "quotes": r"""A='it''s' B="a \"b\" \$c \x" C=a\ b D="x'y" E=\$A""",
    "a backslash joins lines": 'A=one\\\ntwo\nB="x \\\n y"\nprog a \\\n  b',
    "comments": "A=1 # B=2\n# C=3\nD=x#y",
    "defaults": "B=b\nA=${A:-x} C=${B:-y} D=${C:+z} E=${N-n}",
    "assigning defaults": ': ${A:="x y"} ${B=$A}\nC=\n: ${C=1} ${C:=2}',
    "cutting": "P=inet:8891@host\nA=${P%%:*} B=${P#*:} C=${P##*@} D=${P%@*} E=${P%x}",
    "fields": "L='a  b c'\nprog $L \"$L\" x$L $EMPTY \"$EMPTY\" ''",
    "fields that grow together": "L=' a b '\nprog x${L}y",
    "if": 'if [ "$A" = x ]; then B=1; elif [ -z "$A" ]; then B=2; else B=3; fi',
    "no branch": "if false; then A=1; fi\nB=2",
    "chains": "true && A=1\nfalse && B=1\nfalse || C=1\ntrue || D=1\n[ -n x ] && [ -z '' ] && E=1",
    "not": "if ! false; then A=1; fi\n! true || B=1",
    "and, or in a test": "[ -n x -a -z '' ] && A=1\n[ -n '' -o x = x ] && B=1\n[ ! -n x ] || C=1",
    "numbers": "[ 3 -gt 2 ] && A=1\n[ 03 -eq 3 ] && B=1\n[ -1 -lt 0 ] && C=1",
    "case": 'case "inet:1" in unix:*|/*) A=u ;; inet:*) A=i ;; *) A=x ;; esac\ncase x in (y) B=1;; esac\nC=2',
    "for": "for A in 1 '2 3' $N; do B=$B-$A; done",
    "functions": 'f() { A=$1; B="$*"; C=$#; }\nf x "y z"\ng()\n{\n  D=$1\n}\ng w',
    "functions call functions": 'f() { A=$1$2; }\ng() { f "$2" "$1"; }\ng a b',
    "all parameters": "f() { prog \"$@\" $@ $* \"$*\"; }\nf 'a b' '' c\nf",
    "return": "f() { A=1; return 0; A=2; }\nf\nB=3",
    "return from where nothing was called": "A=1\nreturn\nA=2",
    "return in a function that is substituted": "f() { echo x; return; echo y; }\nA=$(f) B=1",
    "return in a substitution": "A=$(echo x; return; echo y)\nB=1",
    "return from a sourced file": "A=1\n. ./returns\nC=$B",
    "exit": "A=1\nexit 0\nA=2",
    "exit in a substitution": "A=$(echo x; exit; echo y)\nB=1",
    "exit in a chain": "[ -x /nonexistent/program ] || exit 0\nA=1",
    "echo in a substitution": 'A=$(echo x) B=`echo "y z"` C="$(echo $A $B)"\nprog $(echo -p $A)',
    "a substitution that may be empty": 'V=1\nprog `[ -n "$V" ] && echo "-v $V"` `[ -n "$W" ] && echo "-w $W"` end',
    "names in paths": "A=$(dirname /run/x/y.sock) B=$(basename /run/x/y.sock)",
    "eval": 'n=A\neval $n=7\neval B=\\$A\neval "$n=\\${$n:-NO}"',
    "export": "export A=1 B\nreadonly C=3",
    "here-documents": "prog a <<'EOF'\nA=1 $(\n'\nEOF\nB=2\nprog b <<-'X'\n\tA=3\n\tX\nC=4",
    "redirections": "prog a >/dev/null 2>&1 b\nA=1 2>/dev/null\nprog c < /dev/null",
    "subshells": "A=1\n( A=2; B=3; prog $A; f() { prog x; }; exit; C=4 )\nD=$(A=5; echo x)\nf() { ( return; E=1; ); E=2; }\nf",
    "groups": "{ A=1; B=2; }\n[ -n x ] && { C=3; D=4; }",
    "sourcing": "A=1\n. ./other\nC=$B",
    "unset": "A=1\nunset A\nB=${A-gone}",
    "words that look like operators": "A=if B=then\nprog then fi { }\nif [ x = x ]; then prog done; fi",
    "several on a line": "A=1; B=2;C=3\nif true; then D=4; fi; E=5",
    "a function of a later line": "f() { A=$X; }\nX=1\nf",
    "an option's argument of its own": 'S=/run/a\nO="-s $S"\nO="$O -p /run/pid"\nprog $O',
}


def followed(script: str, files: dict[str, Entry] | None = None) -> tuple[dict[str, str], list[list[str]]]:
    """What our reader makes of a script."""
    machine = PaperMachine({"/script": script, **OTHERS, "/dev/null": Directory(), **(files or {})})
    done = run_text(machine, script.replace(". ./", ". /"), "/script", ("start",))
    commands = [[word.text for word in words[1:]] for words in done.commands if words[0].text == "prog"]
    return {name: done.variables[name].text for name in NAMES if name in done.variables}, commands


def real(script: str, directory: Path) -> tuple[dict[str, str], list[list[str]]]:
    """What sh does."""
    for path, text in OTHERS.items():
        (directory / path[1:]).write_text(text)
    show = "; ".join(f"printf '%s\\0' \"{name}${{{name}+=${name}}}\"" for name in NAMES)
    prologue = (
        f"trap '{show.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}' EXIT\n"
        'prog() { printf "%s\\0" "$@" "<end>" >> commands; }\n'
    )
    commands = directory / "commands"
    commands.write_text("")
    done = subprocess.run(
        ["sh", "-c", prologue + script, "sh", "start"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
        env={"PATH": os.environ["PATH"]},
    )
    pairs = [entry.partition("=") for entry in done.stdout.split("\0")[:-1]]
    found = {name: value for name, equals, value in pairs if equals}
    lists = [part.split("\0")[:-1] for part in commands.read_text().split("<end>\0")[:-1]]
    return found, lists


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_does_what_sh_does(script: str, tmp_path: Path) -> None:
    assert followed(script) == real(script, tmp_path)


def test_values_know_the_line_they_come_from() -> None:
    machine = PaperMachine(
        {
            "/script": "DIR=/run\n. /defaults\nprog -p $SOCKET -u $USER\n",
            "/defaults": "# where\nSOCKET=$DIR/x.sock\nUSER=x",
        }
    )
    (words,) = run_script(machine, "/script").commands
    assert [str(word.source) for word in words] == [
        *("/script:3", "/script:3", "/defaults:2", "/script:3", "/defaults:3"),
    ]


@pytest.mark.parametrize(
    ("script", "variables"),
    [
        ("A=1\nif getent passwd x; then A=2; else A=3; fi", {"A": "1"}),
        ("getent passwd x || A=2\ngetent passwd x && B=2", {}),
        ("if ! getent passwd x; then exit 1; fi\nA=1", {"A": "1"}),
        ('A=`awk \'{print}\' /etc/x`\n[ -n "$A" ] && B=1\n[ -z "$A" ] && C=1', {"A": "\ue000"}),
        ("case `uname` in Linux) A=1 ;; *) A=2 ;; esac", {}),
        ("while read x; do A=1; done\nB=2", {"B": "2"}),
        ("cat x | grep y && A=1\nB=2", {"B": "2"}),
        ("A=$((1 + 1))", {"A": "\ue000"}),
        (". /lib/lsb/init-functions\nA=1", {"A": "1"}),
    ],
)
def test_what_only_a_program_could_tell_is_not_guessed(script: str, variables: dict[str, str]) -> None:
    assert followed(script, {"/lib/lsb/init-functions": "exit 1\n"})[0] == variables


@pytest.mark.parametrize(
    ("test", "answer"),
    [
        *(("-f /file", True), ("-f /dir", False), ("-d /dir", True), ("-e /none", False), ("-x /prog", True)),
        *(
            ("-x /file", False),
            ("-x /dir", True),
            ("-r /file", True),
            ("-s /file", True),
            ("-s /empty", False),
        ),
        *(("-h /link", True), ("-L /file", False), ("-f /link", True), ("-S /file", False), ("-e /", True)),
    ],
)
def test_files_are_asked_of_the_machine(test: str, answer: bool) -> None:
    files: dict[str, Entry] = {
        "/file": "text",
        "/empty": "",
        "/dir": Directory(),
        "/prog": PROGRAM,
        "/link": Link("file"),
    }
    variables, _ = followed(f"[ {test} ] && A=yes\n[ {test} ] || A=no", files)
    assert variables == {"A": "yes" if answer else "no"}


@pytest.mark.parametrize(
    "script",
    [
        "A=x\n" + "A=$A$A\n" * 60,
        "f() { f; }\nA=1\nf",
        "A=1\n" + "(" * 3000,
        "A=1\n" + "if true; then " * 3000,
        "A=1\nB=" + '"$(' * 3000,
        "A=1\n. /script",
        "A=1\nfor B in " + "x " * 3000 + "; do for C in " + "y " * 3000 + "; do :; done; done",
        "A=" + "x" * 100_000 + "\nA=${A%%*x*y}",
    ],
    ids=[
        "doubling",
        "recursion",
        "parentheses",
        "nesting",
        "substitutions",
        "itself",
        "loops",
        "a long value",
    ],
)
def test_no_script_takes_all_day_or_all_memory(script: str) -> None:
    machine = PaperMachine({"/script": script})
    assert len(run_script(machine, "/script").variables["A"].text) <= 1 << 16


@pytest.mark.parametrize(
    "broken", ["fi", "A=2\n)", "case x in", "if true", "f() {", "'", '"', "`", "${", "$(", ";;"]
)
def test_a_broken_script_is_understood_up_to_there(broken: str) -> None:
    done = run_text(PaperMachine({}), f"A=1\n{broken}\n", "/script")
    assert done.variables["A"].text in {"1", "2"}


def test_rc_subr_reads_rc_conf_in_its_order() -> None:
    script = (
        '. /etc/rc.subr\nname=x\nrcvar=`set_rcvar`\nload_rc_config $name\ncommand=/x\nrun_rc_command "$1"\n'
    )
    files: dict[str, Entry] = {
        "/rc.d/x": script,
        "/etc/rc.subr": "",
        "/etc/defaults/rc.conf": "A=defaults\nB=defaults\nC=defaults\nD=defaults\n",
        "/etc/rc.conf": "B=rc.conf\nC=rc.conf\nD=rc.conf\nx_flags='-p /run/x'\n",
        "/etc/rc.conf.local": "C=local\nD=local\n",
        "/etc/rc.conf.d/x/one": "D=one\n",
        "/usr/local/etc/rc.conf.d/x": "command_args=-l\n",
    }
    done = run_script(PaperMachine(files), "/rc.d/x")
    assert [done.variables[name].text for name in "ABCD"] == ["defaults", "rc.conf", "local", "one"]
    assert done.variables["rcvar"].text == "x_enable"
    (words,) = done.commands
    assert [word.text for word in words] == ["/x", "-p", "/run/x", "-l"]
    assert words[2].source == Source("/etc/rc.conf", 4)


def test_without_rc_subr_its_functions_are_not_there() -> None:
    script = "if type run_rc_command >/dev/null 2>&1; then A=bsd; fi\nB=$(set_rcvar)\n"
    assert followed(script)[0] == {"B": "\ue000"}
