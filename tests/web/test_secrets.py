"""What the page of the configuration must not show."""

from __future__ import annotations

import pytest

from postmill.web.pages.configuration import _value

FILE = "/etc/postmill/postmill.toml"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('url = "postgresql://mill:geheim@db/mail"', '"postgresql://mill:•••@db/mail"'),
        ('url = "redis://:geheim@db:6379/0"', '"redis://:•••@db:6379/0"'),
        ('url = "postgresql://db/mail?user=a&password=geheim"', '"postgresql://db/mail?user=a&password=•••"'),
        ('settings.password = "geheim"', "•••"),
        ('api_key = "geheim"', "•••"),
        ('user = [{ name = "anna", password = "$scrypt$ln=15,r=8,p=3$geheim$geheim" }]', '[{ name = "anna", password = "•••" }]'),
        ('url = "sqlite:/var/lib/postmill/history.db"', '"sqlite:/var/lib/postmill/history.db"'),
        ('key_file = "/etc/ssl/key.pem"', '"/etc/ssl/key.pem"'),
        ('password = ""', '""'),
    ],
)  # fmt: skip
def test_secrets_are_left_out(line: str, shown: str) -> None:
    value = _value(f"{line}  # {FILE}:7", FILE)
    assert (value.value, value.origin, value.is_default) == (shown, "line 7", False)
