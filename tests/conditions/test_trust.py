"""``trust``: the macro for senders of trusted domains, from the configuration and from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postmill.api import Apply
from postmill.conditions.trust import trust
from postmill.testing.conditions import decide
from postmill.testing.nouns import sender
from postmill.testing.settings import settings_of

SETTINGS: list[dict[str, Any]] = [{}, {"domains": ["example.org", ".example.net"], "file": "/dev/null"}]


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("joe@example.org", "example.org"),
        ("joe@Example.ORG", "example.org"),
        ("joe@mail.example.net", ".example.net"),
        ("joe@example.com", ""),
        ("joe@mail.example.org", ""),
    ],
)
def test_a_trusted_domain_is_told_and_nobody_is_left_out(address: str, entry: str) -> None:
    said = decide(trust, sender(address), **SETTINGS[1])
    domain = address.partition("@")[2].lower()
    if entry:
        assert said == Apply(f"{domain} is a trusted domain ({entry})", {"trusted_domain": "yes"})
    else:
        assert said == Apply(f"{domain} is no trusted domain")


def test_bounces_have_no_domain_to_trust() -> None:
    assert decide(trust, sender("<>"), **SETTINGS[1]) == Apply("the sender has no domain")


def test_a_file_adds_domains_and_is_read_when_settings_are(tmp_path: Path) -> None:
    file = tmp_path / "domains"
    file.write_text("# partners\nbücher.example\n")
    settings = settings_of(trust, domains=["example.org"], file=str(file))
    file.unlink()
    for address in ("joe@xn--bcher-kva.example", "joe@Bücher.example", "joe@example.org"):
        answer = trust.ask(sender(address), settings, {})
        assert isinstance(answer, Apply)
        assert answer.macros == {"trusted_domain": "yes"}


def test_a_mistake_in_the_file_is_found_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "domains").write_text("example.org\nno domain\n")
    with pytest.raises(ValueError, match=r'domains:2: must be a domain .* not "no domain"$'):
        settings_of(trust, file=f"{tmp_path}/domains")
