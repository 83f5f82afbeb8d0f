"""What is kept of the tenants' own traffic, as jobs of one transaction: counts by the hour, and the marks.

Growth is counted in the transaction that moves the mark on: neither a crash nor a full disk counts it twice
or never.
"""

import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from dialtone.model import COUNTS, TrafficMark
from dialtone.store.reading import RowReader
from dialtone.store.rows import at, counted, hour_of, instant, mark_rows, row_counts
from dialtone.store.statements import sql


def count(
    db: sqlite3.Connection,
    mark: TrafficMark,
    growth: Mapping[str, Mapping[str, int]],
    gone: Collection[str],
) -> None:
    """Add growth, by tenant and name, to the mark's hour, and move the mark on; drop those of `gone`."""
    node, tenants = mark_rows(mark)
    hour = hour_of(mark.at)
    for tenant, counts in growth.items():
        counted(f"growth of {tenant}", counts)
    db.execute(sql("put_traffic_node"), node)
    db.executemany(sql("drop_traffic_mark"), [{"node": mark.node, "tenant": tenant} for tenant in gone])
    db.executemany(sql("put_traffic_mark"), tenants)
    db.executemany(
        sql("add_hourly_traffic"),
        [
            {"hour": hour, "tenant": tenant, "name": name, "count": more}
            for tenant, counts in growth.items()
            for name, more in counts.items()
        ],
    )


def marks(db: sqlite3.Connection, reader: RowReader) -> dict[str, TrafficMark]:
    """Return the marks by server; a tenant whose row can't be read is not in its server's."""
    tenants: dict[str, dict[str, dict[str, int]]] = {}
    for node, tenant, counts in reader.read("traffic_marks", db.execute(sql("traffic_marks")), row_counts):
        tenants.setdefault(node, {})[tenant] = counts

    def mark(row: Mapping[str, Any]) -> TrafficMark:
        return TrafficMark(row["node"], at(row["at"]), row["uptime"], tenants.get(row["node"], {}))

    return {one.node: one for one in reader.read("traffic_nodes", db.execute(sql("traffic_nodes")), mark)}


def counts(
    db: sqlite3.Connection, seen: str, values: Mapping[str, Any], since: int
) -> dict[str, dict[str, int]]:
    """Return the counts of the hours from `since` (microseconds) on, by tenant. `seen`: see probes.totals."""
    found: dict[str, dict[str, int]] = {}
    for row in db.execute(seen + sql("hourly_traffic"), {**values, "since": since}):
        if row["name"] in COUNTS:
            found.setdefault(row["tenant"], {})[row["name"]] = row["count"]
    return found


def prune(db: sqlite3.Connection, before: datetime) -> None:
    """Forget hours that ended before an instant, and the marks of servers that were not read since."""
    db.execute(sql("prune_hourly_traffic"), {"before": hour_of(before)})
    db.execute(sql("prune_traffic_nodes"), {"before": instant(before)})
    db.execute(sql("prune_traffic_marks"))
