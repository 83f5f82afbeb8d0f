"""dialtone heartbeat: the opt-in writer of replication heartbeats."""

import sys
from pathlib import Path
from typing import get_args

import anyio
import click

from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.config import Settings, load
from dialtone.model import Node
from dialtone.runtime import logs
from dialtone.wiring import heartbeat as beating


@click.command()
@config_argument
@click.option(
    "--node", "names", multiple=True, metavar="NAME", help="Only this node; may be repeated. [default: all]"
)
@click.option("--sql", is_flag=True, help="Print the SQL that makes table and rights, and write nothing.")
@click.option("--log-format", type=click.Choice(get_args(logs.Format)), default="text", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def heartbeat(
    config: Path, names: tuple[str, ...], sql: bool, log_format: logs.Format, log_level: str
) -> int:
    """Write the time into the heartbeat table of each node of CONFIG that has a `heartbeat.writer`.

    A node that is read-only is left alone until it takes writes, so this may run for both sides of a pair.
    Unreachable servers and refused credentials are logged, and tried again for ever. Ends with 0 at
    SIGTERM or Ctrl-C. It makes no tables and no users: --sql prints how to.
    """
    settings = load(config)
    nodes = _chosen(settings, names)
    if sql:
        click.echo(beating.heartbeat_sql(settings, nodes), nl=False)
        return Exit.OK
    logs.configure(log_level, log_format, sys.stderr)
    anyio.run(beating.beat, settings, nodes)
    return Exit.OK


def _chosen(settings: Settings, names: tuple[str, ...]) -> list[Node]:
    known = {node.name: node for node in settings.nodes}
    example = "heartbeat: {table: dialtone.heartbeat, writer: {username: heartbeat, password: {file: PATH}}}"
    if not names and not settings.heartbeats:
        raise click.UsageError(f"no node of {settings.source} has a writer; give a mysql node {example}")
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no node is called {name!r}; {settings.source} has {', '.join(known) or 'none'}",
                param_hint="--node",
            )
        if name not in settings.heartbeats:
            raise click.BadParameter(
                f"the node {name} has no writer; give a mysql node {example}", param_hint="--node"
            )
    return [known[name] for name in dict.fromkeys(names or settings.heartbeats)]
