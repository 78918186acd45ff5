"""The public API as somebody's type checker sees it: the examples are fine, and asking too early is an error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOO_EARLY = """\
from postmill.api import Client, Greeting, HeaderEdit, Message, Milter, Recipient, Reject, Sender, Verdict

app = Milter("wrong")


@app.on
async def no_sender_yet(client: Client) -> Verdict | None:
    return Reject("5.7.1 no") if client.sender else None


@app.on
async def no_login_yet(greeting: Greeting) -> Verdict | None:
    return Reject("5.7.1 no") if greeting.user else None


@app.on
async def no_headers_yet(rcpt: Recipient) -> Verdict | None:
    return Reject("5.7.1 no") if rcpt.head else None


@app.on
async def no_body(msg: Message, edit: HeaderEdit) -> None:
    edit.replace_body(b"")


@app.on
async def no_values_to_set(sender: Sender) -> None:
    sender.address = sender.address
"""
WRONG = (8, 13, 18, 23, 28)


def check(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", tool, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=100, cwd="/")


TOOLS = {
    "mypy": ("mypy", "--strict", "--cache-dir=/dev/null"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_examples_are_fine(name: str) -> None:
    tool, *options = TOOLS[name]
    files = map(str, sorted((ROOT / "examples").glob("[!t]*.py")))
    done = check(tool, *options, *files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TOOLS)
def test_asking_too_early_is_an_error(name: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(TOO_EARLY)
    tool, *options = TOOLS[name]
    done = check(tool, *options, str(file))
    told = {int(line) for line in re.findall(r"wrong\.py:(\d+)[:\d]*:? (?:- )?error", done.stdout)}
    assert (done.returncode, told) == (1, {*WRONG}), done.stdout + done.stderr
