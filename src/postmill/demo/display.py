"""What the demo prints: who listens where, what each filter said of each mail, and how to send one's own.

Here belong words and tables; what happened is told by Postmill's own record of the message.
"""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postmill.demo.dashboard import MISSING, NAME, PASSWORD
from postmill.demo.fate import Fate
from postmill.demo.filters import GTUBE, MARK
from postmill.demo.maildir import header
from postmill.demo.row import Row
from postmill.demo.samples import YOU, Transcript
from postmill.demo.setting import Setting
from postmill.record import Answer, ChildRecord, MessageRecord
from postmill.record.journey import COLUMNS

_COLUMNS = {
    stage: "conn" if column == "connect" else column
    for stage, column in COLUMNS.items()
    if stage not in ("negotiate", "unknown")
}
"""The column of the table in which an answer's time is counted."""

_SHOWN = (MARK, b"X-Greylist")
"""Headers of a delivered message that tell what a filter did."""

_COLOURS = {"continue": "", "accept": "green", "reject": "red", "tempfail": "yellow", "discard": "yellow"}


class Display:
    """The demo's voice on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def line(self, text: str | Text = "", style: str = "") -> None:
        """One line, never wrapped, so that paths and commands can be copied."""
        self.console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    def heading(self, text: str) -> None:
        """A line that starts something new."""
        self.console.print()
        self.console.rule(Text(text, style="bold"), align="left", style="dim")

    def _row(self, what: str, how: str) -> None:
        self.line(Text.assemble((f"{what:15}", "bold"), how))

    # before

    def setting(self, setting: Setting) -> None:
        """Who listens where."""
        self.heading("What runs")
        self._row("SMTP", f"127.0.0.1:{setting.front.port}, {setting.front.what}")
        self._row("Postmill", f"postmill.sock, process {setting.postmill_pid}")
        for member in setting.row.values():
            self._row(f"  {member.name}", f"{member.where}, {member.what}")
        self._row("sockets", f"in {setting.sockets}")
        self._row("mail", f"to {setting.post.inbox}")
        if setting.dashboard is not None:
            self._row("dashboard", f"{setting.dashboard.url}, log in as {NAME} with the password {PASSWORD}")
        notes = [member.note for member in setting.row.values() if member.note]
        notes += [] if setting.dashboard is not None else [MISSING]
        for line in ("", *notes) if notes else ():
            self.line(line, "yellow")

    # one mail

    def mail(
        self,
        title: str,
        row: Row,
        record: MessageRecord,
        fate: Fate | None,
        transcript: Transcript | None = None,
    ) -> None:
        """Who was asked about a mail, who said what, in how many milliseconds, and what became of it."""
        self.heading(title)
        recipients = ", ".join(recipient.address for recipient in record.recipients)
        if record.sender is not None:
            self.line(f"{record.sender} to {recipients or 'nobody'}; times in ms", "dim")
        self.console.print(_answers(row, record), highlight=False)
        if transcript is not None:
            *before, (command, reply) = transcript.replies
            told = [f"{command} {reply[:3]}" for command, reply in before if command != "EHLO"]
            self.line("SMTP: " + ", ".join((*told, f"{command} {reply}")))
        elif fate is not None and fate.reply:
            self.line(f"SMTP: {fate.reply}")
        elif record.reply:
            self.line(f"SMTP: {record.reply}")
        self.line(*_outcome(record, fate))
        for name in _SHOWN:
            if fate is not None and fate.file is not None and (value := header(fate.file, name)):
                self.line(f'It now has the header "{name.decode()}: {value}".', "green")

    # after

    def summary(self, problems: dict[str, list[str]]) -> None:
        """Whether the sample mails fared as they should."""
        self.heading("Summary")
        good = sum(not found for found in problems.values())
        for title, found in problems.items():
            self.line(
                f"{'as expected' if not found else 'NOT AS EXPECTED'}: {title}", "" if found else "green"
            )
            for problem in found:
                self.line(f"    {problem}", "red")
        self.line(f"{good} of {len(problems)} sample mails fared as expected.", "bold")

    def invitation(self, setting: Setting) -> None:
        """How to send one's own mail, and what to look at."""
        self.heading("Now send your own mail")
        server = f"swaks --server 127.0.0.1:{setting.front.port} --from me@example.com --to {YOU}"
        script = (
            "import smtplib; "
            f'smtplib.SMTP("127.0.0.1", {setting.front.port}).sendmail("me@example.com", "{YOU}", '
            '"Subject: hello\\n\\nHello!\\n")'
        )
        mark = setting.row["mark"]
        if setting.dashboard is not None:
            self._row(
                "in a browser", f"{setting.dashboard.url}samples sends clean mail, spam, a virus at a click"
            )
        for what, how in (
            ("with swaks", server),
            ("spam", f"{server} --body {shlex.quote(GTUBE.decode())}"),
            ("without swaks", f"python3 -c {shlex.quote(script)}"),
            (
                "mail client",
                f"outgoing server 127.0.0.1, port {setting.front.port}, no encryption, no password",
            ),
            ("read it", f"less {setting.post.inbox}/new/*"),
            ("whole log", f"tail -f {setting.log}"),
            ("configuration", f"{setting.config} (after a change: kill -HUP {setting.postmill_pid})"),
            (
                "lose a filter",
                f"kill {mark.pid}   # {mark.name}; it comes back, and mail is deferred until then",
            ),
        ):
            self._row(what, how)
        kept = "" if setting.keep else f" and removes {setting.directory}"
        self.line()
        self.line(f"Each mail that arrives is shown here. Ctrl-C ends everything{kept}.")


def _answers(row: Row, record: MessageRecord) -> Table:
    """A row for each filter, a column for each stage, milliseconds in the cells, and what it said."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("filter", style="bold", no_wrap=True)
    for column in dict.fromkeys(_COLUMNS.values()):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("said")  # the one column that may become narrower
    for name in dict.fromkeys((*(member.name for member in row.values()), *record.children)):
        child = record.children.get(name, ChildRecord(name))
        times = dict.fromkeys(_COLUMNS.values(), 0.0)
        for answer in child.answers:
            times[_COLUMNS.get(answer.stage, "conn")] += answer.ms
        cells = [f"{ms:.1f}" if ms else "-" for ms in times.values()]
        said = _said(child, record)
        said.no_wrap, said.overflow = True, "ellipsis"
        table.add_row(name, *cells, said)
    return table


def _said(child: ChildRecord, record: MessageRecord) -> Text:
    """A filter's word on the message, with its edits."""
    if child.skipped is not None:
        return Text(f"left out by {child.skipped.name}", style="dim")
    saw_content = any(_COLUMNS.get(answer.stage) == "message" for answer in child.answers)
    if record.by not in ("", child.name) and not saw_content:
        return Text(f"{record.by} had decided", style="dim")
    if not child.answers:
        return Text("not asked", style="dim")
    verdict = child.verdict
    answer = next((a for a in reversed(child.answers) if a.verdict == verdict), Answer("", verdict, 0.0))
    word = verdict if verdict.startswith("lost") or not answer.text else ""
    text = " ".join(part for part in (word, answer.text) if part)
    edits = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in child.edits.items())
    said = ", ".join(filter(None, (text, edits)))
    return Text("without effect: " * child.evaluated + said, style=_COLOURS.get(verdict, "yellow"))


def _outcome(record: MessageRecord, fate: Fate | None) -> tuple[str, str]:
    """What became of a mail, and the colour of that."""
    by = f" by {record.by}" if record.by else ""
    took = f", {record.ms:.1f} ms after MAIL" if record.ms else ""
    where = f" at {record.stage}" if record.stage else ""
    if record.verdict == "reject":
        return f"Refused{where}{by}{took}.", "red"
    if record.verdict == "tempfail":
        return f"Refused for now{where}{by}{took}.", "yellow"
    if record.verdict in ("accept", "quarantine") and fate is not None and fate.file is not None:
        word = "Delivered" if record.verdict == "accept" else "Held"
        return f"{word}{took}: {fate.file}", "green"
    return f"{record.verdict.capitalize()}{where}{by}{took}.", "yellow"
