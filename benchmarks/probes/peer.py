"""The peer: what SIPp itself says of the same kind of probe, at the same rate, through the same front.

SIPp writes its response times without Call-IDs (`-trace_rtt`), in the order in which the answers reached its
one socket; so does the capture of that socket, and the two are paired by that order.
"""

import csv
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from benchmarks.probes.comparison import Pair, in_order
from benchmarks.probes.load import Phones
from benchmarks.probes.packets import Wire
from dialtone.model import Account
from lab.ports import LOOPBACK

_SCENARIOS: Final = Path(__file__).parent
_BINDING_RATE: Final = 50.0
_SPARE: Final = 30.0
"""Seconds after the last call is due until a SIPp is ended the hard way."""
_STARTS: Final = 5.0
_VERSION: Final = re.compile(r"SIPp (v[0-9][^\s-]*)")

PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "rrd": ("registers", "1"),
    "srd": ("calls", "1"),
    "sdd": ("calls", "2"),
}
"""Where a timing is found: the scenario, and the number of its response time there."""


class PeerError(Exception):
    """SIPp could not do its part; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of the peer: the port of each scenario, and its response times in seconds, by number."""

    ports: Mapping[str, int]
    times: Mapping[str, Mapping[str, Sequence[float]]]

    def pairs(self, timing: str, wire: Wire) -> list[Pair]:
        """Return the peer's figures beside the packets'."""
        scenario, number = PLACES[timing]
        seen = wire.spans_of(timing, self.ports[scenario])
        return in_order(self.times[scenario].get(number, ()), [span.seconds for span in seen])


def read_times(lines: Iterable[str]) -> dict[str, list[float]]:
    """Return the response times of an rtt file, in seconds, by their number and in its order.

    Raises KeyError and ValueError for what is no such file. Milliseconds there, semicolons between.
    """
    times: defaultdict[str, list[float]] = defaultdict(list)
    for row in csv.DictReader(lines, delimiter=";"):
        times[row["rtd_no"]].append(float(row["response_time_ms"]) / 1e3)
    return dict(times)


def version() -> str:
    """Return which SIPp is on PATH. Raises PeerError where there is none."""
    try:
        said = subprocess.run(["sipp", "-v"], capture_output=True, text=True, timeout=_STARTS, check=False)
    except FileNotFoundError:
        raise PeerError("there is no sipp on PATH: apt-get install sip-tester") from None
    found = _VERSION.search(said.stdout + said.stderr)
    return found[1] if found else "of unknown version"


class Peer:
    """SIPp as all phones of the lab: `front` is the port that it registers at and calls through."""

    def __init__(self, folder: Path, front: int, phones: Phones) -> None:
        self._folder = folder
        self._front = front
        self._phones = phones

    async def place(
        self, ports: Callable[[], int], *, rate: float, seconds: float, leaving: bool = False
    ) -> Heard:
        """Place calls and registrations as the engine did; `ports` gives free ones. Raises PeerError.

        With `leaving` there are as many unregistrations after that.
        """
        count = round(rate * seconds)
        answering, binding, registers, calls = (ports() for _ in range(4))
        self._inject("registers", [(phone, "") for phone in self._phones.callees])
        self._inject(
            "calls", [(self._phones.caller_of(callee), callee.user) for callee in self._phones.callees]
        )
        at = ("-key", "phones_port", str(answering))
        key = (*at, "-key", "expires", "600")
        async with self._running("phones", "phones", answering):
            bound = len(self._phones.callees)
            await self._passes("binding", "registers", binding, _BINDING_RATE, bound, *key)
            try:
                async with anyio.create_task_group() as both:
                    both.start_soon(self._passes, "registers", "registers", registers, rate, count, *key)
                    both.start_soon(self._passes, "calls", "calls", calls, rate, count)
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None  # the first to fail; what it tore down follows
            if leaving:
                gone = (*at, "-key", "expires", "0")
                await self._passes("leaving", "registers", ports(), rate, count, *gone)
        used = {"registers": registers, "calls": calls}
        return Heard(used, {name: self._times(name) for name in used})

    def _inject(self, scenario: str, rows: Iterable[tuple[Account, str]]) -> None:
        """Write the file that the scenario's fields come from (0600): no password on a command line."""
        lines = ["SEQUENTIAL"]
        for phone, callee in rows:
            digest = f"[authentication username={phone.auth_user} password={phone.password.reveal()}]"
            lines.append(f"{phone.user};{phone.tenant};{digest};{callee}")
        file = self._folder / f"{scenario}.csv"
        file.touch(mode=0o600)
        file.write_text("\n".join([*lines, ""]))

    async def _passes(
        self, name: str, scenario: str, port: int, rate: float, count: int, *words: str
    ) -> None:
        injected = str(self._folder / f"{scenario}.csv")
        pace = ("-r", f"{rate:g}", "-m", str(count), "-inf", injected, f"{LOOPBACK}:{self._front}")
        async with self._running(name, scenario, port, *words, *pace) as process:
            try:
                with anyio.fail_after(count / rate + _SPARE):
                    code = await process.wait()
            except TimeoutError:
                raise PeerError(f"SIPp did not get through with its {name} in time") from None
        if code != 0:
            raise PeerError(f"SIPp's {name} ended with code {code}: not every one of them passed")

    @asynccontextmanager
    async def _running(self, name: str, scenario: str, port: int, *words: str) -> AsyncIterator[Process]:
        folder = self._folder / name
        folder.mkdir()
        command = ["sipp", "-sf", str(_SCENARIOS / f"{scenario}.xml"), "-i", LOOPBACK, "-p", str(port)]
        with (folder / "output.log").open("wb") as output:
            process = await anyio.open_process(
                [*command, "-nostdin", "-trace_rtt", "-rtt_freq", "1", *words],
                cwd=folder,
                env={**os.environ, "TERM": "dumb"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.aclose()

    def _times(self, name: str) -> dict[str, list[float]]:
        files = list((self._folder / name).glob("*_rtt.csv"))
        if len(files) != 1:
            raise PeerError(f"SIPp's {name} left {len(files)} rtt files instead of one")
        try:
            return read_times(files[0].read_text().splitlines())
        except (KeyError, ValueError) as error:
            raise PeerError(f"SIPp's rtt file of the {name} can't be understood: {error}") from None
