"""For all tests: how hypothesis runs, which take long, which stay together, and what a skip means where peers are required.

With POSTMILL_REQUIRE_PEERS set, a test skipped for want of real mail software fails. Continuous integration
sets it, so that a peer that did not get installed cannot pass for tested.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants

SLOW = (
    "bench/",
    "cli_tools/",
    "daemon/",
    "demo/",
    "detectors/readers/test_any_script.py",
    "detectors/test_any_machine.py",
    "docs/test_condition_examples.py",
    "docs/test_detector_example.py",
    "docs/test_from_outside.py",
    "docs/test_milter_examples.py",
    "filters/",
    "graphs/test_in_the_daemon.py",
    "graphs/test_rendering.py",
    "history/test_in_the_daemon.py",
    "metrics/test_in_the_daemon.py",
    "house/test_required_peers.py",
    "net/",
    "packaging/",
    "record/test_records.py",
    "stores/",
    "testing/test_conversation_properties.py",
    "tracing/test_in_the_daemon.py",
    "web/test_browser.py",
    "web/test_companion.py",
    "web/test_login.py",
    "web/test_pages.py",
    "web/test_serving.py",
)
"""What starts daemons or takes seconds for each test: for `make test` and continuous integration, not for `make check`."""

TOGETHER = (
    "packaging/",  # one build of the package, one Debian tree, and no more containers at once than in one process
)
"""Folders whose tests share what takes long to make, so that one process runs them all. Of other tests each file is
run by one process, beside any other file: whatever they start is in a directory, on ports and in namespaces of its own.
"""

REQUIRED = bool(os.environ.get("POSTMILL_REQUIRE_PEERS"))

# Hundreds of sessions at once, and the milters at their other ends: 1,024 descriptors may not do.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))

# Who is begun in the background may be deaf to SIGINT, and hands that on to what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RANDOM = bool(os.environ.get("POSTMILL_RANDOM"))
"""Whether to try other examples than those of every other run."""

# A slow machine must not fail a test, nor must luck: the same examples everywhere.
hypothesis.settings.register_profile(
    "postmill",
    deadline=None,
    derandomize=not RANDOM,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("postmill")
if not RANDOM:  # it would also draw constants of whatever code is loaded so far
    HypothesisProvider._local_constants = Constants()  # type: ignore[assignment]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and str(item.path.relative_to(here)).startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """With ``--dist loadfile`` also keep together what is in TOGETHER."""
    if config.getoption("dist") != "loadfile":
        return None  # xdist's own
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next(
                (name for name in TOGETHER if nodeid.startswith(f"tests/{name}")), nodeid.partition("::")[0]
            )

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("interop"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that skips itself never shows its tests' markers, so every such file counts."""
    report = yield
    if REQUIRED and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"POSTMILL_REQUIRE_PEERS is set, and this was not run: {reason}"
