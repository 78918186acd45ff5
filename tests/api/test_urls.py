"""URLs are shown, and spoken of, without their passwords."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmill.api.urls import Url, shown, without_password
from postmill.config import ConfigErrors
from postmill.config.loading import parse
from postmill.config.showing import as_toml, as_values
from postmill.stores import open_backend


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:/var/lib/state.db", "sqlite:/var/lib/state.db"),
        ("postgresql://joe@host/db", "postgresql://joe@host/db"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("postgresql://joe:secret@host:5432/db", "postgresql://joe:***@host:5432/db"),
        ("redis://:secret@host", "redis://:***@host"),
        ("postgresql://joe:se/cr@et@host/db", "postgresql://joe:***@host/db"),
        ("redis+unix://:secret@/run/redis.sock", "redis+unix://:***@/run/redis.sock"),
        ("redis+unix:/run/r.sock?db=1&password=secret", "redis+unix:/run/r.sock?db=1&password=***"),
        ("postgresql:///db?user=joe&sslpassword=secret", "postgresql:///db?user=joe&sslpassword=***"),
        ("postgresql:///db?passfile=/etc/pass", "postgresql:///db?passfile=/etc/pass"),
    ],
)
def test_what_is_shown(url: str, wanted: str) -> None:
    assert shown(url) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://joe:hush%zz@host/db",
        "postgresql://joe:hush@[::1/db",
        "postgresql://joe:hush@host/db?nonsense=1",
        "postgresql:///db?password=hush%zz",
        "redis://joe:hush@host:port/0",
        "redis://joe:hush/more@host/0",
        "redis://joe:hush@host/0?nonsense=1",
        "memory://joe:hush@host",
        "sqlite://joe:hush@host/x",
        "mysql://joe:hush@host/x",
    ],
)
def test_no_error_has_it(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        open_backend(url)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["redis://joe:hush@127.0.0.1:1", "postgresql://joe:hush/more@127.0.0.1:1/db"])
def test_nor_what_is_said_when_it_cannot_be_reached(url: str) -> None:
    with pytest.raises(OSError, match=r"Redis|PostgreSQL") as caught:
        asyncio.run(open_backend(url).get("x"))
    assert "hush" not in str(caught.value)


@given(st.text(st.characters(codec="ascii", exclude_characters="*", min_codepoint=33), min_size=8), st.text())
@example("password", "'passw' is no number")
@example("p%20ssword", "p ssword!")
def test_what_others_say_of_it(password: str, text: str) -> None:
    url = f"postgresql://joe:{password}@host/db"
    said = without_password(f"no {url} is known; '{password}' and '{password[:5]}' {text}", url)
    assert f"'{password}'" not in said
    assert f"'{password[:5]}'" not in said


def test_the_configuration_does_not_show_it() -> None:
    loaded = parse("p.toml", '[store]\nurl = "redis://joe:hush@host/0"\n')
    assert loaded.settings.store.url == "redis://joe:hush@host/0"
    assert 'url = "redis://joe:***@host/0"' in as_toml(loaded)
    assert "hush" not in as_toml(loaded) + json.dumps(as_values(loaded))


@pytest.mark.parametrize("value", ['"redis://joe:hush @host"', '["redis://joe:hush@host"]', '"hush"'])
def test_nor_does_an_error_of_the_configuration(value: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse("p.toml", f"[store]\nurl = {value}\n")
    assert str(caught.value.problems[0]).startswith("p.toml:2: store.url: must be a URL such as")
    assert "hush" not in str(caught.value)


def test_a_url_of_another_scheme_is_none() -> None:
    kind = Url("https:.*", "a web address")
    assert kind.parse("https://x") == "https://x"
    with pytest.raises(ValueError, match="must be a web address"):
        kind.parse("http://x")
