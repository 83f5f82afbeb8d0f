"""The demo's live table: tenants by flows, nodes, and what happened, on one terminal."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dialtone.cli.demo.view import FlowView, NodeView, View

WIDTH: Final = 80
"""Columns: the whole screen fits a plain terminal."""

_SHOWN: Final = 4
_WIDE: Final = 3
"""Up to so many flows have room for their delay; of more only how they ended is shown."""
_HEADS: Final = {
    "options": ("options", "opt"),
    "register": ("register RRD", "reg"),
    "call": ("call SRD, MOS", "call"),
    "presence": ("presence", "pres"),
    "blind-transfer": ("blind transfer", "blind"),
    "attended-transfer": ("attended transfer", "att"),
    "http": ("http", "http"),
}
"""What stands over a flow's column, long and short."""
_LOOKS: Final = {"pass": ("green", "ok"), "fail": ("bold red", "FAIL"), "inconclusive": ("yellow", "?")}


def screen(view: View, flows: Sequence[str], events: Sequence[str], head: Sequence[str]) -> RenderableType:
    """Return the whole screen for rich: 80 columns, and with six tenants and four nodes 24 lines.

    `flows` are those that are tested, in the order of their columns.
    """
    happened = Text("\n".join(events[-_SHOWN:]) or "nothing yet")
    return Group(
        *(Text(line, style="bold" if line is head[0] else "dim") for line in head),
        *tables(view, flows),
        Panel(happened, title="what happened", title_align="left", border_style="dim", width=WIDTH),
    )


def tables(view: View, flows: Sequence[str]) -> tuple[RenderableType, ...]:
    """Return the tenants by flows, and the nodes."""
    return _tenants(view, flows), Text(), _nodes(view)


def _tenants(view: View, flows: Sequence[str]) -> Table:
    wide = len(flows) <= _WIDE
    table = Table(box=None, pad_edge=False, width=WIDTH)
    table.add_column("tenant", no_wrap=True)
    for flow in flows:
        table.add_column(_HEADS[flow][not wide], justify="right", no_wrap=True)
    table.add_column("on front/pbx" if wide else "calls", justify="right", no_wrap=True)
    for client in view.clients:
        front = view.live("opensips_tenant_dialogs", client.domain)
        pbx = view.live("asterisk_tenant_calls", client.domain)
        table.add_row(
            client.domain,
            *(_flow(client.flows.get(flow), wide=wide) for flow in flows),
            f"{_count(front)}/{_count(pbx)}",
        )
    return table


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _flow(flow: FlowView | None, *, wide: bool) -> Text:
    if flow is None:
        return Text("waiting" if wide else "...", style="dim")
    style, word = _LOOKS[flow.outcome]
    if not wide:
        return Text(word, style=style)
    if flow.outcome == "pass":
        delay = "" if flow.delay is None else f" {flow.delay * 1000:.1f} ms"
        return Text(word + delay + ("" if flow.mos is None else f" {flow.mos:.1f}"), style=style)
    return Text(f"{word} {flow.why}", style=style)


def _nodes(view: View) -> Table:
    table = Table(box=None, pad_edge=False, width=WIDTH)
    for name in ("node", "version", "state"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=3 if name == "state" else None)
    for node in view.nodes:
        table.add_row(node.name, Text(node.version[:24]), _state(node))
    return table


def _state(node: NodeView) -> Text:
    if not node.up:
        return Text(f"DOWN {node.detail}", style="bold red")
    if node.kind == "mysql":
        return _replication(node)
    figure = {
        "opensips": ("opensips_usrloc_registered_users", "registered"),
        "asterisk": ("asterisk_calls", "calls"),
    }
    metric, word = figure[node.kind]
    value = node.figures.get(metric)
    return Text("up" if value is None else f"up, {value:.0f} {word}", style="green")


def _replication(node: NodeView) -> Text:
    figures = node.figures
    if "mysql_replication_sql_running" not in figures:
        return Text("up, replicates from nobody", style="green")
    stopped = [
        word
        for metric, word in (
            ("mysql_replication_io_running", "I/O"),
            ("mysql_replication_sql_running", "SQL"),
        )
        if not figures.get(metric)
    ]
    lag = figures.get("mysql_replication_heartbeat_lag_seconds")
    true_lag = "" if lag is None else f", true lag {lag:.1f} s"
    if stopped:
        return Text(f"up, {' and '.join(stopped)} thread stopped{true_lag}", style="bold red")
    return Text(f"up, replicating{true_lag}", style="green")
