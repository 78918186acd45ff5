"""``postmill serve``: one milter by itself."""

from __future__ import annotations

import click

from postmill.cli.milter import octal
from postmill.wire.endpoint import parse_endpoint


@click.command("serve")
@click.argument("milter")
@click.option(
    "--listen",
    multiple=True,
    required=True,
    metavar="ENDPOINT",
    help="Where the MTA finds it: unix:/path, inet:port@host or inet6:port@host; may be repeated.",
)
@click.option("--settings", type=click.Path(exists=True, dir_okay=False), help="TOML file with its settings.")
@click.option(
    "--store",
    default="memory:",
    show_default=True,
    metavar="URL",
    help="Where it keeps what it has to remember, such as sqlite:/path; memory: forgets.",
)
@click.option("--mode", default="0660", show_default=True, help="Permissions of a unix socket.")
@click.option("--group", default="", help="Group of a unix socket.")
def command(
    milter: str, listen: tuple[str, ...], settings: str | None, store: str, mode: str, group: str
) -> None:
    """Run MILTER by itself, as an MTA's own milter, without a manager.

    MILTER is the name of a built-in filter, such as `greylist`, or MODULE:NAME or FILE.py:NAME of one that
    was written with Postmill's API. When it cannot judge a mail, it closes the connection, and the MTA does
    what its own configuration says (Postfix: milter_default_action). SIGTERM and SIGINT end it once the
    sessions under way are finished.

    \b
    postmill serve house_rules:app --listen unix:/run/house-rules.sock
    postmill serve ./rules.py:app --listen inet:8899@127.0.0.1 --settings rules.toml
    """
    from postmill.daemon.filters import find_filter  # noqa: PLC0415 - wanted by this command only
    from postmill.daemon.serving import prepare, serve  # noqa: PLC0415

    served = prepare(find_filter(milter), settings)
    serve(
        served,
        [parse_endpoint(text) for text in listen],
        mode=octal(mode, "--mode"),
        group=group,
        store=store,
    )
