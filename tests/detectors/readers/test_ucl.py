"""UCL: what rspamd's own reader makes of the same files, where it is installed, and what may not be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from postmill.detectors.readers.ucl import Section, read_ucl
from postmill.errors import UnavailableError
from postmill.testing.paper_machine import SECRET, Entry, PaperMachine

KEYS = ("bind_socket", "count", "max_retries", "type")

FILES: dict[str, dict[str, str]] = {
    "as it is delivered": {
        "base": 'milter = yes; # on\ncount = 1;\nupstream "local" { hosts = "localhost"; }\n'
    },
    "two of one strength": {"base": "bind_socket = '127.0.0.1:1'; bind_socket = \"127.0.0.1:2\""},
    "local": {"base": "count = 1;", "local": "bind_socket = '127.0.0.1:3'\ncount: 2"},
    "local twice": {"local": "bind_socket = '127.0.0.1:3'; bind_socket='127.0.0.1:4'"},
    "local, a list": {"local": "bind_socket = ['127.0.0.1:3', \"127.0.0.1:4\",]; count = 3"},
    "override": {
        "base": "count = 5",
        "local": "bind_socket = '127.0.0.1:3'; count=6",
        "override": "count = 7",
    },
    "override, twice": {"override": "bind_socket = '127.0.0.1:5'; bind_socket = '127.0.0.1:6';"},
    "comments": {"local": "/* a /* b */ c */ # d\ncount = 8 # e\n"},
    "separators": {"local": 'count: 9, max_retries = 4; "bind_socket" = "127.0.0.1:7"'},
    "a document": {"local": "bind_socket = <<EOD\n127.0.0.1:8\nEOD\n;count = 2"},
    "variables": {"local": 'bind_socket = "${RUNDIR}/x $RUNDIR/y";'},
    "nested sections": {"local": "upstream a { hosts = localhost; weight { count = 5 } }\ncount = 6"},
    "a bare word": {"local": "bind_socket = 127.0.0.1:9 # x\n"},
    "a path with its mode": {"local": 'bind_socket = "/run/rspamd/m.sock mode=0660 owner=nobody";'},
}

ROOT = """\
worker "rspamd_proxy" {
    bind_socket = "127.0.0.1:9";
    .include "@base"
    .include(try=true; priority=1,duplicate=merge) "@local"
    .include(try=true; priority=10) "@override"
}
"""


def values(section: Section) -> dict[str, list[str]]:
    return {key: [value.text for value in section.values(key)] for key in KEYS if section.values(key)}


def read(root: str, files: dict[str, Entry]) -> Section:
    host = PaperMachine({"/etc/rspamd/rspamd.conf": root, **files})
    found = read_ucl(host, "/etc/rspamd/rspamd.conf", {"RUNDIR": "/run/rspamd"}, lambda _: True)
    assert found is not None
    return found


@pytest.mark.interop
@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_a_worker_is_what_rspamd_dumps(files: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("rspamadm") is None:
        if os.environ.get("POSTMILL_REQUIRE_PEERS"):
            pytest.fail("no rspamadm (run tests/stack/install.sh)")
        pytest.skip("no rspamadm (run tests/stack/install.sh)")
    for name in ("base", "local", "override"):
        (tmp_path / name).write_text(files.get(name, ""))
    conf = tmp_path / "rspamd.conf"
    conf.write_text(ROOT.replace("@", f"{tmp_path}/"))
    done = subprocess.run(
        ["rspamadm", "configdump", "-C", "-c", str(conf), "worker"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    dumped: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["rspamd_proxy"]
    theirs = {
        key: [str(one) for one in (value if isinstance(value, list) else [value])]
        for key, value in dumped.items()
        if key in KEYS
    }
    machine: dict[str, Entry] = {f"/{name}": text for name, text in files.items()}
    worker = read(ROOT.replace("@", "/"), machine).sections("worker")[0].sections("rspamd_proxy")[0]
    assert values(worker) == theirs


def test_values_know_their_line() -> None:
    (worker,) = read('# x\nworker "a" {\n  /* y\n  z */ count =\n  5;\n}\n', {}).sections("worker")
    assert str(worker.sections("a")[0].values("count")[0].source) == "/etc/rspamd/rspamd.conf:5"


def test_a_pattern_includes_all_that_match() -> None:
    files: dict[str, Entry] = {"/d/1.conf": "count = 1", "/d/2.conf": "count = 2", "/d/3.txt": "count = 3"}
    assert values(read('.include "/d/*.conf"\n', files)) == {"count": ["1", "2"]}


def test_templates_are_left_out() -> None:
    assert values(read("{% if x %}\ncount = 1\n{% endif %}\n", {})) == {"count": ["1"]}


def test_only_wanted_sections_may_lead_to_files_that_nobody_may_read() -> None:
    text = 'worker "controller" { .include "/secret"\n }\nworker "rspamd_proxy" { count = 1 }\n'
    host = PaperMachine({"/etc/rspamd/rspamd.conf": text, "/secret": SECRET})
    found = read_ucl(host, "/etc/rspamd/rspamd.conf", {}, lambda place: place == ("worker", "rspamd_proxy"))
    assert found is not None
    with pytest.raises(UnavailableError, match="/secret cannot be read"):
        read_ucl(host, "/etc/rspamd/rspamd.conf", {}, lambda _: True)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 5000,
        "a" * 5000 + "{",
        "[" * 5000,
        "a = [" * 5000,
        'a "b"' * 3000,
        ".include",
        "a = <<EOD\n",
        "}}}",
        "/*" * 9,
    ],
)
def test_any_text_ends(text: str) -> None:
    read(text, {})
