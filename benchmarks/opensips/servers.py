"""A big platform: its tenants, and OpenSIPS servers that speak of them, in a process of their own.

    python -m benchmarks.opensips.servers --tenants 2000 --nodes 10

It prints the ports of the servers as one line of JSON, and runs until its standard input is closed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web

PLATFORM: Final = "platform.example"
EVENTS: Final = ("invites", "answered", "completed", "failed_486", "failed_404")
"""What the script counts of each tenant."""
_CLIENTS: Final = 19
"""Clients of a reseller, which is a tenant too."""
_RECORDED: Final = Path(__file__).parents[2] / "tests" / "data" / "opensips" / "3.6.8"
_STOP: Final = 10.0
_UNKNOWN: Final = {"code": -32601, "message": "Method not found"}


def tenants(count: int) -> list[str]:
    """Return so many domains, resellers before their clients."""
    return [
        f"r{number // (_CLIENTS + 1)}.{PLATFORM}"
        if number % (_CLIENTS + 1) == 0
        else f"t{number}.r{number // (_CLIENTS + 1)}.{PLATFORM}"
        for number in range(count)
    ]


class Server:
    """What a server says: recordings of a real one, and each tenant's calls, which grow with each poll."""

    def __init__(self, domains: Sequence[str]) -> None:
        self._domains = domains
        self._polls = 0
        self._statistics = _recorded("live-get_statistics-all")
        self._kinds = _recorded("live-list_statistics")
        self._started = time.monotonic()
        for number, domain in enumerate(domains):
            for place, event in enumerate(EVENTS):
                self._statistics[f"tenants:{domain}_{event}"] = 1000 * number + place
                self._kinds[f"tenants:{domain}_{event}"] = "incremental"

    async def mi(self, request: web.Request) -> web.Response:
        """Answer a JSON-RPC request."""
        asked = await request.json()
        result = self._result(str(asked["method"]), asked.get("params", {}))
        said = {"error": _UNKNOWN} if result is None else {"result": result}
        return web.json_response({"jsonrpc": "2.0", **said, "id": asked["id"]})

    async def page(self, _: web.Request) -> web.Response:
        """Show the same as OpenSIPS's own module `prometheus` does."""
        self._go_on()
        lines = []
        for name, value in self._statistics.items():
            metric = "opensips_" + "".join(c if c.isalnum() else "_" for c in name)
            lines += [f"# TYPE {metric} gauge", f"{metric} {value}"]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")

    def _result(self, method: str, params: dict[str, list[str]]) -> object:
        match method:
            case "get_statistics":
                self._go_on()
                groups = tuple(params["statistics"])
                return {name: value for name, value in self._statistics.items() if name.startswith(groups)}
            case "list_statistics":
                return self._kinds
            case "profile_get_values":
                return [
                    {"value": domain, "count": (number + self._polls) % 9}
                    for number, domain in enumerate(self._domains)
                ]
            case "version" | "lb_list" | "ds_list" | "dr_gw_status":
                return json.loads((_RECORDED / f"live-{method}.json").read_bytes())["result"]
        return None

    def _go_on(self) -> None:
        self._polls += 1
        self._statistics["core:timestamp"] = int(time.monotonic() - self._started)
        for number, domain in enumerate(self._domains):
            for event in EVENTS:
                self._statistics[f"tenants:{domain}_{event}"] += number % 7


def _recorded(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((_RECORDED / f"{name}.json").read_bytes())["result"]
    return recorded


@contextmanager
def servers(count: int, clients: int) -> Iterator[list[int]]:
    """Run so many servers of so many tenants for the time of the block; yield their ports."""
    command = [sys.executable, "-m", "benchmarks.opensips.servers"]
    process = subprocess.Popen(
        [*command, "--nodes", str(count), "--tenants", str(clients)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - as asked for above
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate(timeout=_STOP)


async def _serve(nodes: int, domains: Sequence[str]) -> None:
    runners, ports = [], []
    for _ in range(nodes):
        server, app = Server(domains), web.Application()
        app.router.add_post("/mi", server.mi)
        app.router.add_get("/metrics", server.page)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        ports.append(runner.addresses[0][1])
    print(json.dumps(ports), flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    for runner in runners:
        await runner.cleanup()


def main(words: Sequence[str]) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser("benchmarks.opensips.servers")
    parser.add_argument("--tenants", type=int, default=2000)
    parser.add_argument("--nodes", type=int, default=1)
    arguments = parser.parse_args(words)
    asyncio.run(_serve(arguments.nodes, tenants(arguments.tenants)))


if __name__ == "__main__":
    main(sys.argv[1:])
