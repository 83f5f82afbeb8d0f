"""Ends of ours that note besides when each packet came: the partners of those whose CPU is asked for."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from benchmarks.media.ends import serve
from benchmarks.media.lateness import Stamp, lateness
from benchmarks.media.own_ends import OwnEnds
from dialtone.quality import Reception

_TAKES: Final = "add"
"""What is called with each packet that counts."""


class NotingEnds(OwnEnds):
    """Tells how late packets came, by the kernel's stamps."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: dict[int, list[Stamp]] = {}
        counts = Reception.add

        def add(self_: Reception, sequence: int, timestamp: int, at: float, *, timed: bool = True) -> int:
            self._noted.setdefault(id(self_), []).append((timestamp, at))
            return counts(self_, sequence, timestamp, at, timed=timed)

        setattr(Reception, _TAKES, add)

    def more(self) -> Mapping[str, object]:
        return {"lateness": asdict(lateness(self._noted.values()))}


if __name__ == "__main__":
    asyncio.run(serve(NotingEnds()))
