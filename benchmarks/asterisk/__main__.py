"""What watching Asterisk costs us and the server, and how many series come of it.

    python -m benchmarks.asterisk events   [--rounds 200] [--runs 5] [--peer PYTHON]
    python -m benchmarks.asterisk snapshot [--tenants 1000] [--channels 5000] [--polls 60]
    python -m benchmarks.asterisk pairs    [--pairs 5] [--seconds 40] [--rate 30] [--every 1] [--channels 500]
    python -m benchmarks.asterisk series   [--calls 10000]

Exit 0: within the limits; 1: not; 2: a wrong option; 3: it could not be run. `pairs` starts the lab's
Asterisk; `--peer` is a Python that has panoramisk, without which that is left out.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks.asterisk import events, pairs, series, snapshot, spans
from dialtone.model import CollectError
from dialtone.runtime import logs
from lab.base import LabError


def _events(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="dialtone-events-") as folder:
        rates = anyio.run(events.measure, options.rounds, options.runs, options.peer, Path(folder))
    print(f"{'events a CPU second':24} {'Asterisk':>9} {'events':>8} {'median':>8} {'least':>8}")  # noqa: T201
    for rate in rates:
        figures = f"{rate.events:>8} {rate.median:>8.0f} {min(rate.runs):>8.0f}"
        print(f"{rate.who:24} {rate.version:>9} {figures}")  # noqa: T201
    if not options.peer:
        print("The peer was left out: --peer.")  # noqa: T201
    print(f"\nLimit: the client parses {events.LEAST} a second in the median.")  # noqa: T201
    return all(rate.median >= events.LEAST for rate in rates if rate.who == events.CLIENT)


def _snapshot(options: argparse.Namespace) -> bool:
    costs = anyio.run(snapshot.measure, options.tenants, options.channels, options.polls)
    print(f"{'CPU, ms a poll':32} {'n':>4} {'series':>8} {'median':>8} {'most':>8}")  # noqa: T201
    for cost in costs:
        median, most = 1000 * cost.median, 1000 * cost.most
        print(f"{cost.name:32} {len(cost.polls):>4} {cost.series:>8} {median:>8.1f} {most:>8.1f}")  # noqa: T201
    print(f"\nLimit: a median of {1000 * snapshot.MOST:g} ms for the first.")  # noqa: T201
    return costs[0].median < snapshot.MOST


def _pairs(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="dialtone-pairs-") as folder:

        async def run() -> spans.Pairs:
            return await pairs.measure(
                Path(folder),
                pairs=options.pairs,
                seconds=options.seconds,
                rate=options.rate,
                every=options.every,
                channels=options.channels,
            )

        found = anyio.run(run)
    print(  # noqa: T201
        f"{options.channels} channels up, {options.rate:g} calls/s in spans of {options.seconds:g} s, "
        f"asked every {options.every:g} s"
    )
    print(f"{'asked by':16} {'polls':>6} {'calls':>6} {'p50 ms':>8} {'p99 ms':>8} {'server':>8}")  # noqa: T201
    for span in found.spans:
        times = f"{1000 * span.p50:>8.3f} {1000 * span.p99:>8.3f} {100 * span.cores:>6.1f} %"
        print(f"{span.watcher:16} {span.polls:>6} {span.calls:>6} {times}")  # noqa: T201
    print()  # noqa: T201
    for watcher in (spans.DIALTONE, spans.PROMETHEUS):
        more = 100 * (found.cores(watcher) - found.cores(spans.NOBODY))
        p50, p99 = (1000 * found.difference(watcher, share) for share in (50, 99))
        print(  # noqa: T201
            f"{watcher}: less nobody's, median of the pairs: p50 {p50:+.3f} ms, p99 {p99:+.3f} ms; "
            f"the server takes {more:+.1f} % of a core more"
        )
    p50, p99 = (1000 * found.spread(share) for share in (50, 99))
    print(f"With nobody asking, p50s lie {p50:.3f} ms and p99s {p99:.3f} ms apart.")  # noqa: T201
    return found.right


def _series(options: argparse.Namespace) -> bool:
    shown = anyio.run(series.measure, options.calls)
    print(f"{'calls':>8} {'series':>8} {'ever':>8} {'res_prometheus, ever':>22}")  # noqa: T201
    for one in shown:
        print(f"{one.calls:>8} {one.now:>8} {one.ever:>8} {one.theirs:>22}")  # noqa: T201
    return series.right(shown)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.asterisk", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for work, options in (
        (_events, {"rounds": 200, "runs": 5, "peer": ""}),
        (_snapshot, {"tenants": 1000, "channels": 5000, "polls": 60}),
        (_pairs, {"pairs": 5, "seconds": 40.0, "rate": 30.0, "every": 1.0, "channels": 500}),
        (_series, {"calls": 10_000}),
    ):
        command = commands.add_parser(work.__name__.removeprefix("_"))
        command.set_defaults(work=work)
        for name, value in options.items():
            command.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parser.parse_args(words)
    for name, value in vars(arguments).items():
        if name not in ("work", "peer") and not 0 < value < 1_000_000:
            parser.error(f"--{name}: must be over 0")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    logs.configure("error", "text", sys.stderr)
    before = os.getloadavg()[0]
    try:
        right = arguments.work(arguments)
    except (CollectError, LabError, events.PeerError, pairs.ServerError, OSError, ValueError) as error:
        print(f"benchmarks.asterisk: {error}", file=sys.stderr)  # noqa: T201
        return 3
    print(  # noqa: T201
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, load average {before:.1f} to "
        f"{os.getloadavg()[0]:.1f}\nverdict: {'pass' if right else 'FAIL'}"
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
