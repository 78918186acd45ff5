"""``postmill metrics``: what the daemon counts, for Prometheus."""

from __future__ import annotations

import click

from postmill.api.kinds import InetSocket
from postmill.cli.beside_daemon import begin, beside_daemon
from postmill.cli.controlling import Control
from postmill.cli.options import config_file
from postmill.config import load_metrics
from postmill.errors import UnavailableError
from postmill.wire.endpoint import Endpoint

_WITHIN = 8.0
"""Seconds for the daemon's answer: less than Prometheus waits for ours."""


@click.command("metrics")
@config_file
@click.option(
    "--socket", default="", metavar="SOCKET", help="The control socket; else the configuration says it."
)
@click.option(
    "--listen",
    default="",
    metavar="ADDRESS",
    help="Where to answer, such as inet:9797@127.0.0.1; else metrics.listen of the configuration.",
)
@click.option("--print", "once", is_flag=True, help="Print the metrics once, as a file for node_exporter.")
@beside_daemon
def command(config_file: str, socket: str, listen: str, once: bool, beside_daemon: bool) -> None:
    """Tell Prometheus what the daemon counts: over HTTP, at /metrics, until interrupted.

    Who runs it must be allowed to look at the daemon's control socket. Exit status 69 when there is nowhere
    to listen, and with --print when the daemon cannot be reached or a worker process does not react.
    """
    try:
        from postmill.metrics.exposition import render  # noqa: PLC0415 - an optional dependency
        from postmill.metrics.serving import Server  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise UnavailableError(
            f"metrics need the Python library prometheus-client (pip install 'postmill[metrics]'): {error}"
        ) from error
    control = Control(config_file, socket, as_json=True)
    if once:
        click.echo(render(control.ask("status", _WITHIN))[0], nl=False)
        return
    begin(config_file, beside_daemon)
    with Server(_where(config_file, listen), lambda: control.ask("status", _WITHIN)) as server:
        server.serve_forever()


def _where(config_file: str, listen: str) -> Endpoint:
    if not listen:
        found = load_metrics(config_file).listen
    else:
        try:
            found = InetSocket().parse(listen)
        except ValueError as error:
            raise click.BadParameter(str(error) or InetSocket().allowed, param_hint="--listen") from error
    if found is None:
        raise UnavailableError(f"metrics.listen is empty in {config_file}; --listen says where to answer")
    return found
