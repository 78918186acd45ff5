"""URLs that may have a password in them, which nobody is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from postmill.api.kinds import quoted

_LOGIN = re.compile(r"(?<=//)([^:@]*):(.*)@", re.DOTALL)
"""Up to the last @: who forgets to write ``/`` or ``@`` as an escape shows nothing either."""
_OPTION = re.compile(r"(?<=[?&])([a-z_]*password)=([^&]*)", re.IGNORECASE)
_IN_QUOTES = re.compile(r"""(?<=["'])[^"']+(?=["'])""")
HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL of a scheme that ``pattern`` has; its password is not shown, not even in an error."""

    pattern: str
    allowed: str

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if not isinstance(raw, str) or not re.fullmatch(self.pattern, raw):
            raise ValueError(f"must be {self.allowed}")
        return raw

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(shown(value))


def shown(url: str) -> str:
    """Return a URL as it may be shown."""
    return _OPTION.sub(rf"\1={HIDDEN}", _LOGIN.sub(rf"\1:{HIDDEN}@", url))


def without_password(text: str, url: str) -> str:
    """Return what somebody says of a URL, such as a library, without the password or a piece of it."""
    found = [match[2] for pattern in (_LOGIN, _OPTION) for match in pattern.finditer(url) if match[2]]
    secrets = [*found, *map(unquote, found)]
    text = text.replace(url, shown(url))
    for secret in secrets:
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return _IN_QUOTES.sub(lambda word: HIDDEN if any(word[0] in one for one in secrets) else word[0], text)
