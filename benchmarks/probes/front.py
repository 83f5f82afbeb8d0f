"""A platform to place probes at: the lab's SIP front, with phones enough for a rate of calls."""

import math
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.probes.load import Phones
from dialtone.model import Account, Secret
from lab import lab
from lab.configuration import ACCOUNTS
from lab.ports import LOOPBACK
from lab.sample import Size, sample

MOST_CALLS: Final = 200.0
"""Calls a second that there are phones for."""
_CALLEES: Final = 4
"""Phones of a tenant that are called; one more calls them."""
_BUSY: Final = 2.0
"""Seconds that there is a callee for each call, which lasts half a second."""
_FEWEST: Final = 6


@dataclass(frozen=True, slots=True)
class Front:
    """Where it listens, on UDP at LOOPBACK, what it is, and its phones."""

    port: int
    version: str
    phones: Phones

    @property
    def target(self) -> str:
        """The SIP URI that probes are for."""
        return f"sip:{LOOPBACK}:{self.port};transport=udp"


@asynccontextmanager
async def front(folder: Path, rate: float) -> AsyncIterator[Front]:
    """Have one in that folder for the time of the block. Raises LabError."""
    name = f"probes-{os.getpid()}"
    size = Size(clients=max(_FEWEST, math.ceil(rate * _BUSY / _CALLEES)), phones=_CALLEES + 1)
    try:
        state = await lab.up(name, only=["sip"], root=folder, size=size)
        accounts = [
            Account(phone.tenant, phone.user, phone.user, Secret(phone.password))
            for phone in sample(state.root / ACCOUNTS, size).phones
        ]
        port = int(state.addresses["sip"].rpartition(":")[2])
        yield Front(port, state.parts[0].says.partition(": ")[2], Phones.of(accounts))
    finally:
        with anyio.CancelScope(shield=True):
            await lab.down(name, root=folder)


def free_port() -> int:
    """Return a UDP port that nobody had bound a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])
