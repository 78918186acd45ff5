"""The benchmark's command on real processes, small; and that Postmill takes the configuration it writes."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.measure import idle_memory
from bench.micro import Driver, upstream
from bench.null_child import CONTINUE, PROFILES
from bench.processes import ProcessError, Setup, Watched, null_children, postmill
from bench.run import main
from bench.transaction import standard
from postmill.config import load

LITTLE = ["--sessions", "10", "--concurrency", "1,5", "--children", "1,3", "--no-memory"]


def test_straight_sessions_over_both_kinds_of_sockets(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert main([*LITTLE, "--no-postmill", "--no-relay", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert {(r["case"]["sockets"], r["case"]["children"], r["case"]["concurrency"]) for r in rows} == {
        (sockets, children, concurrency)
        for sockets in ("unix", "inet")
        for children in (1, 3)
        for concurrency in (1, 5)
    }
    assert all(r["sessions"] == 10 and r["errors"] == {} and 0 < r["p50"] <= r["p99"] for r in rows)


@pytest.mark.parametrize("sockets", ["unix", "inet"])
def test_postmill_takes_the_configuration(tmp_path: Path, sockets: str) -> None:
    milter = {"pipeline": "false", "pool": "true", "content": '"parallel"'}
    setup = Setup(
        sockets, ["unix:/n/1.sock", "inet:1@127.0.0.1"], {"workers": "2", "ask": '"in-turn"'}, milter
    )
    file = tmp_path / "postmill.toml"
    file.write_text(setup.configuration(setup.listen(tmp_path)))
    settings = load(file).settings
    assert settings.manager.workers == 2
    assert [(m.name, str(m.socket), m.pipeline, m.pool, m.content) for m in settings.milters] == [
        ("null1", "unix:/n/1.sock", False, True, "parallel"),
        ("null2", "inet:1@127.0.0.1", False, True, "parallel"),
    ]


def test_a_milter_that_cannot_start_is_told(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 110)
    directory.mkdir()
    with pytest.raises(ProcessError, match="path too long"), null_children("unix", ["plain"], directory):
        pass


def test_watched_sees_the_descendants_cpu_memory_and_sockets() -> None:
    program = (
        "import subprocess, sys, socket, time\n"
        "s = socket.socketpair()\n"
        "p = subprocess.Popen([sys.executable, '-c', 'print(1, flush=True); input()'],"
        " stdin=subprocess.PIPE)\n"
        "t = time.process_time()\n"
        "while time.process_time() - t < 0.1: pass\n"
        "print(p.pid, flush=True); input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = {int(process.stdout.readline()), int(process.stdout.readline())}
    watched = Watched(process.pid)
    child = max(lines)
    assert watched.pids() == [process.pid, child]
    assert watched.cpu() >= 0.1
    assert watched.memory() > Watched(child).memory() > 1 << 20
    assert watched.sockets() == 2
    process.communicate("\n")
    assert process.returncode == 0


def test_the_free_port_is_free(tmp_path: Path) -> None:
    endpoint = Setup("inet", []).listen(tmp_path)
    port = int(endpoint.removeprefix("inet:").removesuffix("@127.0.0.1"))
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("children", [1, 3])
def test_the_micro_benchmark_takes_a_whole_session_through_the_chain(children: int) -> None:
    _, packets = upstream()
    driver = Driver(children, PROFILES["plain"])
    for _ in range(2):  # with the milters' answers to learn, and with them known
        driver.session(packets)
        negotiated, *verdicts = driver.decided
        assert negotiated[4] == ord("O")
        assert verdicts == [CONTINUE] * len("CHMRRTE")


@pytest.mark.parametrize("sockets", ["unix", "inet"])
def test_sessions_through_the_relay_and_postmill(tmp_path: Path, sockets: str) -> None:
    file = tmp_path / "figures.json"
    options = ["--no-straight", "--sockets", sockets, "--workers", "2", "--json", str(file)]
    assert main([*LITTLE, *options]) == 0
    figures = json.loads(file.read_text())
    assert [
        (r["case"]["path"], r["case"]["children"], r["case"]["concurrency"]) for r in figures["rows"]
    ] == [
        (path, children, concurrency)
        for children in (1, 3)
        for concurrency in (1, 5)
        for path in ("relay", "postmill")
    ]
    assert all(r["errors"] == {} and r["cpu"] >= 0 for r in figures["rows"])


def test_milters_of_different_kinds_through_postmill() -> None:
    kinds = ["--milter", "opendkim,spamass-milter,clamav-milter"]
    assert main(["--sessions", "20", "--concurrency", "5", "--children", "3", "--no-memory", *kinds]) == 0


def test_an_unknown_kind_of_milter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--milter", "plain,plane"])
    assert "there is no plane" in capsys.readouterr().err


@pytest.mark.parametrize("after", ["H", "E"])
def test_memory_of_idle_sessions_counts_sessions_that_hold_every_milter(tmp_path: Path, after: str) -> None:
    with ExitStack() as stack:
        children = stack.enter_context(null_children("unix", ["plain"] * 3, tmp_path))
        setup = Setup("unix", [child.endpoint for child in children], {"workers": "1"})
        manager = stack.enter_context(postmill(setup))
        memory = idle_memory("unix", standard(), manager, children, 10, after)
    assert memory.connected == 30
    assert memory.sessions == 10
