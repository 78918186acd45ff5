"""What became of a message, as lines that can be compared: what must differ between two programs is made the same.

Each thing that is made the same is said on the page (``page``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import authres  # type: ignore[import-untyped]
import authres.arc  # type: ignore[import-untyped]
import authres.dmarc  # type: ignore[import-untyped]

from postmill.testing.message import Headers
from postmill.testing.outcome import MailReport

Reading = Callable[[MailReport], list[str]]
_RESULTS = authres.FeatureContext(authres.arc, authres.dmarc)
_RESULTS_HEADER = b"authentication-results"


def verdict(report: MailReport) -> Iterator[str]:
    """Yield what the MTA is told, and what becomes of all but the headers."""
    reason = (report.quarantine or b"").decode()
    yield f"{report.status} {report.reply.decode()}{reason}".strip()
    for address, reply in report.refused:
        yield f"{address.decode()} refused: {reply.decode()}"
    if went_on(report):
        if report.new_body != report.mail.body:
            yield "another body"
        if (report.new_sender, report.new_recipients) != (report.mail.sender, tuple(report.recipients)):
            yield f"now from {_bare(report.new_sender)} to {' '.join(map(_bare, report.new_recipients))}"


def _bare(address: bytes) -> str:
    return address.decode().strip("<>")


def went_on(report: MailReport) -> bool:
    """Tell whether somebody gets, or may get, the message."""
    return report.status in ("accept", "quarantine")


def changes(report: MailReport) -> Iterator[str]:
    """Yield the headers that are new, and those that are gone, white space being one blank."""
    if went_on(report):
        before, after = Counter(report.mail.headers), Counter(report.new_headers)
        for mark, headers in (("+", after - before), ("-", before - after)):
            for name, value in sorted(headers.elements()):
                yield f"{mark}{name.decode()}: {' '.join(value.decode('utf-8', 'backslashreplace').split())}"


def plainly(report: MailReport) -> list[str]:
    """Read what became of a message, with every header as it is."""
    return [*verdict(report), *changes(report)]


def without_scanner(report: MailReport) -> list[str]:
    """Read it without who scanned for viruses, and where."""
    return [re.sub(r"^(\+X-Virus-Scanned:) .* at .*", r"\1 by … at …", line) for line in plainly(report)]


def without_greylister(report: MailReport) -> list[str]:
    """Read it without who greylisted, where and when; times are in steps of ten minutes."""
    lines = [re.sub(r"by (milter-greylist|postmill)-.*", "by …", line) for line in plainly(report)]
    return [re.sub(r"\b\d\d:\d\d:\d\d\b", _about, line) for line in lines]


def _about(time: re.Match[str]) -> str:
    return f"about {minutes(time[0])} minutes"


def minutes(time: str) -> int:
    """Return a time in minutes, in steps of ten: two programs are not asked in the same second."""
    hours, minutes, seconds = map(int, time.split(":"))
    return 10 * round((hours * 60 + minutes + seconds / 60) / 10)


def signatures(report: MailReport) -> list[str]:
    """Read it with what the Authentication-Results on top say of DKIM."""
    return [*verdict(report), *results(report, "dkim"), *without_results(report)]


def policies(report: MailReport) -> list[str]:
    """Read it with what the Authentication-Results on top say of SPF and DMARC."""
    return [*verdict(report), *results(report, "spf"), *results(report, "dmarc"), *without_results(report)]


def without_results(report: MailReport) -> list[str]:
    """Return the headers that came and went, but for those that tell results."""
    new = ("+authentication-results:", "+dmarc-filter:")
    return [line for line in changes(report) if not line.lower().startswith(new)]


def results(report: MailReport, method: str) -> Iterator[str]:
    """Yield the results of one method that stand above the message's own headers."""
    for name, value in on_top(report):
        if name.lower() == _RESULTS_HEADER:
            text = " ".join(value.decode().split())
            header = _RESULTS.parse_value(text)
            for result in header.results:
                if result.method == method:
                    yield f"{header.authserv_id}: {told(result, text)}"


def on_top(report: MailReport) -> Headers:
    """Return the new headers above those that a message had."""
    if not went_on(report):
        return ()
    old = [place for place, header in enumerate(report.new_headers) if header in report.mail.headers]
    return report.new_headers[: old[0]] if old else report.new_headers


def told(result: authres.core.AuthenticationResult, text: str) -> str:
    """Return a result with what it is about, without words of explanation; ``authres`` drops comments."""
    if result.method == "spf":
        word = result.result if result.result == "pass" else "not pass"
        about = [f"{one.name}={one.value.rpartition('@')[2].lower()}" for one in result.properties]
        return " ".join([f"spf={word}", *about])
    about = sorted(f"{one.name}={one.value}" for one in result.properties if one.name != "a")
    if result.method == "dmarc" and result.result != "none":
        about += re.findall(r"dmarc=\w+ (\(.*?\))", text)
    return " ".join([f"{result.method}={result.result}", *about])
