"""Going through the tokens of one statement of a greylist.conf: what may come next, and what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from postmill.filters.greylist.values import DAY, HOUR, MINUTE
from postmill.filters.greylist.words import ConfigError, Token

_UNITS = {"": 1, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "k": 1024, "M": 1024**2}
_LARGEST = 2**31 - 1
_EMAIL = re.compile(r".+@[A-Za-z0-9._-]+")
_FOREIGN = re.compile(r"%(?:Hs|Fx|p[nrv]|P\{[^}]*\})")
"""Substitutions that speak of what spamd, p0f, LDAP and URLs say, which nobody asks here."""
_DOMAIN = re.compile(r"[A-Za-z0-9._-]+")


class Cursor:
    """A place in a statement. All methods raise ConfigError, with the place, for what they do not expect."""

    def __init__(self, tokens: Sequence[Token], file: str) -> None:
        self._tokens = tokens
        self._at = 0
        self._file = file

    @property
    def token(self) -> Token:
        """The next token; at last the end, which stays."""
        return self._tokens[self._at]

    @property
    def line(self) -> int:
        """The last line of the statement."""
        return self._tokens[-1].line

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.token.kind == "end"

    def error(self, message: str, token: Token | None = None) -> ConfigError:
        """Return the error for what is next, or for ``token``."""
        place = token or self.token
        return ConfigError(message, place.line, place.column, self._file)

    def expected(self, what: str) -> ConfigError:
        """Return the error that something else had to come."""
        found = "the end of the line" if self.ended else repr(self.token.text)
        return self.error(f"expected {what}, not {found}")

    def take(self) -> Token:
        """Return the next token and go on."""
        token = self.token
        if not self.ended:
            self._at += 1
        return token

    def take_sign(self, sign: str) -> bool:
        """Go past a sign if it is next; tell whether it was."""
        found = self.token.kind == "sign" and self.token.text == sign
        self._at += found
        return found

    def take_keyword(self, *words: str) -> str:
        """Go past one of these words if it is next and return it; else return ``""``."""
        if self.token.keyword not in words or self.ended:
            return ""
        return self.take().keyword

    def keyword(self, what: str, words: Sequence[str]) -> str:
        """Return the next word, which must be one of ``words``."""
        return self.take_keyword(*words) or self._fail(what)

    def _fail(self, what: str) -> str:
        raise self.expected(what)

    def end(self) -> None:
        """Check that nothing is left."""
        if not self.ended:
            raise self.expected("the end of the line")

    def string(self, what: str = 'a text in quotes, as "this"') -> str:
        """Return a text in quotes."""
        if self.token.kind != "string":
            raise self.expected(what)
        return self.take().text

    def template(self, what: str = 'a text in quotes, as "this"') -> str:
        """Return a text in quotes, in which substitutions as ``%i`` are meant."""
        token = self.token
        text = self.string(what)
        if found := _FOREIGN.search(text):
            raise self.error(f"{found[0]} is not supported here", token)
        return text

    def number(self) -> int:
        """Return a number such as ``100`` or ``100k``."""
        return self._quantity(r"([0-9]+)([kM]?)", "a number, as 100 or 100k")

    def seconds(self) -> int:
        """Return a time such as ``10m``."""
        return self._quantity(r"([0-9]+)([smhdw]?)", "a time, as 10, 30s, 10m, 2h, 3d or 1w")

    def _quantity(self, form: str, what: str) -> int:
        found = re.fullmatch(form, self.token.text) if self.token.kind == "word" else None
        if found is None:
            raise self.expected(what)
        if len(found[1]) > 10 or int(found[1]) * _UNITS[found[2]] > _LARGEST:
            raise self.error(f"{self.token.text} is too large: at most {_LARGEST}")
        self.take()
        return int(found[1]) * _UNITS[found[2]]

    def bits(self, most: int) -> int:
        """Return the length of a network's prefix, as in ``/24``."""
        if self.token.kind != "cidr":
            raise self.expected("the length of a prefix, as /24")
        bits = int(self.token.text[1:])
        if bits > most:
            raise self.error(f"/{bits} is longer than an address: at most /{most}")
        self.take()
        return bits

    def address(self) -> str:
        """Return an address, IPv4 or IPv6."""
        try:
            found = str(ip_address(self.token.text)) if self.token.kind == "word" else ""
        except ValueError:
            found = ""
        if not found:
            raise self.expected("an address, as 192.0.2.1 or 2001:db8::1")
        self.take()
        return found

    def network(self) -> IPv4Network | IPv6Network:
        """Return an address, or a network as ``192.0.2.0/24``; bits beyond the prefix do not count."""
        address = self.address()
        most = 128 if ":" in address else 32
        bits = self.bits(most) if self.token.kind == "cidr" else most
        return ip_network(f"{address.partition('%')[0]}/{bits}", strict=False)

    def email(self) -> str:
        """Return an address of mail."""
        if self.token.kind != "word" or not _EMAIL.fullmatch(self.token.text):
            raise self.expected("an address of mail, as joe@example.net, or a /regular expression/")
        return self.take().text

    def domain(self) -> str:
        """Return a domain."""
        if self.token.kind != "word" or not _DOMAIN.fullmatch(self.token.text):
            raise self.expected("a domain, as example.net, or a /regular expression/")
        return self.take().text
