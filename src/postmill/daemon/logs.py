"""Log lines: for people or as JSON, to stderr, the journal or syslog.

The line of a message is its record; here it is only put into words.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import socket
import sys
from datetime import datetime
from typing import Any

from postmill.config.settings import LogSettings
from postmill.errors import UnavailableError
from postmill.record import MessageRecord, one_line

log = logging.getLogger("postmill.message")

SYSLOG = "/dev/log"
"""Where the system's log daemon listens, syslog(3)."""
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class Clock:
    """Writes down times as RFC 3339 has them; most lines are of the same second as the one before."""

    def __init__(self) -> None:
        self._second = -1
        self._date = self._zone = ""

    def stamp(self, created: float) -> str:
        """Return local date, time with milliseconds, and distance from UTC."""
        second, fraction = divmod(created, 1)
        if second != self._second:
            self._second = int(second)
            whole = datetime.fromtimestamp(second).astimezone().isoformat()
            self._date, self._zone = whole[:19], whole[19:]
        return f"{self._date}.{int(fraction * 1000):03d}{self._zone}"


class HumanFormatter(logging.Formatter):
    """``level: text``, with what nobody else puts in front: ``postmill[pid]``, and the time before it."""

    def __init__(self, to: str) -> None:
        super().__init__()
        self._clock = Clock() if to == "stderr" else None
        self._name = "" if to == "journal" else f"postmill[{os.getpid()}]: "

    def format(self, record: logging.LogRecord) -> str:
        """Return one line (more with a traceback)."""
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"{self._name}{level}{record.getMessage()}"
        if self._clock is not None:
            text = f"{self._clock.stamp(record.created)} {text}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object per line; a message's record is its ``message`` member."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = Clock()
        self._pid = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        data: dict[str, Any] = {
            "time": self._clock.stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": self._pid,
            "text": record.getMessage(),
        }
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        line = json.dumps(data, ensure_ascii=False)
        mail = getattr(record, "mail", None)
        return line if mail is None else f'{line[:-1]}, "message": {mail.as_json()}}}'


class JournalFormatter(logging.Formatter):
    """Puts the priority in front, as the journal reads it from a service's standard error output."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the inner formatter's lines, each with its priority."""
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in self._inner.format(record).split("\n"))


def configure(settings: LogSettings) -> None:
    """Send all of this process's lines where the settings say; raises UnavailableError."""
    _leave_out_what_no_line_shows()
    formatter: logging.Formatter = (
        JsonFormatter() if settings.format == "json" else HumanFormatter(settings.to)
    )
    handler: logging.Handler
    if settings.to == "syslog":
        handler = _syslog()
        if settings.format == "json":
            handler.ident = f"postmill[{os.getpid()}]: "
    else:
        handler = logging.StreamHandler(sys.stderr)
        if settings.to == "journal":
            formatter = JournalFormatter(formatter)
    handler.setFormatter(formatter)
    root = logging.getLogger("postmill")
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    set_level(settings.level)
    root.propagate = False


def _leave_out_what_no_line_shows() -> None:
    """Half of the price of a line (Python documentation, logging, "Optimization")."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def set_level(level: str) -> None:
    """Set the least important lines still written, until the next ``configure``."""
    logging.getLogger("postmill").setLevel(level.upper())


def _syslog() -> logging.handlers.SysLogHandler:
    """Return a handler for the system's log; its own constructor is silent when nobody listens there."""
    if not any(_listens(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
        raise UnavailableError(
            f"cannot log to syslog: nobody listens on {SYSLOG}; set log.to to stderr or journal"
        )
    return logging.handlers.SysLogHandler(SYSLOG, facility=logging.handlers.SysLogHandler.LOG_MAIL)


def _listens(kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_UNIX, kind) as probe:
        return probe.connect_ex(SYSLOG) == 0


def log_message(record: MessageRecord) -> None:
    """Write the line of one message, with a line for each child on level debug."""
    if not log.isEnabledFor(logging.INFO):
        return
    log.info("%s", one_line(describe(record)), extra={"mail": record})
    details = log.isEnabledFor(logging.DEBUG)
    for child in record.children.values():
        if not details and not child.verdict.startswith("lost:"):
            continue
        for answer in child.answers:
            lost = answer.verdict.startswith("lost:")
            level = logging.WARNING if lost else logging.DEBUG
            if log.isEnabledFor(level):
                log.log(
                    level,
                    "%s: %s: %s at %s in %.1f ms%s",
                    record.queue_id or record.session,
                    child.name,
                    answer.verdict,
                    answer.stage,
                    answer.ms,
                    f": {one_line(answer.text)}" if answer.text else "",
                )


def describe(record: MessageRecord) -> str:
    """Return the line of a message: queue id, who to whom, verdict and whose, each child's word and time."""
    recipients = ",".join(recipient.address for recipient in record.recipients)
    parts = [f"{record.queue_id or record.session}:"]
    if record.client_address or record.client_name:
        parts.append(f"client={record.client_name}[{record.client_address}]")
    if record.sender is not None:
        parts.append(f"from={record.sender} to={recipients}")
    where = f" at {record.stage}" if record.stage and record.verdict != "accept" else ""
    whose = f" by {record.by}" if record.by else ""
    parts.append(f"verdict={record.verdict}{where}{whose}")
    if record.reply:
        parts.append(f'reply="{record.reply}"')
    if record.held:
        parts.append(f'held="{record.held}"')
    for child in record.children.values():
        edits = "".join(f" {kind}:{count}" for kind, count in child.edits.items())
        mark = "(evaluated)" if child.evaluated else ""
        if child.verdict == "skipped" and child.skipped is not None:
            parts.append(f"{child.name}=skipped({child.skipped.name}: {child.skipped.because})")
        else:
            why = f"({child.because})" if child.because else ""
            parts.append(f"{child.name}{mark}={child.verdict}/{child.ms:.1f}ms{why}{edits}")
    return " ".join(parts)
