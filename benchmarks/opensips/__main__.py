"""What watching OpenSIPS costs us and the server, and what of the server is shown.

    python -m benchmarks.opensips poll     [--tenants 2000] [--polls 60]
    python -m benchmarks.opensips fleet    [--tenants 2000] [--nodes 10] [--seconds 180]
    python -m benchmarks.opensips pairs    [--tenants 2000] [--pairs 5] [--seconds 60] [--rate 500]
                                           [--every 1]
    python -m benchmarks.opensips coverage

Exit 0: within the limits; 1: not; 2: a wrong option; 3: it could not be run. `pairs` needs an opensips on
PATH.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks.opensips import coverage, fleet, pairs, poll
from benchmarks.service import ServiceError
from dialtone.model import CollectError
from dialtone.runtime import logs


def _poll(options: argparse.Namespace) -> bool:
    ours, page = anyio.run(poll.measure, options.tenants, options.polls)
    print(f"{'CPU, ms a poll':32} {'n':>4} {'series':>8} {'median':>8} {'most':>8}")  # noqa: T201
    for name, cost in (("Dialtone", ours), ("reading OpenSIPS's own page", page)):
        median, most = 1000 * cost.median, 1000 * cost.most
        print(f"{name:32} {len(cost.polls):>4} {cost.series:>8} {median:>8.1f} {most:>8.1f}")  # noqa: T201
    print(f"\nLimit: a median of {1000 * poll.MOST:g} ms.")  # noqa: T201
    return ours.median < poll.MOST


def _fleet(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="dialtone-fleet-") as folder:
        work = Path(folder)
        usage = anyio.run(fleet.measure, work, options.nodes, options.tenants, options.seconds)
    print(f"{options.nodes} nodes x {options.tenants} tenants every 15 s, for {options.seconds:g} s")  # noqa: T201
    print(f"up: {usage.up} nodes; {usage.lines} series, scraped every 15 s")  # noqa: T201
    print(f"CPU {100 * usage.cores:.1f} % of a core, memory {usage.memory / 1e6:.0f} MB")  # noqa: T201
    print(f"\nLimits: {100 * fleet.MOST_CPU:g} % of a core, {fleet.MOST_MEMORY / 1e6:g} MB.")  # noqa: T201
    return usage.right and usage.up == options.nodes


def _pairs(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="dialtone-pairs-") as folder:

        async def run() -> pairs.Pairs:
            return await pairs.measure(
                Path(folder),
                pairs=options.pairs,
                seconds=options.seconds,
                rate=options.rate,
                every=options.every,
                clients=options.tenants,
            )

        found = anyio.run(run)
    print(f"OpenSIPS {found.version}: {options.rate:g} OPTIONS/s in spans of {options.seconds:g} s")  # noqa: T201
    print(f"{'polls':>6} {'series':>8} {'answers':>8} {'p50 ms':>8} {'p99 ms':>8}")  # noqa: T201
    for span in found.spans:
        times = f"{1000 * span.p50:>8.3f} {1000 * span.p99:>8.3f}"
        print(f"{span.polls:>6} {span.samples:>8} {span.answers:>8} {times}")  # noqa: T201
    print(  # noqa: T201
        f"\np99 with polls less without, median of the pairs: {1000 * found.difference:+.3f} ms; "
        f"the p99s without polls lie {1000 * found.spread:.3f} ms apart."
    )
    return found.right


def _coverage(_: argparse.Namespace) -> bool:
    found = coverage.coverage()
    print(f"{'theirs':36} {'servers':22} ours")  # noqa: T201
    for row in found.rows:
        servers = " ".join(row.versions) or "none of these"
        ours = ", ".join(row.ours) or ("LACKING" if row.lacking else "-")
        print(f"{row.metric:36} {servers:22} {ours}")  # noqa: T201
    print(f"\n{'statistics of':16} {'in all':>7} {'theirs':>7} {'ours':>7}")  # noqa: T201
    for version, (total, theirs, ours_too) in found.counts.items():
        print(f"{version:16} {total:>7} {theirs:>7} {ours_too:>7}")  # noqa: T201
    print(f"\nTheirs: {len(found.rows)} metrics. Ours: {found.metrics}, all for tenants among them.")  # noqa: T201
    return found.right


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.opensips", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for work, options in (
        (_poll, {"tenants": 2000, "polls": 60}),
        (_fleet, {"tenants": 2000, "nodes": 10, "seconds": 180.0}),
        (_pairs, {"tenants": 2000, "pairs": 5, "seconds": 60.0, "rate": 500.0, "every": 1.0}),
        (_coverage, {}),
    ):
        command = commands.add_parser(work.__name__.removeprefix("_"))
        command.set_defaults(work=work)
        for name, value in options.items():
            command.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parser.parse_args(words)
    for name, value in vars(arguments).items():
        if name != "work" and not 0 < value < 1_000_000:
            parser.error(f"--{name}: must be over 0")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    logs.configure("error", "text", sys.stderr)
    before = os.getloadavg()[0]
    try:
        right = arguments.work(arguments)
    except (CollectError, ServiceError, pairs.ServerError, OSError, ValueError) as error:
        print(f"benchmarks.opensips: {error}", file=sys.stderr)  # noqa: T201
        return 3
    print(  # noqa: T201
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, load average {before:.1f} to "
        f"{os.getloadavg()[0]:.1f}\nverdict: {'pass' if right else 'FAIL'}"
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
