"""VoIPGRID's opensips_exporter (Go, 2020) and ours: which statistics of recorded servers each of them shows.

voipgrid.tsv lists its metrics, each with the statistics (a pattern of `group:name`) that it is made of; the
list was made from its documentation and its source at 0f7e5c1.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collectors.opensips.metrics import METRICS, samples
from collectors.opensips.parse import OpensipsSnapshot, parse_kinds
from dialtone.config import TenantTree
from dialtone.model import Kind, Level, Tenant

VERSIONS: Final = ("1.11", "2.4", "3.6.8", "4.0.1")
_DATA: Final = Path(__file__).parents[2] / "tests" / "data" / "opensips"
_NOBODY: Final = TenantTree(Tenant("p.example", None, Level.PLATFORM, "P"), ())


@dataclass(frozen=True, slots=True)
class Row:
    """One of their metrics: the servers that have its statistics, ours that show them, what is not shown."""

    metric: str
    versions: tuple[str, ...]
    ours: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Their metrics beside ours.

    `counts` are by server: how many statistics it has, they know, and we show; `metrics` is how many we have.
    """

    rows: tuple[Row, ...]
    counts: Mapping[str, tuple[int, int, int]]
    metrics: int

    @property
    def right(self) -> bool:
        """Whether all of theirs that still exist are ours too."""
        return not any(row.lacking for row in self.rows) and all(
            ours == total for total, _, ours in self.counts.values()
        )


def coverage() -> Coverage:
    """Return both lists side by side."""
    with (Path(__file__).with_name("voipgrid.tsv")).open() as file:
        theirs = [
            (row["metric"], re.compile(row["statistics"])) for row in csv.DictReader(file, delimiter="\t")
        ]
    known = {version: _statistics(version) for version in VERSIONS}
    shown = {version: _ours(known[version]) for version in VERSIONS}
    rows = []
    for metric, pattern in theirs:
        found = {v: [name for name in known[v] if pattern.fullmatch(name)] for v in VERSIONS}
        ours = {shown[v][name] for v in VERSIONS for name in found[v] if name in shown[v]}
        lacking = {name for v in VERSIONS for name in found[v] if name not in shown[v]}
        rows.append(
            Row(metric, tuple(v for v in VERSIONS if found[v]), tuple(sorted(ours)), tuple(sorted(lacking)))
        )
    counts = {
        version: (
            len(names),
            sum(any(pattern.fullmatch(name) for _, pattern in theirs) for name in names),
            len(shown[version]),
        )
        for version, names in known.items()
    }
    return Coverage(tuple(rows), counts, len(METRICS))


def _statistics(version: str) -> dict[str, Kind]:
    """Return the statistics of a recorded server, with their kinds where it says them."""
    recorded = json.loads((_DATA / version / "live-get_statistics-all.json").read_bytes())
    kinds: dict[str, Kind] = {}
    if version in ("3.6.8", "4.0.1"):
        listed = json.loads((_DATA / version / "live-list_statistics.json").read_bytes())["result"]
        kinds = parse_kinds(listed)
        recorded = recorded["result"]
    return {name: kinds.get(name, Kind.GAUGE) for name in recorded if ":" in name}


def _ours(statistics: Mapping[str, Kind]) -> dict[str, str]:
    """Return by statistic the metric of ours that shows it."""
    shown = {}
    at = datetime.now(UTC)
    for name, kind in statistics.items():
        snapshot = OpensipsSnapshot("", {name: 1.0}, None, kinds={name: kind})
        made: Sequence[str] = [sample.metric for sample in samples("n", snapshot, _NOBODY, at)]
        if made:
            shown[name] = made[0]
    return shown
