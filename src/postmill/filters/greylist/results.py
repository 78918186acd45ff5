"""What SPF and DKIM came to, as far as anybody asked: ``%Qs``, ``%Qd`` and the values of two headers.

``%QA`` is one of Authentication-Results (RFC 8601 §2.2), ``%QS`` one of Received-SPF (RFC 7208 §9.1). Clauses
about results are judged in ``rules``.
"""

from __future__ import annotations

from collections.abc import Callable

from postmill.filters.greylist.facts import Facts

FOLD = "\n\t"
_COMMENTS = {
    "pass": "domain of {domain} designates {ip} as permitted sender",
    "fail": "domain of {domain} does not designate {ip} as permitted sender",
    "softfail": "transitioning domain of {domain} does not designate {ip} as permitted sender",
    "neutral": "{ip} is neither permitted nor denied by domain of {domain}",
    "none": "domain of {domain} does not provide an SPF record",
    "temperror": "encountered temporary error during SPF processing of domain of {domain}",
}


def result_of(form: str, facts: Facts | None, host: str) -> str:
    """Return the text for ``%Q`` and a letter; ``host`` is ours."""
    return _FORMS[form[1]](facts, host)


def _answer(facts: Facts | None, kind: str) -> str:
    """Return what was found, in milter-greylist's spelling; empty where nobody has asked."""
    answer = str(facts.answers.get((kind, None), "")) if facts else ""
    return "unknown" if (kind, answer) == ("spf", "permerror") else answer


def _authentication_results(facts: Facts | None, host: str) -> str:
    spf, dkim = _answer(facts, "spf"), _answer(facts, "dkim")
    parts = [host]
    if facts and spf:
        parts.append(f"spf={spf} smtp.mailfrom={facts.sender.strip('<>')}")
    if dkim:
        parts.append(f"dkim={dkim}")
    return f";{FOLD}".join(parts) if len(parts) > 1 else f"{host}; none"


def _received_spf(facts: Facts | None, host: str) -> str:
    result = _answer(facts, "spf")
    if facts is None or result not in _COMMENTS:
        return ""
    mailbox, _, domain = facts.sender.strip("<>").rpartition("@")
    domain = domain or facts.helo
    comment = _COMMENTS[result].format(domain=domain, ip=facts.ip)
    sender = f"{mailbox or 'postmaster'}@{domain}"
    return f"{result} ({host}: {comment}) client-ip={facts.ip}; envelope-from={sender}; helo={facts.helo};"


_FORMS: dict[str, Callable[[Facts | None, str], str]] = {
    "s": lambda facts, host: _answer(facts, "spf"),
    "d": lambda facts, host: _answer(facts, "dkim").partition(" ")[0],
    "A": _authentication_results,
    "S": _received_spf,
}
