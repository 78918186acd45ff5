"""A machine on paper and a real one below a directory are the same ``Host``."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from postmill.api import Host
from postmill.api.host import resolve
from postmill.daemon.machine import Machine
from postmill.errors import UnavailableError
from postmill.testing.paper_machine import PROGRAM, SECRET, Directory, Entry, Link, PaperMachine, Text
from tests.interop.postfix import public_directory

FILES: Mapping[str, Entry] = {
    "/etc/plain": "one\ntwo\n",
    "/etc/empty": "",
    "/etc/dos": "one\r\ntwo\r\n",
    "/etc/link": Link("plain"),
    "/etc/absolute": Link("/etc/plain"),
    "/etc/up": Link("../../../../etc/plain"),
    "/etc/chain": Link("link"),
    "/etc/circle": Link("circle"),
    "/etc/left": Link("right"),
    "/etc/right": Link("left"),
    "/etc/dangling": Link("/nowhere"),
    "/etc/null": Link("/dev/null"),
    "/etc/inside": Link("/usr/bin"),
    "/usr/bin/program": PROGRAM,
    "/usr/bin/text": "text",
    "/lib": Link("usr/lib"),
    "/usr/lib/x": "x",
    "/var/empty": Directory(),
    "/etc/mine": Text("mine", mode=0o640),
}
Make = Callable[[Mapping[str, Entry]], Host]


def on_disk(root: Path, files: Mapping[str, Entry]) -> Host:
    """Write a machine down below a directory."""
    for path, entry in files.items():
        place = root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, Link):
            place.symlink_to(entry.target)
        elif isinstance(entry, Directory):
            place.mkdir()
        else:
            text = Text(entry) if isinstance(entry, str) else entry
            place.write_bytes(text.text.encode())
            place.chmod(text.mode)
    return Machine(str(root))


@pytest.fixture(params=["paper", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return PaperMachine if request.param == "paper" else lambda files: on_disk(tmp_path, files)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/plain", "one\ntwo\n"),
        ("/etc/empty", ""),
        ("/etc/link", "one\ntwo\n"),
        ("/etc/absolute", "one\ntwo\n"),
        ("/etc/up", "one\ntwo\n"),
        ("/etc/chain", "one\ntwo\n"),
        ("/etc/../etc/./plain", "one\ntwo\n"),
        ("/../../etc/plain", "one\ntwo\n"),
        ("/lib/x", "x"),
        ("/etc/inside/text", "text"),
        ("/etc/circle", None),
        ("/etc/left", None),
        ("/etc/dangling", None),
        ("/etc/null", None),
        ("/etc/none", None),
        ("/etc", None),
        ("/etc/plain/below", None),
        ("/", None),
        ("", None),
        ("/etc/\0", None),
        ("/" + "x" * 5000, None),
    ],
)
def test_read(make: Make, path: str, text: str | None) -> None:
    assert make(FILES).read(path) == text


def test_names(make: Make) -> None:
    host = make(FILES)
    assert host.names("/usr/bin") == host.names("/etc/inside") == ("program", "text")
    assert host.names("/var/empty") == host.names("/none") == host.names("/etc/plain") == ()
    assert host.names("/") == ("etc", "lib", "usr", "var")


def test_exists(make: Make) -> None:
    host = make(FILES)
    for path in ("/", "/etc", "/etc/link", "/lib/x", "/var/empty/"):
        assert host.exists(path)
    for path in ("/none", "/etc/circle", "/etc/dangling", "/etc/plain/x"):
        assert not host.exists(path)


def test_is_executable(make: Make) -> None:
    host = make(FILES)
    assert host.is_executable("/usr/bin/program")
    assert host.is_executable("/etc/inside/program")
    for path in ("/usr/bin/text", "/usr/bin", "/none"):
        assert not host.is_executable(path)


def test_link(make: Make) -> None:
    host = make(FILES)
    assert host.link("/etc/link") == "plain"
    assert host.link("/etc/inside") == "/usr/bin"
    assert host.link("/lib/") == "usr/lib"
    for path in ("/etc/plain", "/etc", "/none", "/etc/inside/program", "/"):
        assert host.link(path) is None


def test_status(make: Make) -> None:
    host = make(FILES)
    found = host.status("/etc/mine")
    assert found is not None
    assert (stat.S_IMODE(found.mode), found.is_directory, found.is_program) == (0o640, False, False)
    directory = host.status("/etc/inside")
    assert directory is not None
    assert directory.is_directory
    assert host.status("/none") is None


def test_lines_end_as_on_unix(tmp_path: Path) -> None:
    assert on_disk(tmp_path, FILES).read("/etc/dos") == "one\ntwo\n"


def test_what_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\xff\0b")
    assert Machine(str(tmp_path)).read("/x") == "a\\xff\0b"


def test_no_link_leads_out_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    for number, target in enumerate(("../secret", f"{tmp_path}/secret", "../../../../../../../etc/passwd")):
        files = {f"/{number}/link": Link(target), f"/{number}/folder": Link("../..")}
        host = on_disk(root, files)
        assert host.read(f"/{number}/link") is None
        assert host.names(f"/{number}/folder") == host.names("/")


def test_a_pipe_or_a_device_is_no_file_to_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    host = Machine(str(tmp_path))
    assert host.read("/pipe") is None
    assert Machine("/").read("/dev/zero") is None
    assert host.exists("/pipe")


def test_paper_says_when_a_file_may_not_be_read() -> None:
    host = PaperMachine({"/etc/secret": SECRET})
    with pytest.raises(UnavailableError, match="/etc/secret cannot be read: Permission denied"):
        host.read("/etc/secret")
    assert host.exists("/etc/secret")


def test_so_does_the_disk() -> None:
    root = public_directory("paper-")  # nobody may not even look into pytest's
    on_disk(root, {"/etc/secret": SECRET, "/closed/x": "x"})
    (root / "etc/secret").chmod(0)
    (root / "closed").chmod(0)
    questions = (
        "Machine(root).read('/etc/secret')",
        "Machine(root).names('/closed')",
        "Machine(root).exists('/closed/x')",
        "Machine(root).link('/closed/x')",
        "Machine(root).exists('/etc/secret')",
    )
    told = [as_nobody(root, question) for question in questions]
    (root / "closed").chmod(0o700)
    shutil.rmtree(root)
    assert told == [
        "/etc/secret cannot be read: Permission denied",
        "/closed cannot be read: Permission denied",
        "/closed/x cannot be read: Permission denied",
        "/closed/x cannot be read: Permission denied",
        "no error",
    ]


def as_nobody(root: Path, question: str) -> str:
    """Ask as somebody who is not root; what the error says."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "no error"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            eval(question, {"Machine": Machine, "root": str(root)})
        except UnavailableError as error:
            text = str(error)
        except BaseException as error:
            text = repr(error)
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(pid, 0)
    return text


def test_nothing_can_be_in_what_is_no_directory() -> None:
    with pytest.raises(ValueError, match="/etc is no directory"):
        PaperMachine({"/etc": "", "/etc/x": ""})


def test_forty_links_are_followed_and_no_more() -> None:
    links = {f"/{number}": f"/{number + 1}" for number in range(60)}
    assert resolve("/20", links.get) == "/60"
    assert resolve("/19", links.get) is None
