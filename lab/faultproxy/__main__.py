"""`python -m lab.faultproxy --listen PORT --target [HOST:]PORT --control PORT`: runs until SIGTERM.

The three options given again make one more proxy, which is steered by itself.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from lab.base import LabError
from lab.faultproxy.control import controlled
from lab.faultproxy.proxy import LOOPBACK, FaultProxy


def main(argv: Sequence[str] | None = None) -> int:
    """Run the proxy; return the exit code: 0 after SIGTERM or SIGINT, 1 when a port is busy."""
    given = _arguments(argv)
    try:
        asyncio.run(_run(list(zip(given.listen, given.target, given.control, strict=True))))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.faultproxy", description=__doc__)
    for name, kind, text in (
        ("listen", int, "port on 127.0.0.1 to listen on"),
        ("target", _address, "where to forward to"),
        ("control", int, "port on 127.0.0.1 to be steered on"),
    ):
        parser.add_argument(f"--{name}", type=kind, action="append", required=True, help=text)
    given = parser.parse_args(argv)
    if not len(given.listen) == len(given.target) == len(given.control):
        parser.error("--listen, --target and --control go together")
    return given


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or LOOPBACK, int(port)


async def _run(links: Sequence[tuple[int, tuple[str, int], int]]) -> None:
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    async with AsyncExitStack() as proxies:
        for listen, target, control in links:
            proxy = await proxies.enter_async_context(FaultProxy(target, port=listen))
            await proxies.enter_async_context(controlled(proxy, control))
        await told_to_end.wait()


if __name__ == "__main__":
    sys.exit(main())
