"""``postmill trace``: messages of the history as traces, for a collector of OpenTelemetry."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import click

from postmill.cli.beside_daemon import begin, beside_daemon
from postmill.cli.options import config_file
from postmill.config import load_history, load_tracing
from postmill.errors import ConfigError, UnavailableError


@click.command("trace")
@config_file
@click.option("--endpoint", metavar="URL", help="The collector; else tracing.endpoint of the configuration.")
@click.option(
    "--place", type=click.Path(dir_okay=False), help="Where to keep how far it got; else tracing.place."
)
@click.option(
    "--addresses/--no-addresses", default=None, help="Send mail addresses, too; else tracing.addresses."
)
@click.option("--once", is_flag=True, help="Send what has come since the last time, and end.")
@click.option(
    "--message", "text", metavar="TEXT", help="Send what TEXT finds, as with `postmill explain`, and end."
)
@click.option("--id", "queue_id", metavar="QUEUE-ID", help="Print the trace id of a message, and end.")
@click.option("--host", default=socket.gethostname, metavar="NAME", help="With --id: the machine it came to.")
@beside_daemon
def command(
    config_file: str,
    endpoint: str | None,
    place: str | None,
    addresses: bool | None,
    once: bool,
    text: str | None,
    queue_id: str | None,
    host: str,
    beside_daemon: bool,
) -> None:
    """Send traces of messages to a collector, as they come into the history, until interrupted.

    Begins with what comes after its first start, and goes on where it was left; tracing.most says how many of
    each second are sent. Exit status 69 when there is no history, with --once and --message also when the
    collector takes nothing.
    """
    try:
        from postmill.tracing import collector, following, spans  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise UnavailableError(
            f"traces need libraries of OpenTelemetry (pip install 'postmill[tracing]'): {error}"
        ) from error
    from postmill.history import History, check_url  # noqa: PLC0415 - keeps `postmill --help` quick

    if queue_id:
        click.echo(spans.trace_id(host, queue_id).hex())
        return
    tracing, url = load_tracing(config_file), load_history(config_file).url
    endpoint = endpoint or tracing.endpoint
    if not url or not endpoint:
        lacking = "history.url" if not url else "tracing.endpoint"
        raise UnavailableError(f"no traces can be sent: {lacking} is not set in {config_file}")
    try:
        opened = check_url(url)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    follower = following.Follower(
        lambda: History(opened(False)),
        collector.Collector(endpoint),
        following.Place(Path(place or tracing.place)),
        tracing.addresses if addresses is None else addresses,
        tracing.most,
    )
    with closing(follower):
        if not once and not text:
            begin(config_file, beside_daemon)
            follower.follow()
        try:
            sent = follower.send(text) if text else follower.catch_up()
            click.echo(f"messages sent: {sent}")
            if follower.left_out:
                click.echo(f"left out: {follower.left_out}, more than {tracing.most} came in a second")
        except OSError as error:
            raise UnavailableError(f"the history cannot be read: {error}") from error
