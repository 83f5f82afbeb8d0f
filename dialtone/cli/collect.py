"""dialtone collect: read every node once and print what was found."""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.cli.topology import draw
from dialtone.cli.words import printable
from dialtone.config import Settings, load
from dialtone.model import Catalog, CollectFailure, Node, NodeState, Reading, Sample, Spread, TopologyState
from dialtone.runtime import logs
from dialtone.wiring import commands, parts

_ASCII: Final = str.maketrans("└├│─", "`||-")
_REFUSED: Final = frozenset({CollectFailure.AUTH, CollectFailure.DENIED})


@click.command()
@config_argument
@click.option("--node", "names", multiple=True, metavar="NAME", help="Only this node; may be repeated.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["table", "json", "prometheus", "topology"]),
    default="table",
    show_default=True,
)
def collect(config: Path, names: tuple[str, ...], shape: str) -> int:
    """Poll the nodes of CONFIG once and print what they said.

    A table ends with the topologies of the databases, whose nodes were all polled; `topology` prints
    nothing else. JSON is the list of nodes; what is made of topologies is among the figures of
    `prometheus`, and with the time since when in the API of a service.

    Exit 0, however replication is; 4 when a node, its database, events or heartbeat could not be read,
    5 when our credentials or the right to look were refused.
    """
    settings = load(config)
    nodes = _chosen(settings, names)
    # What is down is said below, in words of its own; the log's line would say it twice.
    logs.configure("error", "text", sys.stderr)
    catalog = parts.build_catalog()
    found = anyio.run(commands.collect, settings, nodes, catalog)
    states = found.states
    match shape:
        case "prometheus":
            click.echo(found.exposition, nl=False)
        case "json":
            click.echo(json.dumps([_as_json(state, catalog) for state in states], indent=2))
        case "topology":
            _print_topologies(found.topologies)
        case _:
            _print_tables(states, catalog)
            if states and found.topologies:
                click.echo()
            _print_topologies(found.topologies)
    for topology in _undrawn(settings, nodes) if shape != "json" else ():
        click.echo(f"note: topology {topology} is left out: not all of its nodes were polled", err=True)
    for source, error in found.undiscovered.items():
        click.echo(f"note: no tenants from {source}: {error.failure}: {error.detail}", err=True)
    for name, error in found.untold.items():
        click.echo(f"note: no tenants of topology {name}: {error.failure}: {error.detail}", err=True)
    for state in states:
        if not state.up:
            click.echo(f"{state.node.name}: {state.failure}: {state.detail}", err=True)
        elif state.reading is not None:
            for part, failure in state.reading.unread.items():
                why = printable(state.reading.info.get(part, ""))
                click.echo(f"note: {state.node.name} is up, without its {part}: {failure}: {why}", err=True)
    return _code(states)


def _chosen(settings: Settings, names: tuple[str, ...]) -> list[Node]:
    known = {node.name: node for node in settings.nodes}
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no node is called {name!r}; {settings.source} has {', '.join(known) or 'none'}",
                param_hint="--node",
            )
    return [known[name] for name in names] if names else list(settings.nodes)


def _undrawn(settings: Settings, nodes: Sequence[Node]) -> list[str]:
    """Return the topologies of which some nodes were polled, and some were not."""
    polled = {node.name for node in nodes}
    return [
        one.name for one in settings.topologies if 0 < len(polled.intersection(one.nodes)) < len(one.nodes)
    ]


def _code(states: Sequence[NodeState]) -> Exit:
    failures = {state.failure for state in states if not state.up}
    for state in states:
        if state.up and state.reading is not None:
            failures.update(state.reading.unread.values())
    if failures & _REFUSED:
        return Exit.CREDENTIALS
    return Exit.UNREACHABLE if failures else Exit.OK


def _labels(series: Sample | Spread, catalog: Catalog) -> dict[str, str]:
    return dict(zip(catalog[series.metric].labels, series.labels, strict=True))


def _as_json(state: NodeState, catalog: Catalog) -> dict[str, object]:
    reading = state.reading
    return {
        "node": state.node.name,
        "kind": state.node.kind,
        "up": state.up,
        "failure": state.failure,
        "detail": state.detail,
        "duration": state.duration,
        "info": dict(reading.info) if reading else {},
        "samples": [
            {"metric": s.metric, "labels": _labels(s, catalog), "value": s.value}
            for s in (reading.samples if reading else ())
        ],
        "spreads": [
            {
                "metric": s.metric,
                "labels": _labels(s, catalog),
                "bounds": catalog[s.metric].buckets,
                "counts": s.counts,
                "sum": s.total,
            }
            for s in (reading.spreads if reading else ())
        ],
    }


def _print_tables(states: Sequence[NodeState], catalog: Catalog) -> None:
    console = Console(highlight=False)
    for state in states:
        word = "up" if state.up else f"DOWN ({state.failure}: {state.detail})"
        console.print(
            Text(
                f"{state.node.name}  {state.node.kind}  {word}  {state.duration * 1000:.1f} ms", style="bold"
            )
        )
        if state.reading is None:
            continue
        for name, text in state.reading.info.items():
            console.print(_indented(2, printable(f"{name}: {text}"), style="dim"))
        console.print(_table(state.reading, catalog))


def _print_topologies(states: Sequence[TopologyState]) -> None:
    """Print a picture of each topology; where the terminal has no lines to draw with, with ASCII."""
    console = Console(highlight=False)
    lines = {} if console.encoding.lower().startswith("utf") else _ASCII
    for number, state in enumerate(states):
        if number:
            console.print()
        heading, *rest = draw(state)
        console.print(Text(heading, style="bold"))
        for line in rest:
            console.print(Text(line.translate(lines), overflow="fold"))


def _table(reading: Reading, catalog: Catalog) -> Table:
    """Return it by metric, each with the names of its labels once; the node's is above them all."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    by_metric: defaultdict[str, list[Sample | Spread]] = defaultdict(list)
    everything: list[Sample | Spread] = [*reading.samples, *reading.spreads]
    for series in everything:
        by_metric[series.metric].append(series)
    for metric, own in by_metric.items():
        names = [name for name in catalog[metric].labels if name != "node"]
        if names:
            table.add_row(_indented(2, f"{metric} {{{', '.join(names)}}}"), "")
        for series in own:
            labels = _labels(series, catalog)
            said = ", ".join(printable(labels[name]) or '""' for name in names)
            table.add_row(_indented(4, said) if names else _indented(2, metric), _told(series))
    return table


def _indented(by: int, text: str, style: str = "") -> Padding:
    """Return a text with all its lines indented, those that are folded too."""
    return Padding(Text(text, overflow="fold", style=style), (0, 0, 0, by))


def _told(series: Sample | Spread) -> str:
    """Return a value, or how many values a histogram has and their mean."""
    if isinstance(series, Sample):
        return _number(series.value)
    count = sum(series.counts)
    return f"{count}, mean {_number(series.total / count)}" if count else "0"


def _number(value: float) -> str:
    """Return a value as it is read: whole numbers whole, however great."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:g}"
