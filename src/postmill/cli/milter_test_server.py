"""``milter-test-server``: the options of the tool of that name, carried out by what ``postmill send``
uses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from postmill import __version__
from postmill.cli import launch
from postmill.cli.sections import SectionedCommand, section, together
from postmill.cli.session_output import Printer, progress_bar, use_colour
from postmill.errors import UnavailableError
from postmill.testing import arguments
from postmill.testing.load import send_load, send_session
from postmill.testing.message import Headers, split_message
from postmill.testing.plan import Mail, Offer, SessionPlan
from postmill.testing.sender import Timeouts
from postmill.testing.showing import exit_status, load_exit_status
from postmill.wire.endpoint import parse_endpoint

COLOURS = {"yes": "always", "true": "always", "no": "never", "false": "never", "auto": "auto"}

_session = section("The session")
_macro = section("Macros")
_limit = section("Time-outs, in seconds")
_run = section("Runs and output")

SESSION = together(
    _session("--name", default="", metavar="NAME", help="Name of the MTA (macro {daemon_name})."),
    _session(
        "-s",
        "--connection-spec",
        "spec",
        required=True,
        metavar="SPEC",
        help="Where the milter listens: unix:PATH, inet:PORT[@HOST] or inet6:PORT[@HOST].",
    ),
    _session(
        "--negotiate-version",
        type=click.IntRange(0, 2**32 - 1),
        default=6,
        show_default=True,
        metavar="VERSION",
        help="Milter protocol version to offer.",
    ),
    _session(
        "--connect-host",
        default="mx.example.net",
        show_default=True,
        metavar="HOST",
        help="Name of the SMTP client.",
    ),
    _session(
        "--connect-address",
        default="inet:50443@192.168.123.123",
        show_default=True,
        metavar="SPEC",
        help="Address of the SMTP client, written like a connection spec.",
    ),
    _session("--helo-fqdn", default="delian", show_default=True, metavar="FQDN", help="Name in HELO."),
    _session(
        "-f",
        "--envelope-from",
        "sender",
        default="sender@example.com",
        show_default=True,
        metavar="FROM",
        help="Envelope sender.",
    ),
    _session(
        "-r",
        "--envelope-recipient",
        "recipients",
        multiple=True,
        default=["receiver@example.org"],
        show_default=True,
        metavar="RECIPIENT",
        help="Envelope recipient. Repeatable.",
    ),
    _session("-h", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Header. Repeatable."),
    _session("-b", "--body", "bodies", multiple=True, metavar="CHUNK", help="Body chunk. Repeatable."),
    _session(
        "-m",
        "--mail-file",
        metavar="PATH",
        type=click.Path(exists=True, dir_okay=False),
        help="Take headers and body from this file.",
    ),
    _session(
        "--unknown", "unknown", multiple=True, metavar="COMMAND", help="Unknown SMTP command. Repeatable."
    ),
    _session("--authenticated-name", default="", metavar="NAME", help="SASL login name ({auth_authen})."),
    _session("--authenticated-type", default="", metavar="TYPE", help="SASL mechanism ({auth_type})."),
    _session("--authenticated-author", default="", metavar="AUTHOR", help="SASL sender ({auth_author})."),
)

MACRO_STAGES = {
    "connect": "C",
    "helo": "H",
    "envelope-from": "M",
    "envelope-recipient": "R",
    "data": "T",
    "end-of-header": "N",
    "end-of-message": "E",
}

MACROS = together(
    *(
        _macro(
            f"--{stage}-macro",
            f"macros_{letter.lower()}",
            multiple=True,
            metavar="NAME:VALUE",
            help=f"Macro at {stage.replace('-', ' ')}. Repeatable.",
        )
        for stage, letter in MACRO_STAGES.items()
    )
)

LIMITS = together(
    _limit(
        "--connection-timeout",
        type=float,
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="Connecting.",
    ),
    _limit(
        "--reading-timeout",
        type=float,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Waiting for a reply.",
    ),
    _limit(
        "--writing-timeout",
        type=float,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Writing a command.",
    ),
    _limit(
        "--end-of-message-timeout",
        type=float,
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="From end of message to verdict.",
    ),
    _limit("--all-timeouts", type=float, metavar="SECONDS", help="All four of them."),
)

RUN = together(
    _run("--output-message", is_flag=True, help="Print the resulting message, with what changed marked."),
    _run(
        "--color",
        "--colour",
        is_flag=False,
        flag_value="yes",
        default="auto",
        metavar="[yes|no|auto]",
        type=click.Choice(list(COLOURS)),
        help="Use colours.",
    ),
    _run(
        "-t",
        "--threads",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Carry out N sessions at the same time.",
    ),
    _run("-v", "--verbose", is_flag=True, help="Print every packet, to standard error."),
)


@click.command(cls=SectionedCommand, context_settings={"help_option_names": ["-?", "--help"]})
@SESSION
@MACROS
@LIMITS
@RUN
@click.version_option(__version__, "--version", message="milter-test-server (postmill) %(version)s")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Send one message to a milter, as an MTA does, and print its verdict.

    Takes the options of milter-manager's tool; `postmill send` can do more. The exit status is that of
    `postmill send`.
    """
    plan = _plan(options)
    timeouts = _timeouts(options)
    printer = Printer(colour=use_colour(COLOURS[options["color"]]))
    where = parse_endpoint(options["spec"])
    if options["threads"] > 1:
        with progress_bar(options["threads"]) as on_done:
            total = send_load(where, plan, options["threads"], options["threads"], timeouts, on_done)
        printer.load(total)
        ctx.exit(load_exit_status(total))
    report = send_session(where, plan, timeouts, printer.trace if options["verbose"] else None)
    printer.session(report, ("annotated",) if options["output_message"] else ())
    ctx.exit(exit_status(report))


def main() -> NoReturn:
    """Run ``milter-test-server`` with the arguments of the process."""
    launch(command, "milter-test-server")


def _timeouts(options: dict[str, Any]) -> Timeouts:
    every = options["all_timeouts"]
    if every is not None:
        return Timeouts(every, every, every, every)
    return Timeouts(
        options["connection_timeout"],
        options["reading_timeout"],
        options["writing_timeout"],
        options["end_of_message_timeout"],
    )


def _plan(options: dict[str, Any]) -> SessionPlan:
    recipients = tuple(arguments.recipient(text) for text in options["recipients"])
    mail = Mail(sender=arguments.bracketed(options["sender"]), recipients=recipients)
    headers, body = _content(mail, options)
    early, staged = arguments.unknown_commands(options["unknown"])
    return SessionPlan(
        client=arguments.client(options["connect_host"], options["connect_address"]),
        helo=arguments.raw(options["helo_fqdn"]),
        mails=(Mail(mail.sender, (), recipients, headers, body, unknown=staged),),
        offer=Offer(options["negotiate_version"]),
        macros=_macros(options),
        unknown=early,
    )


def _content(mail: Mail, options: dict[str, Any]) -> tuple[Headers, bytes]:
    """Headers and body: from the file if there is one, then what was given, then what is missing."""
    own = tuple(arguments.header(text) for text in options["headers"])
    chunks = b"".join(arguments.raw(text) for text in options["bodies"])
    if options["mail_file"]:
        try:
            headers, body = split_message(Path(options["mail_file"]).read_bytes())
        except OSError as error:
            raise UnavailableError(f"cannot read {options['mail_file']}: {error.strerror}") from error
        return (*headers, *own), body + chunks
    names = {name.lower() for name, _ in own}
    missing = [
        (name, text)
        for name, text in arguments.default_headers(mail.sender, mail.recipients)
        if name in (b"From", b"To") and name.lower() not in names
    ]
    return (*missing, *own), chunks or b"La de da de da 1.\r\nLa de da de da 2.\r\n"


def _macros(options: dict[str, Any]) -> dict[str, dict[bytes, bytes]]:
    found: dict[str, dict[bytes, bytes]] = {}
    for letter in MACRO_STAGES.values():
        for text in options[f"macros_{letter.lower()}"]:
            name, value = arguments.macro(text)
            found.setdefault(letter, {})[name] = value
    for option, macro in (("name", b"{auth_authen}"), ("type", b"{auth_type}"), ("author", b"{auth_author}")):
        if value := options[f"authenticated_{option}"]:
            found.setdefault("M", {})[macro] = arguments.raw(value)
    if options["name"]:
        found.setdefault("C", {}).setdefault(b"{daemon_name}", arguments.raw(options["name"]))
    return found
