"""What a scrape costs: our rendering against prometheus-client's, the same series in the same run.

    python benchmarks/exposition.py [--series 100000] [--rounds 5] [--histograms]

Ten nodes give the series; between two scrapes one node's reading is replaced, as in life. The peer
is prometheus-client twice: `generate_latest` of our collector, and plain Gauge objects. Printed are
medians in seconds. All three must give the same series, or it is an error. `--histograms` has the readings
hold histograms of eight series each, all of which have changed; there is no peer of plain objects then.
"""

import argparse
import functools
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar

import anyio
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dialtone.export.prometheus import Exposition
from dialtone.model import Catalog, Kind, MetricDef, MetricScope, Node, NodeKind, NodeState, Reading
from dialtone.runtime.clock import SystemClock
from dialtone.wiring.parts import build_catalog

NODES = 10
METRIC = MetricDef(
    "bench_tenant_calls", Kind.GAUGE, "Live calls", ("node", "tenant", "reseller"), MetricScope.TENANT
)
HISTOGRAM = MetricDef(
    "bench_tenant_scores",
    Kind.HISTOGRAM,
    "Scores of reports",
    ("node", "tenant", "reseller", "direction"),
    MetricScope.TENANT,
    buckets=(2.58, 3.1, 3.6, 4.03, 4.34),
)
DIRECTIONS = ("received", "sent")


def histograms(node: str, count: int, value: float) -> Reading:
    """Return a reading with that many series, of histograms with eight each."""
    at, counts = datetime.now(UTC), tuple(int(value) + n for n in range(len(HISTOGRAM.buckets) + 1))
    return Reading(
        (),
        spreads=tuple(
            HISTOGRAM.spread(
                node, f"t{n}.r{n % 50}.example", f"r{n % 50}.example", way, counts=counts, total=value, at=at
            )
            for n in range(count // 8 // len(DIRECTIONS))
            for way in DIRECTIONS
        ),
    )


def reading(node: str, count: int, value: float) -> Reading:
    """Return a reading with that many series."""
    at = datetime.now(UTC)
    return Reading(
        tuple(
            METRIC.sample(node, f"t{n}.r{n % 50}.example", f"r{n % 50}.example", value=value + n, at=at)
            for n in range(count)
        )
    )


T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return seconds and result."""
    began = perf_counter()
    result = work()
    return perf_counter() - began, result


def lines(page: bytes) -> list[bytes]:
    """Return the lines of the benchmark's metric; the rest (ages) changes from moment to moment."""
    return sorted(line for line in page.splitlines() if line.startswith(b"bench_tenant_"))


async def measure(series: int, rounds: int, made: Callable[[str, int, float], Reading]) -> None:
    """Print the table."""
    catalog = Catalog(build_catalog(), [METRIC, HISTOGRAM])
    exposition = Exposition(catalog, lambda domain: "", SystemClock(), max_series=10 * series)
    registry, gauges = CollectorRegistry(), CollectorRegistry()
    gauge = Gauge(METRIC.name, METRIC.help, METRIC.labels, registry=gauges)
    each = series // NODES

    async def replace(name: str, value: float) -> None:
        now = datetime.now(UTC)
        node = Node(name, NodeKind.OPENSIPS, "http://127.0.0.1/mi")
        found = made(name, each, value)
        began = perf_counter()
        await exposition.node_polled(NodeState(node, True, now, now, 0.01, now, found))
        times["a reading taken in"].append(perf_counter() - began)
        for sample in found.samples:
            gauge.labels(*sample.labels).set(sample.value)

    measured = ("ours, on the loop", "ours, beside it", "generate_latest of ours", "Gauge objects")
    times: dict[str, list[float]] = {name: [] for name in ("a reading taken in", *measured)}
    for n in range(NODES):
        await replace(f"n{n}", 0)
    registry.register(exposition)
    times["a reading taken in"].clear()
    for turn in range(rounds):
        await replace("n0", turn + 1)
        held, parts = timed(exposition.page)
        beside, page = timed(functools.partial(b"".join, parts))
        same, reference = timed(lambda: generate_latest(registry))
        peer, objects = timed(lambda: generate_latest(gauges))
        if lines(page) != lines(reference) or (made is reading and lines(objects) != lines(page)):
            sys.exit("the pages differ")
        for name, seconds in zip(measured, (held, beside, same, peer), strict=True):
            times[name].append(seconds)
    print(f"{series} series, one node of {NODES} replaced between scrapes, median of {rounds}")  # noqa: T201
    for name, taken in times.items():
        if name == "Gauge objects" and made is not reading:
            continue
        print(f"  {name:26} {statistics.median(taken):.4f} s")  # noqa: T201


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--histograms", action="store_true")
    arguments = parser.parse_args()
    made = histograms if arguments.histograms else reading
    anyio.run(measure, arguments.series, arguments.rounds, made)


if __name__ == "__main__":
    main()
