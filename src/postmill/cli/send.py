"""``postmill send``: play the MTA against a milter or a manager, and show what it decides."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from postmill.cli.sections import SectionedCommand
from postmill.cli.send_options import CLIENT, MESSAGE, OUTPUT, PROTOCOL, STAGES
from postmill.cli.session_output import Printer, View, progress_bar, use_colour
from postmill.errors import UnavailableError
from postmill.testing import arguments
from postmill.testing.load import send_load, send_session
from postmill.testing.message import split_message
from postmill.testing.plan import Mail, Offer, Recipient, SessionPlan
from postmill.testing.sender import Timeouts
from postmill.testing.showing import exit_status, load_exit_status
from postmill.testing.words import NotationError, stage_letter
from postmill.wire.codes import Action, Protocol
from postmill.wire.endpoint import parse_endpoint


@click.command("send", cls=SectionedCommand)
@click.argument("endpoint")
@click.argument(
    "files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@CLIENT
@MESSAGE
@PROTOCOL
@OUTPUT
@click.pass_context
def command(ctx: click.Context, /, endpoint: str, files: tuple[str, ...], **options: Any) -> None:
    """Play an MTA: send messages to the milter (or manager) at ENDPOINT.

    ENDPOINT is unix:/path, inet:port@host or inet6:port@host. Each FILE is a message (- reads standard
    input); all of them go through one session, one after the other. Without FILE a small test message is
    made.

    The first two lines are `status: …` and `elapsed-time: …`, then come the reply and the edits. A status
    is accept, reject, temporary-failure, discard, quarantine, aborted or error; of several messages the
    gravest counts.

    Exit status: 0 accept or aborted, 10 reject, 11 temporary-failure, 12 discard, 13 quarantine, 64 wrong
    usage, 69 cannot connect, 75 time-out, 76 the filter broke the protocol or closed. With -n: 0, or that
    of the first error.

    \b
    postmill send unix:/run/postmill/postmill.sock mail.eml --diff
    postmill send inet:8891@127.0.0.1 -f a@example.com -t 'b@example.org NOTIFY=NEVER' -v
    postmill send inet:8891 --macro 'connect:{daemon_name}=mx' --abort-after rcpt --repeat 2
    postmill send unix:/run/x.sock -n 10000 -c 100
    """
    plan = plan_of(files, options)
    timeouts = _timeouts(options)
    printer = Printer(colour=use_colour(options["color"]))
    where = parse_endpoint(endpoint)
    if options["sessions"] > 1 or options["concurrency"] > 1:
        with progress_bar(options["sessions"]) as on_done:
            total = send_load(where, plan, options["sessions"], options["concurrency"], timeouts, on_done)
        if options["as_json"]:
            printer.load_values(total)
        else:
            printer.load(total)
        ctx.exit(load_exit_status(total))
    report = send_session(where, plan, timeouts, printer.trace if options["verbose"] else None)
    if options["as_json"]:
        printer.values(report)
    else:
        printer.session(report, _views(options))
    ctx.exit(exit_status(report))


def _views(options: dict[str, Any]) -> tuple[View, ...]:
    views: list[View] = []
    if options["output_message"]:
        views.append("message")
    if options["diff"]:
        views.append("diff")
    return tuple(views)


def _timeouts(options: dict[str, Any]) -> Timeouts:
    return Timeouts(
        options["connect_timeout"],
        options["read_timeout"],
        options["write_timeout"],
        options["end_of_message_timeout"],
        options["overall"],
    )


def plan_of(files: tuple[str, ...], options: dict[str, Any]) -> SessionPlan:
    """The session that the options describe."""
    early, staged = arguments.unknown_commands(options["unknown"])
    first, *others = _mails(files, options)
    first = replace(
        first,
        unknown=staged,
        abort_after=_stage(options["abort_after"]),
        drop_after=_stage(options["drop_after"]),
    )
    return SessionPlan(
        client=arguments.client(options["connect_host"], options["connect_address"]),
        helo=arguments.raw(options["helo"]),
        mails=(first, *others),
        offer=Offer(
            options["offer_version"],
            arguments.flags(options["offer_actions"], Action),
            arguments.flags(options["offer_protocol"], Protocol),
        ),
        like=options["like"],
        macros=_macros(options),
        unknown=early,
    )


def _stage(word: str) -> str:
    letter = stage_letter(word) if word else ""
    if letter and letter not in "MRTLNB":
        raise NotationError(f"{word!r} is no stage of a message; stages are {STAGES}")
    return letter


def _macros(options: dict[str, Any]) -> dict[str, dict[bytes, bytes]]:
    auth = {
        "auth_type": options["auth_type"],
        "auth_authen": options["user"],
        "auth_author": options["auth_author"],
    }
    found = arguments.macros(
        f"mail:{name}={value}" for name, value in auth.items() if value and options["user"]
    )
    for stage, pairs in arguments.macros(options["macros"]).items():
        found.setdefault(stage, {}).update(pairs)
    return found


def _mails(files: tuple[str, ...], options: dict[str, Any]) -> list[Mail]:
    base = _envelope(options)
    added = tuple(arguments.header(text) for text in options["headers"])
    texts = [arguments.raw(text.replace("\\n", "\n")) for text in options["bodies"]]
    body = b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts) or b"This is a test.\n"
    own_body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    mails = [_with_file(base, name, added) for name in files]
    if not mails:
        headers = added or arguments.default_headers(base.sender, base.recipients)
        mails = [replace(base, headers=headers, body=own_body)]
    repeated = [mail for _ in range(options["repeat"]) for mail in mails]
    return [_with_queue_id(mail, number) for number, mail in enumerate(repeated)]


def _with_queue_id(mail: Mail, number: int) -> Mail:
    return replace(mail, queue_id=mail.queue_id + b"-%d" % (number + 1)) if number else mail


def _envelope(options: dict[str, Any]) -> Mail:
    bare = options["bare_addresses"]
    recipients: list[Recipient] = [
        arguments.recipient(text, options["to_args"], bare=bare) for text in options["recipients"]
    ]
    recipients += [arguments.refused_recipient(text) for text in options["refused"]]
    sender = options["sender"]
    return Mail(
        sender=arguments.raw(sender) if bare else arguments.bracketed(sender),
        sender_args=tuple(arguments.raw(arg) for arg in options["from_args"]),
        recipients=tuple(recipients),
        queue_id=arguments.raw(options["queue_id"]),
    )


def _with_file(mail: Mail, name: str, added: tuple[tuple[bytes, bytes], ...]) -> Mail:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UnavailableError(f"cannot read {name}: {error.strerror}") from error
    headers, body = split_message(raw)
    return replace(mail, headers=(*headers, *added), body=body)
