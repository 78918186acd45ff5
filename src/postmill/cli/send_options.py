"""The options of ``postmill send``: the client, the message, the protocol, the output."""

from __future__ import annotations

import click

from postmill.cli.sections import Seconds, section, together

STAGES = "mail, rcpt, data, header, end-of-header, body"

_client = section("The SMTP client")
_message = section("The message")
_protocol = section("The milter protocol")
_output = section("Runs and output")

CLIENT = together(
    _client("--connect-host", default="localhost", show_default=True, help="Name of the client."),
    _client(
        "--connect-address",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDRESS",
        help="192.0.2.1, 192.0.2.1:2525, [2001:db8::1]:2525, unix:/path or unknown.",
    ),
    _client("--helo", default="client.example.com", show_default=True, help="Name in HELO; empty: no HELO."),
    _client("--user", default="", help="The client has authenticated as this user ({auth_authen})."),
    _client("--auth-type", default="PLAIN", show_default=True, help="How it did ({auth_type})."),
    _client("--auth-author", default="", help="Sender it may act for ({auth_author})."),
    _client(
        "--unknown",
        multiple=True,
        metavar="[STAGE:]COMMAND",
        help="Say an SMTP command that the MTA does not know, after HELO or after mail or rcpt. Repeatable.",
    ),
)

MESSAGE = together(
    _message(
        "-f", "--from", "sender", default="sender@example.com", show_default=True, help="Envelope sender."
    ),
    _message("--from-arg", "from_args", multiple=True, metavar="ARG", help="ESMTP argument, e.g. SIZE=1000."),
    _message(
        "-t",
        "-r",
        "--to",
        "recipients",
        multiple=True,
        default=["receiver@example.org"],
        show_default=True,
        metavar="'ADDRESS [ARG…]'",
        help="Envelope recipient and its ESMTP arguments. Repeatable.",
    ),
    _message("--to-arg", "to_args", multiple=True, metavar="ARG", help="ESMTP argument of every recipient."),
    _message(
        "--refused",
        multiple=True,
        metavar="ADDRESS[=REPLY]",
        help="Recipient that the MTA itself refuses; filters see it if they asked for such. Repeatable.",
    ),
    _message("--bare-addresses", is_flag=True, help="Do not add angle brackets to addresses."),
    _message("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Header. Repeatable."),
    _message(
        "-b", "--body", "bodies", multiple=True, metavar="TEXT", help=r"Body; \n ends a line. Repeatable."
    ),
    _message("--queue-id", default="4Postmill1", show_default=True, help="Queue id of the first message."),
    _message("--repeat", type=click.IntRange(1), default=1, help="Send the messages N times in one session."),
    _message(
        "--abort-after",
        metavar="STAGE",
        default="",
        help=f"Reset the first message after this stage: {STAGES}.",
    ),
    _message(
        "--drop-after", metavar="STAGE", default="", help="Cut the connection after this stage, without QUIT."
    ),
)

PROTOCOL = together(
    _protocol(
        "--like",
        type=click.Choice(["postfix", "sendmail"]),
        default="postfix",
        show_default=True,
        help="Whose macros and habits to have.",
    ),
    _protocol(
        "-M",
        "--macro",
        "macros",
        multiple=True,
        metavar="STAGE:NAME=VALUE",
        help="Define a macro from this stage on, e.g. connect:{if_addr}=192.0.2.9. Repeatable.",
    ),
    _protocol(
        "--offer-version",
        type=click.IntRange(0, 2**32 - 1),
        default=6,
        show_default=True,
        metavar="N",
        help="Protocol version to offer.",
    ),
    _protocol(
        "--offer-actions",
        default="all",
        show_default=True,
        metavar="FLAGS",
        help="0x1ff, or names: ADDHDRS,CHGBODY or all,-QUARANTINE.",
    ),
    _protocol(
        "--offer-protocol",
        default="all",
        show_default=True,
        metavar="FLAGS",
        help="0x1fffff, or names: all,-SKIP.",
    ),
    _protocol(
        "--connect-timeout", type=Seconds(), default="300s", show_default=True, help="Limit for connecting."
    ),
    _protocol(
        "--read-timeout",
        type=Seconds(),
        default="10s",
        show_default=True,
        help="Longest silence while a reply is due.",
    ),
    _protocol(
        "--write-timeout",
        type=Seconds(),
        default="10s",
        show_default=True,
        help="Limit for handing over one command.",
    ),
    _protocol(
        "--end-of-message-timeout",
        type=Seconds(),
        default="300s",
        show_default=True,
        help="Limit from end of message to verdict.",
    ),
    _protocol("--timeout", "overall", type=Seconds(), default="0s", help="Limit for the session; 0: none."),
)

OUTPUT = together(
    _output(
        "-n", "--sessions", type=click.IntRange(1), default=1, metavar="N", help="Sessions to carry out."
    ),
    _output(
        "-c", "--concurrency", type=click.IntRange(1), default=1, metavar="N", help="Sessions at a time."
    ),
    _output("--output-message", is_flag=True, help="Print the resulting message."),
    _output("--diff", is_flag=True, help="Print what changed in envelope and message."),
    _output(
        "--color",
        "--colour",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Use colours.",
    ),
    _output("--json", "as_json", is_flag=True, help="Print everything as JSON instead."),
    _output("-v", "--verbose", is_flag=True, help="Print every packet, to standard error."),
)
