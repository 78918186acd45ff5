"""What is said in TOML: lists of those who do not wait, and rules beside a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postmill.filters.greylist import app
from postmill.filters.greylist.settings import config_of
from postmill.filters.greylist.values import Config
from postmill.testing.pytest_plugin import Deliverer
from postmill.testing.settings import settings_of


@pytest.mark.parametrize(
    ("client", "passes"),
    [
        ("example.net", True),
        ("mail.Example.net", True),
        ("mail.badexample.net", False),
        ("a.example.org", True),
        ("example.org", False),
        ("b\u00fccher.example", True),
    ],
)
def test_domains_are_compared_by_whole_labels(postmill_deliver: Deliverer, client: str, passes: bool) -> None:
    domains = ["example.net", ".example.org", "xn--bcher-kva.example"]
    said = postmill_deliver(app, settings={"rules": "nospf", "whitelist_domains": domains}, name=client)
    assert bool(said.refused) != passes


def test_senders_are_compared_as_they_are(postmill_deliver: Deliverer) -> None:
    settings = {"rules": "nospf", "whitelist_senders": ["list-a=b@lists.example"]}
    assert postmill_deliver(app, settings=settings, sender="List-A=b@lists.example").status == "accept"
    assert postmill_deliver(app, settings=settings, sender="b@lists.example").refused


FILE = """\
nospf
extendedregex
list "mine" from { joe@example.net }
racl blacklist from jim@example.net msg "file"
racl greylist default delay 1h
racl blacklist from /jane/
dacl blacklist header "X-File" msg "file"
dacl whitelist default
"""


@pytest.fixture
def config_of_both(tmp_path: Path) -> Callable[[str], Config]:
    def read(rules: str) -> Config:
        file = tmp_path / "greylist.conf"
        file.write_text(FILE)
        return config_of(settings_of(app, file=str(file), rules=rules))

    return read


def test_rules_beside_a_file_go_on_where_it_ends(config_of_both: Callable[[str], Config]) -> None:
    config = config_of_both(
        'greylist 5m\nracl whitelist list "mine" not from /(a|b)+/\ndacl blacklist header "X-Rules"\n'
    )
    said = [(rule.stage, rule.verdict, rule.line) for rule in config.rules]
    assert [one for one in said if one[0] == "rcpt"] == [
        ("rcpt", "blacklist", 4),
        ("rcpt", "whitelist", 2),
        ("rcpt", "greylist", 5),
        ("rcpt", "blacklist", 6),
    ]
    assert [one for one in said if one[0] == "data"] == [
        ("data", "blacklist", 7),
        ("data", "blacklist", 3),
        ("data", "whitelist", 8),
    ]
    assert config.delay == 300
    assert [one.partition(": ")[2] for one in config.warnings] == [
        "this rule is never reached: the default stands above"
    ]


def test_rules_beside_a_file_are_judged(postmill_deliver: Deliverer, tmp_path: Path) -> None:
    (tmp_path / "greylist.conf").write_text(FILE)
    settings = {"file": str(tmp_path / "greylist.conf"), "rules": 'racl whitelist list "mine"\n'}
    assert postmill_deliver(app, settings=settings).status == "accept"
    assert postmill_deliver(app, settings=settings, sender="a@example.net").refused


def test_a_default_beside_that_of_the_file_is_told(config_of_both: Callable[[str], Config]) -> None:
    config = config_of_both("racl continue default\nracl whitelist default\nracl whitelist from /x/\n")
    assert [rule.line for rule in config.of_stage("rcpt")] == [4, 1, 2, 3, 5, 6]
    assert [one.rpartition("/")[2] for one in config.warnings] == [
        "greylist.conf:6: this rule is never reached: the default stands above",
        "rules:3: this rule is never reached: the default stands above",
        "greylist.conf:5: this default is never reached: rules has one",
    ]


def test_a_mistake_beside_a_file_is_told_with_its_place(config_of_both: Callable[[str], Config]) -> None:
    with pytest.raises(ValueError, match=r'^rules:2:21: there is no list "yours" above'):
        config_of_both('quiet\nracl whitelist list "yours"')
