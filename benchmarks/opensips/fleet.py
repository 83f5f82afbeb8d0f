"""What a service costs that watches ten servers of a big platform: CPU, memory, and a scrape every 15 s."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import yaml

from benchmarks.opensips.servers import PLATFORM, servers, tenants
from benchmarks.processes import Holding, cpu, holding
from benchmarks.service import serving

MOST_CPU: Final = 0.1
"""Cores that it may use on average."""
MOST_MEMORY: Final = 200_000_000
"""Bytes of its own that it may hold at the most."""
_INTERVAL: Final = 15.0
_WARM_UP: Final = 45.0
_PORT: Final = 19_876


@dataclass(frozen=True, slots=True)
class Usage:
    """What the service and its child processes used: cores, bytes at the most, lines of its last page."""

    cores: float
    memory: int
    lines: int
    up: int

    @property
    def right(self) -> bool:
        """Whether it is within the limits."""
        return self.cores < MOST_CPU and self.memory < MOST_MEMORY


async def measure(folder: Path, nodes: int, clients: int, seconds: float) -> Usage:
    """Run the service that long. Raises ServiceError."""
    with servers(nodes, clients) as ports:
        config = _configure(folder, ports, clients)
        async with serving(config) as service:
            pid = service.process.pid
            await anyio.sleep(_WARM_UP)
            begun, before = time.monotonic(), cpu(holding(pid, 0).pids)
            looks: list[Holding] = []
            while (left := begun + seconds - time.monotonic()) > 0:
                page = await service.scrape()
                looks.append(await anyio.to_thread.run_sync(holding, pid, time.monotonic()))
                await anyio.sleep(min(left, _INTERVAL))
            used = cpu(looks[-1].pids) - before
            took = time.monotonic() - begun
    lines = page.splitlines()
    up = sum(line.startswith("dialtone_up{") and line.endswith(" 1.0") for line in lines)
    series = sum(not line.startswith("#") for line in lines)
    return Usage(used / took, max(look.memory for look in looks), series, up)


def _configure(folder: Path, ports: list[int], clients: int) -> Path:
    document = {
        "location": "here",
        "data": str(folder / "data"),
        "listen": f"127.0.0.1:{_PORT}",
        "platform": {"domain": PLATFORM},
        "tenants": [{"domain": domain} for domain in tenants(clients)],
        "nodes": [
            {
                "name": f"sip{place}",
                "kind": "opensips",
                "mi": f"http://127.0.0.1:{port}/mi",
                "interval": "15s",
            }
            for place, port in enumerate(ports)
        ],
    }
    path = folder / "dialtone.yaml"
    path.write_text(yaml.safe_dump(document))
    return path
