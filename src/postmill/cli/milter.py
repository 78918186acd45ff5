"""``postmill milter``: play a filter; print what the MTA says, answer as told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from postmill.cli.milter_output import Reporter
from postmill.cli.sections import SectionedCommand, section, together
from postmill.cli.session_output import use_colour
from postmill.errors import UnavailableError
from postmill.testing.behaviour import BARE_STEPS, GARBAGE, negotiation, share
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Close, Negotiation, Reset, Script, Send, StopAnswering, StopReading
from postmill.testing.script_file import load_script
from postmill.testing.wishes import Wishes
from postmill.wire.endpoint import parse_endpoint

_answer = section("What to answer")
_fault = section("Faults")
_scope = section("When")
_listen = section("Listening and output")

ANSWERS = together(
    _answer("--reply", "replies", multiple=True, metavar="STAGE=REPLY", help="Give this reply."),
    _answer("--edit", "edits", multiple=True, metavar="EDIT", help="Edit at the end of the message."),
    _answer("--delay", "delays", multiple=True, metavar="STAGE=TIME", help="Wait before answering."),
    _answer(
        "--progress", multiple=True, metavar="STAGE=N[xTIME]", help="Say N times first that work goes on."
    ),
    _answer(
        "--negotiate",
        default="",
        metavar="ANSWER",
        help="actions=ADDHDRS,CHGBODY,protocol=NOHELO,version=6,symlist=mail:i,exact "
        "or close or silence or raw=BYTES.",
    ),
    _answer(
        "--script",
        type=click.Path(exists=True, dir_okay=False),
        help="TOML file with rules; they stand behind those of the options.",
    ),
)

FAULTS = together(
    _fault(
        "--close",
        "closes",
        multiple=True,
        metavar="STAGE[=after]",
        help="Close instead of answering, or after it.",
    ),
    _fault("--reset", "resets", multiple=True, metavar="STAGE", help="Drop the connection."),
    _fault("--silent", "silences", multiple=True, metavar="STAGE", help="Answer nothing from here on."),
    _fault("--stop-reading", multiple=True, metavar="STAGE", help="Read nothing from here on."),
    _fault("--half-packet", multiple=True, metavar="STAGE", help="Send half a packet, then close."),
    _fault("--garbage", multiple=True, metavar="STAGE", help="Send nonsense instead of an answer."),
    _fault(
        "--raw",
        "raws",
        multiple=True,
        metavar="STAGE=BYTES",
        help=r"Send these bytes: 0x00ff or text with \x00.",
    ),
    _fault("--surplus", "surpluses", multiple=True, metavar="STAGE[=REPLY]", help="Send one reply too many."),
    _fault(
        "--trickle", "trickles", multiple=True, metavar="STAGE=TIME", help="Answer byte by byte, with pauses."
    ),
    _fault("--forced", is_flag=True, help="Reply even where a no-reply flag was negotiated."),
)

SCOPE = together(
    _scope("--session", type=click.IntRange(1), metavar="N", help="Only in the N-th session."),
    _scope("--share", metavar="SHARE", help="Only in this share of the sessions, e.g. 10%."),
    _scope("--message", type=click.IntRange(1), metavar="N", help="Only in the N-th message of a session."),
    _scope("--nth", type=click.IntRange(1), metavar="N", help="Only at the N-th event of the stage."),
    _scope("--containing", metavar="TEXT", help="Only when the event contains this text."),
)

LISTENING = together(
    _listen("--mode", default="0660", show_default=True, help="Permissions of a unix socket."),
    _listen("--group", default="", help="Group of a unix socket."),
    _listen("--sessions", type=click.IntRange(1), metavar="N", help="End after N sessions."),
    _listen("--json", "as_json", is_flag=True, help="Print one JSON object a line."),
    _listen("-q", "--quiet", is_flag=True, help="Print no events."),
    _listen(
        "--color",
        "--colour",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Use colours.",
    ),
)


@click.command("milter", cls=SectionedCommand)
@click.argument("endpoint")
@ANSWERS
@FAULTS
@SCOPE
@LISTENING
def command(endpoint: str, **options: Any) -> None:
    """Play a filter at ENDPOINT: print every event, answer as told, and `continue` to everything else.

    ENDPOINT is unix:/path, inet:port@host or inet6:port@host. Options may be repeated; the conditions under
    "When" hold for all of them.

    STAGE: connect, helo, mail, rcpt, data, header, end-of-header, body, end-of-message, unknown, abort,
    quit, negotiate, accepted (nothing read yet) or any.

    REPLY: continue, accept, reject, tempfail, discard, skip, progress, shutdown, conn-fail or an SMTP reply
    ('550 5.7.1 no').

    \b
    EDIT: add-header:NAME:VALUE            replace-body:TEXT
          insert-header:INDEX:NAME:VALUE   add-rcpt:ADDRESS [ARGS]
          change-header:INDEX:NAME:VALUE   delete-rcpt:ADDRESS
          delete-header:INDEX:NAME         change-from:ADDRESS [ARGS]
          quarantine:REASON                progress

    Ends with status 0 on SIGINT or SIGTERM; 69 when it cannot listen.

    \b
    postmill milter unix:/tmp/x.sock --reply 'rcpt=550 5.7.1 no' --containing spam@
    postmill milter inet:8900 --edit add-header:X-A:1 --edit 'change-header:1:Subject:[seen]'
    postmill milter inet:8900 --delay data=2s --close body --share 10%
    """
    script = script_of(options)
    mode = octal(options["mode"], "--mode")
    child = ScriptedChild(script, parse_endpoint(endpoint), mode=mode, group=options["group"])
    child.recording = False
    colour = use_colour(options["color"])
    reporter = Reporter(
        child,
        as_json=options["as_json"],
        quiet=options["quiet"],
        colour=colour,
        write=partial(click.echo, color=colour),
    )
    reporter.stop_after(options["sessions"] or 0)
    serve(child, reporter)


def serve(child: ScriptedChild, reporter: Reporter, on_ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGINT, SIGTERM or the last session that was asked for; UnavailableError when it cannot
    listen.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        reporter.finished.set()

    try:
        child.start()
    except (OSError, LookupError) as error:
        raise UnavailableError(f"cannot listen on {child.endpoint}: {error}") from error
    before = [(number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)]
    click.echo(f"listening on {child.endpoint}", err=True)
    try:
        if on_ready is not None:
            on_ready()
        reporter.finished.wait()
    finally:
        child.close()
        for number, handler in before:
            signal.signal(number, handler)


def octal(text: str, option: str) -> int:
    """The permissions given to an option."""
    try:
        return int(text, 8)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no octal number", param_hint=option) from None


def script_of(options: dict[str, Any]) -> Script:
    """The behaviour that the options describe."""
    wishes = Wishes(_scope_of(options))
    for name, take in (
        ("delays", wishes.delay),
        ("progress", wishes.progress),
        ("edits", wishes.edit),
        ("replies", wishes.reply),
        ("trickles", wishes.trickle),
        ("closes", wishes.close),
        ("raws", wishes.raw),
        ("surpluses", wishes.surplus),
    ):
        for text in options[name]:
            take(text)
    for name, steps in (
        ("resets", (Reset(),)),
        ("silences", (StopAnswering(),)),
        ("stop_reading", (StopReading(),)),
        ("half_packet", (BARE_STEPS["half-packet"], Close())),
        ("garbage", (Send(GARBAGE),)),
    ):
        for stage in options[name]:
            wishes.fault(stage, *steps)
    base = Script()
    if options["script"]:
        path = Path(os.fspath(options["script"]))
        base = load_script(path.read_text(encoding="utf-8"), str(path))
    answer: Negotiation = negotiation(options["negotiate"]) if options["negotiate"] else base.negotiate
    return Script(answer, (*wishes.rules(), *base.rules))


def _scope_of(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "connection": options["session"],
        "share": share(options["share"]) if options["share"] else None,
        "message": options["message"],
        "nth": options["nth"],
        "containing": options["containing"].encode() if options["containing"] else None,
        "forced": options["forced"],
    }
