"""What a relay of RTP did: every packet that came and every one that went on, and when."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple, Self

MOST: Final = 20_000
"""Packets of one direction that are noted; of more only the counts are known."""


class Noted(NamedTuple):
    """One RTP packet. `at` is when it came, or the instant after it was sent on, in seconds since the relay
    began; `unsure` is how long the sending took: it left within that time before `at`.
    """

    sequence: int
    timestamp: int
    payload_type: int
    source: int
    at: float
    unsure: float = 0.0


@dataclass(slots=True)
class Truth:
    """What became of the RTP of one direction.

    `came` and `went` are in the order in which they did. `lost` counts what was dropped on purpose,
    `overflow` what found no room and `unaimed` what nobody had told an address for, where the truth would be
    no purpose any more. `touched` counts packets to which anything was done but being passed on. `reports`
    are the seconds that each RTCP packet took. `behind` is the most that a packet was sent on after it was
    due.
    """

    came: list[Noted] = field(default_factory=list)
    went: list[Noted] = field(default_factory=list)
    packets: int = 0
    lost: int = 0
    twice: int = 0
    touched: int = 0
    overflow: int = 0
    unaimed: int = 0
    reports: list[float] = field(default_factory=list)
    behind: float = 0.0

    @property
    def unsure(self) -> float:
        """The most that an instant of `went` can be wrong by, in seconds."""
        return max((packet.unsure for packet in self.went), default=0.0)

    def voice(self, packets: list[Noted]) -> list[Noted]:
        """Return those that are no telephone events."""
        return [packet for packet in packets if packet.payload_type < 96]


class Truths(NamedTuple):
    """Both directions of one call."""

    to_caller: Truth
    to_callee: Truth

    def encode(self) -> dict[str, Any]:
        """Return it as JSON's values."""
        return {name: asdict(truth) for name, truth in self._asdict().items()}

    @classmethod
    def decode(cls, tree: Mapping[str, Any]) -> Self:
        """Take apart what encode() returned, after JSON."""
        return cls(*(_decoded(tree[name]) for name in cls._fields))


def _decoded(tree: Mapping[str, Any]) -> Truth:
    noted = {name: [Noted(*packet) for packet in tree[name]] for name in ("came", "went")}
    return Truth(**{**tree, **noted})


def written(truths: list[Truths]) -> str:
    """Return the truth of every call as one line."""
    return json.dumps([truth.encode() for truth in truths], separators=(",", ":"))


def read(line: str | bytes) -> list[Truths]:
    """Return what written() wrote."""
    return [Truths.decode(tree) for tree in json.loads(line)]
