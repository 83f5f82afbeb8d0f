"""How many events a second of CPU are parsed: by the client alone, by the whole collector, and by a peer."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.asterisk import recorded
from benchmarks.asterisk.platforms import collector_of, recorded_platform
from benchmarks.asterisk.server import SECRET, USER, Running, server
from collectors.asterisk.client import AmiClient
from collectors.asterisk.metrics import EVENTS, LOST_EVENTS
from collectors.asterisk.wire import Block
from dialtone.model import Secret
from dialtone.runtime import garbage

LEAST: Final = 40_000
"""Events that the client must parse in a second of CPU."""
CLIENT: Final = "Dialtone's client"
COLLECTOR: Final = "Dialtone's collector"
PEER: Final = "panoramisk"
_DEADLINE: Final = 60.0
_WARM_UP: Final = 5


class PeerError(Exception):
    """The peer could not be run. The message says why."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Who parsed how many events of which version a run, and the events a CPU second of each run."""

    who: str
    version: str
    events: int
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)


async def measure(rounds: int, runs: int, peer: str, folder: Path) -> list[Rate]:
    """Return the rates for both versions; the peer's where its Python is given."""
    garbage.settle()  # as the service does
    rates = []
    for version in recorded.VERSIONS:
        with server(version, 0, 1) as running:
            rates.append(await _client(running, version, rounds, runs))
            rates.append(await _collector(running, version, rounds, runs))
        if peer:
            rates.append(await _peer(peer, folder, version, rounds, runs))
    return rates


async def _client(running: Running, version: str, rounds: int, runs: int) -> Rate:
    """Have them come before the answer to a Ping: when it is there, all of them have been heard."""
    heard = 0

    def hear(_: Block) -> None:
        nonlocal heard
        heard += 1

    client = AmiClient(running.endpoint, USER, Secret(SECRET), deadline=_DEADLINE, hear=hear)
    rates = []
    try:
        await client.ask("Ping")
        for number in range(runs + 1):
            count = running.order("rounds", number * rounds, rounds if number else _WARM_UP)
            heard, before = 0, time.process_time()
            await client.ask("Ping")
            spent = time.process_time() - before
            if heard != count:
                raise ValueError(f"{heard} of {count} events were heard")
            if number:
                rates.append(count / spent)
    finally:
        await client.aclose()
    return Rate(CLIENT, version, rounds * recorded.events_of(version), tuple(rates))


async def _collector(running: Running, version: str, rounds: int, runs: int) -> Rate:
    """Have them come within a poll, which is counted with them."""
    collector = collector_of(running.endpoint, recorded_platform(), timeout=_DEADLINE)
    rates, heard = [], 0
    try:
        await collector.collect()
        for number in range(runs + 1):
            count = running.order("rounds", number * rounds, rounds if number else _WARM_UP)
            before = time.process_time()
            reading = await collector.collect()
            spent = time.process_time() - before
            told = {sample.metric: int(sample.value) for sample in reading.samples}
            if told[LOST_EVENTS.name] or told[EVENTS.name] != heard + count:
                raise ValueError(f"{told[EVENTS.name] - heard} of {count} events were heard")
            heard += count
            if number:
                rates.append(count / spent)
    finally:
        await collector.aclose()
    return Rate(COLLECTOR, version, rounds * recorded.events_of(version), tuple(rates))


async def _peer(python: str, folder: Path, version: str, rounds: int, runs: int) -> Rate:
    """Have the peer's Python parse the same, without a socket and a callback that only counts."""
    file = anyio.Path(folder / f"{version}.events")
    await file.write_bytes(next(recorded.rounds(version, 0, 1)))
    program = Path(__file__).with_name("peer.py")
    count, rates = rounds * recorded.events_of(version), []
    for _ in range(runs):
        said = await _printed([python, str(program), str(file), str(rounds)])
        if said["events"] != count:
            raise PeerError(f"{PEER} told of {said['events']} events of {count}")
        rates.append(count / float(said["cpu"]))
    return Rate(f"{PEER} {said['version']}", version, count, tuple(rates))


async def _printed(command: Sequence[str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    with anyio.fail_after(_DEADLINE):
        printed, _ = await process.communicate()
    if process.returncode:
        raise PeerError(f"{command[0]} ended with code {process.returncode}")
    said: dict[str, Any] = json.loads(printed)
    return said
