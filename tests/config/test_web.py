"""What of `[web]` cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmill.config import ConfigErrors, load

HASH = "$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
START = '[manager]\nlisten = ["inet:1025"]\n[milters.a]\nsocket = "inet:1026"\n[web]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('listen = ["inet:80@192.0.2.1"]', "passwords would travel unencrypted"),
        ('listen = ["inet:80@0.0.0.0"]', "passwords would travel unencrypted"),
        ('listen = ["inet6:80@::"]', "passwords would travel unencrypted"),
        ('key_file = "/k.pem"', "web.key_file: is of no use without certificate"),
        ('user_header = "X-User"', "nobody is trusted to set it"),
        ('trusted_proxies = ["300.1.1.1"]', "300.1.1.1 is no address"),
        ('hosts = ["a b"]', "must be a host name without port"),
        ('user = [{ name = "a" }, { name = "a" }]', "there is another user a"),
        ('user = [{ name = "a b" }]', "without spaces"),
        ('user = [{ name = "a", password = "secret" }]', "what `postmill web password` prints"),
        ('user = [{ name = "a", role = "root" }]', 'role must be "viewer" or "operator"'),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "postmill.toml"
    file.write_text(START + text)
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value), "what was written for a hash may be a password"


@pytest.mark.parametrize(
    "text",
    [
        'listen = ["inet:80@127.0.0.1", "inet6:80@::1", "unix:/run/web.sock"]',
        'listen = ["inet:443@0.0.0.0"]\ncertificate = "/c.pem"',
        'trusted_proxies = ["unix", "2001:db8::1"]\nuser_header = "X-User"\nlisten = ["unix:/w"]',
    ],
)
def test_what_is_right(tmp_path: Path, text: str) -> None:
    file = tmp_path / "postmill.toml"
    file.write_text(f'{START}{text}\n[[web.user]]\nname = "anna"\npassword = "{HASH}"\n')
    assert load(file).warnings == ()


def test_a_dashboard_that_nobody_can_enter(tmp_path: Path) -> None:
    file = tmp_path / "postmill.toml"
    file.write_text(START + 'listen = ["inet:80"]\nuser = [{ name = "a" }]')
    assert "nobody can log in" in str(load(file).warnings[0])
