"""How many packets of each stream there were and were lost, by whoever counted them (pure)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dialtone.model import ProbeRun
from synthetic.agents.sdp import read
from synthetic.capture.records import Address

_ROW: Final = re.compile(
    r"\s*[0-9.]+\s+[0-9.]+\s+(\S+)\s+([0-9]+)\s+(\S+)\s+([0-9]+)\s+(0x[0-9A-Fa-f]{8})\s+(.*?)"
    r"\s+([0-9]+)\s+(-?[0-9]+) \(-?[0-9.]+%\).*"
)
"""tshark's table: begin, end, source and destination with ports, SSRC, payload, packets, lost (share), ..."""


@dataclass(frozen=True, slots=True)
class Count:
    """Packets that came, each once, and those that never did."""

    packets: int
    lost: int

    def __add__(self, other: "Count") -> "Count":
        return Count(self.packets + other.packets, self.lost + other.lost)


Counts = dict[tuple[Address, Address], Count]
"""By the way that a stream went. One call after another over the same two ports counts as one."""


def by_tshark(said: str) -> Counts:
    """Read what `tshark -q -z rtp,streams` says. Raises ValueError where that is no table of streams."""
    if "RTP Streams" not in said:
        raise ValueError("tshark shows no table of RTP streams")
    rows = (row for line in said.splitlines() if (row := _ROW.fullmatch(line)) is not None)
    return _added(
        (((row[1], int(row[2])), (row[3], int(row[4]))), Count(int(row[7]), int(row[8]))) for row in rows
    )


def by_analysis(report: Mapping[str, Any]) -> Counts:
    """Read the JSON of `dialtone capture analyze`. Raises KeyError, TypeError and ValueError for another."""
    return _added(
        (
            (_address(stream["source"]), _address(stream["destination"])),
            Count(stream["packets"] - stream["duplicates"], stream["lost"]),
        )
        for stream in report["streams"]
    )


def by_answerers(runs: Iterable[ProbeRun]) -> Counts:
    """Return what the phones themselves counted, as their listeners had it, of calls that left evidence."""
    counted = []
    for run in runs:
        ports = media_ports(run)
        for stream in run.result.media:
            if stream.speaker in ports and stream.listener in ports:
                way = ports[stream.speaker], ports[stream.listener]
                counted.append((way, Count(stream.received, stream.lost)))
    return _added(counted)


def media_ports(run: ProbeRun) -> dict[str, Address]:
    """Return where each party of a call takes RTP, by the descriptions that it sent."""
    ports = {}
    for message in run.evidence.messages:
        body = message.text.partition("\r\n\r\n")[2] or message.text.partition("\n\n")[2]
        if message.direction == "sent" and body.startswith("v=0"):
            address = read(body).address
            if address is not None:
                ports[message.party] = address
    return ports


@dataclass(frozen=True, slots=True)
class Compared:
    """Streams of ours: how many, and in how many of them somebody has another count than the phones.

    `missing` are streams of the phones that they do not show.
    """

    streams: int
    missing: int
    packets: int
    lost: int

    @property
    def same(self) -> bool:
        """Whether there are streams, and nothing differs."""
        return self.streams > 0 and not (self.missing or self.packets or self.lost)


def compare(theirs: Counts, ours: Counts) -> Compared:
    """Hold theirs against ours; what is in theirs alone is other traffic of the machine."""
    both = [(theirs[way], count) for way, count in ours.items() if way in theirs]
    return Compared(
        len(ours),
        len(ours) - len(both),
        sum(one.packets != other.packets for one, other in both),
        sum(one.lost != other.lost for one, other in both),
    )


def _added(counted: Iterable[tuple[tuple[Address, Address], Count]]) -> Counts:
    found: Counts = {}
    for way, count in counted:
        found[way] = found.get(way, Count(0, 0)) + count
    return found


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
