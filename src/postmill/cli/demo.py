"""``postmill demo``: mail through Postmill and four filters, on this machine, in one command."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from postmill.errors import UnavailableError

_PLAIN_WIDTH = 80


@click.command("demo")
@click.option(
    "--mta",
    type=click.Choice(["embedded", "postfix"]),
    default="embedded",
    show_default=True,
    help="The mail server in front: a small SMTP receiver, or a private real Postfix (needs root).",
)
@click.option(
    "--once", is_flag=True, help="End after the sample mails; 0 when all fared as expected, else 1."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep mail, log and configuration here, not in a temporary directory.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here; without it, on 2525 or another.")
@click.pass_context
def command(ctx: click.Context, mta: str, once: bool, directory: Path | None, port: int | None) -> None:
    """Send sample mails through Postmill and four filters, and show who said what.

    ClamAV and SpamAssassin are among them where clamd and spamd are installed. Everything runs over real
    sockets, on this machine only. Afterwards it stays up for your own mail, until Ctrl-C.
    """
    try:
        from postmill.demo import stage  # noqa: PLC0415 - needs what is installed with the extra only
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiosmtpd":
            raise
        raise UnavailableError("the demo needs aiosmtpd: pip install 'postmill[demo]'") from error
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    options = stage.Options("postfix" if mta == "postfix" else "embedded", once, directory, port or 0)
    ctx.exit(stage.run(options, console))
