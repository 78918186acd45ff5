"""What packaging/ has for Prometheus, Grafana and Munin: it names metrics that there are, and works with the real ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from postmill.metrics import CATALOGUE
from postmill.testing.load import send_load
from postmill.testing.plan import Mail, SessionPlan
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon, environment
from tests.history.test_in_the_daemon import REFUSED, daemon
from tests.interop.postfix import free_port, wait_until
from tests.metrics.test_in_the_daemon import metrics_of, scrape
from tests.stack import peers

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus" / "postmill.rules.yml"
DASHBOARD: dict[str, Any] = json.loads((PACKAGING / "grafana" / "postmill.json").read_text())
PLUGIN = PACKAGING / "munin" / "postmill"
MAIL = SessionPlan(mails=(Mail(queue_id=b"A"), Mail(recipients=(REFUSED,), queue_id=b"B")))


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """What the dashboard asks, with values for its variables."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [one["expr"] for one in DASHBOARD["annotations"]["list"]]
    return [
        query.replace("$__rate_interval", "1m")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$milter", ".*")
        for query in found
    ]


VARIABLES = [one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
QUERIES = [*queries(), *VARIABLES, *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_names_metrics_and_labels_that_there_are(query: str) -> None:
    by_series = {series: metric for metric in CATALOGUE for series in metric.series}
    names = re.findall(r"\bpostmill_\w+", query)
    assert {*names} <= by_series.keys()
    assert names or "up{" in query
    labels = re.findall(r"(\w+)(?:=~?|!=|!~)\"", query)
    labels += [word for group in re.findall(r"by \(([^)]*)\)", query) for word in re.split(r",\s*", group)]
    there = {label for name in names for label in by_series[name].labels} | {"job", "instance", "le"}
    assert {*labels} <= there


def test_the_dashboard_shows_what_is_told_of_each_milter() -> None:
    shown = {name for query in QUERIES for name in re.findall(r"\bpostmill_\w+", query)}
    hidden = {metric.name for metric in CATALOGUE if not shown & {*metric.series}}
    assert hidden == {"postmill_configuration_time_seconds", "postmill_state", "postmill_milter_mode"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len({*places}) == len(places)


@pytest.mark.interop
def test_promtool_finds_nothing_and_the_alerts_fire_when_they_should() -> None:
    peers.require()
    for command in (
        ["check", "rules", str(RULES)],
        ["test", "rules", str(Path(__file__).with_name("alerts.yml"))],
    ):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tried = yaml.safe_load(Path(__file__).with_name("alerts.yml").read_text())["tests"]
    assert {one["alertname"] for test in tried for one in test["alert_rule_test"]} == {
        r["alert"] for r in rules()
    }


@contextmanager
def prometheus(target: str, directory: Path) -> Iterator[str]:
    """A real Prometheus that scrapes a target every second; its URL."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "postmill", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()


def api(url: str, **values: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(values)}", timeout=30) as answer:
        said = json.load(answer)
    assert said["status"] == "success"
    return said["data"]


@pytest.mark.interop
def test_a_real_prometheus_reads_it(tmp_path: Path) -> None:
    peers.require()
    with daemon() as one, metrics_of(one) as url, prometheus(url.split("/")[2], tmp_path) as server:
        send_load(parse_endpoint(one.endpoint), MAIL, 20, 4)

        def told() -> bool:
            try:
                found = api(f"{server}/query", query='postmill_messages_total{verdict="accept"}')["result"]
            except OSError:
                return False
            return [series["value"][1] for series in found] == ["20"]

        wait_until(told, f"the messages in Prometheus: {url}", 40)
        send_load(parse_endpoint(one.endpoint), MAIL, 10, 4)
        more = "sum(postmill_messages_total) == 60 and sum(rate(postmill_messages_total[1m])) > 0"
        wait_until(lambda: api(f"{server}/query", query=more)["result"], "the later messages", 40)
        kinds = {name: found[0]["type"] for name, found in api(f"{server}/metadata").items()}
        assert {metric.family: metric.kind for metric in CATALOGUE}.items() <= kinds.items()
        empty = [query for query in queries() if not api(f"{server}/query", query=query)["result"]]
        assert [re.findall(r"postmill_\w+", query)[0] for query in empty] == [
            "postmill_connections_total",
            "postmill_milter_errors_total",
            "postmill_milter_skipped_total",
            "postmill_milter_queued",
            "postmill_milter_pool_idle",
            "postmill_start_time_seconds",
        ], "there were none"
        (group,) = api(f"{server}/rules")["groups"]
        assert {rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in group["rules"]} == {
            rule["alert"]: ("ok", "") for rule in rules()
        }
        samples = scrape(url)
        stored = api(
            f"{server}/query", query='postmill_milter_answer_seconds_count{milter="trial",stage="mail"}'
        )
        assert (
            float(stored["result"][0]["value"][1])
            == samples["postmill_milter_answer_seconds_count", "trial", "mail"]
        )
        printed = one.run("metrics", "--print").stdout
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=printed, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        one.stop()
        gone = 'up{job="postmill"} == 0'
        wait_until(lambda: api(f"{server}/query", query=gone)["result"], "the end, in Prometheus", 40)


def munin(one: Daemon, directory: Path, *what: str) -> subprocess.CompletedProcess[str]:
    """What munin-run shows of the plugin, run as munin-node would."""
    for name in ("plugins", "conf"):
        (directory / name).mkdir(exist_ok=True)
    plugin = directory / "plugins" / "postmill"
    if not plugin.exists():
        plugin.symlink_to(PLUGIN)
    program = directory / "postmill"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={environment()["PYTHONPATH"]} exec {sys.executable} -m postmill "$@"\n'
    )
    program.chmod(0o755)
    settings = f"[postmill]\nuser root\nenv.postmill {program}\nenv.config {one.config}\n"
    (directory / "conf" / "postmill").write_text(settings)
    (directory / "node.conf").write_text("user root\ngroup root\n")
    command = ["munin-run", "--config", f"{directory}/node.conf", "--servicedir", f"{directory}/plugins"]
    command += ["--sconfdir", f"{directory}/conf", "--ignore-systemd-properties", "postmill", *what]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def graphs(text: str) -> dict[str, dict[str, str]]:
    """Output of a plugin by graph."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == "multigraph":
            current = found[value] = {}
        else:
            current[key] = value
    return found


@pytest.mark.interop
def test_a_real_munin_runs_the_plugin(tmp_path: Path) -> None:
    peers.require()
    with daemon() as one:
        send_load(parse_endpoint(one.endpoint), MAIL, 10, 4)
        wait_until(lambda: one.ask("status")["tally"]["sessions"] == 10, "the end of all sessions", 20)
        assert munin(one, tmp_path, "autoconf").stdout == "yes\n"
        configured = graphs(munin(one, tmp_path, "config").stdout)
        values = graphs(munin(one, tmp_path).stdout)
        assert configured.keys() == values.keys()
        for name, fields in values.items():
            wanted = {key.removesuffix(".label") for key in configured[name] if key.endswith(".label")}
            assert {field.removesuffix(".value") for field in fields} == wanted
        assert (
            values["postmill_messages"]["accept.value"] == values["postmill_messages"]["reject.value"] == "10"
        )
        assert values["postmill_decided"] == {"m_tagger.value": "10", "m_trial.value": "0"}
        assert values["postmill_down"] == {"m_tagger.value": "0", "m_trial.value": "0"}
        status = one.ask("status")
        count = status["milters"][0]["latency"]["end-of-message"]["count"]
        assert values["postmill_time"]["m_tagger_n.value"] == str(count)
        assert int(values["postmill_time"]["m_tagger.value"]) > 0
        one.stop()
        gone = munin(one, tmp_path)
        assert gone.returncode != 0
        assert "cannot reach the daemon" in gone.stderr
        assert munin(one, tmp_path, "autoconf").stdout.startswith("no (")
