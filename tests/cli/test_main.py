"""``postmill`` itself: lazy commands, exit statuses, and errors as lines rather than tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
import pytest

from postmill import __version__
from postmill.cli import COMMANDS, launch, postmill
from postmill.config import ConfigErrors
from postmill.errors import ConfigError, PostmillError, RemoteProtocolError, UnavailableError


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postmill", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"postmill {__version__}\n", "")


def test_help_lists_the_commands_in_their_order() -> None:
    done = run("--help")
    listed = [
        line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line.strip()
    ]
    assert done.returncode == 0
    assert listed == [name for name in COMMANDS if name in listed]
    assert "config" in listed


def test_unknown_command() -> None:
    done = run("rnu")
    assert done.returncode == 2
    assert "No such command 'rnu'" in done.stderr


def test_starting_imports_no_command() -> None:
    code = "import sys, postmill.cli; print([m for m in sys.modules if m.startswith('postmill.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['postmill.errors', 'postmill.cli']\n"


def test_each_command_there_is_can_be_loaded_and_explains_itself() -> None:
    context = click.Context(postmill, **postmill.context_settings)
    for name in postmill.list_commands(context):
        command = postmill.get_command(context, name)
        assert command is not None
        assert command.help, f"postmill {name} says what it does"


ERRORS: list[tuple[PostmillError, int, str]] = [
    (UnavailableError("gone"), 69, "tool: error: gone\n"),
    (RemoteProtocolError("two\nlines"), 76, "tool: error: two\ntool: error: lines\n"),
    (ConfigError("bad", file="f", line=3, key="k", hint="h"), 78, "tool: error: f:3: k: bad (h)\n"),
    (
        ConfigErrors([ConfigError("b", file="f", line=2), ConfigError("a", file="f", line=1)]),
        78,
        "tool: error: f:1: a\ntool: error: f:2: b\n",
    ),
    (PostmillError("x"), 70, "tool: error: x\n"),
]


@pytest.mark.parametrize(("error", "status", "text"), ERRORS)
def test_our_errors_are_lines_and_a_status(
    error: PostmillError,
    status: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command()
    def command() -> None:
        raise error

    assert launched(command, monkeypatch) == status
    assert capsys.readouterr().err == text


def test_what_a_command_returns_or_exits_with_is_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched(click.Command("c", callback=lambda: None), monkeypatch) == 0
    assert launched(click.Command("c", callback=lambda: 3), monkeypatch) == 3
    assert (
        launched(click.Command("c", callback=lambda: click.get_current_context().exit(4)), monkeypatch) == 4
    )


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        launched(click.Command("c", callback=broken), monkeypatch)


def launched(command: click.Command, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["tool"])
    code: object = None
    try:
        launch(command, "tool")
    except SystemExit as end:
        code = end.code
    return code


def test_an_interrupt_ends_quietly() -> None:
    code = (
        "import click, time\n"
        "from postmill.cli import launch\n"
        "def wait():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "launch(click.Command('c', callback=wait), 'tool')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "postmill", "config", "describe"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
