"""`python -m lab.faultproxy --listen PORT --target [HOST:]PORT --control PORT`: runs until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from lab.base import LabError
from lab.faultproxy.control import controlled
from lab.faultproxy.proxy import LOOPBACK, FaultProxy


def main(argv: Sequence[str] | None = None) -> int:
    """Run the proxy; return the exit code: 0 after SIGTERM or SIGINT, 1 when a port is busy."""
    given = _arguments(argv)
    host, _, port = given.target.rpartition(":")
    try:
        asyncio.run(_run(given.listen, (host or LOOPBACK, int(port)), given.control))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.faultproxy", description=__doc__)
    parser.add_argument("--listen", type=int, required=True, help="port on 127.0.0.1 to listen on")
    parser.add_argument("--target", required=True, help="where to forward to")
    parser.add_argument("--control", type=int, required=True, help="port on 127.0.0.1 to be steered on")
    return parser.parse_args(argv)


async def _run(listen: int, target: tuple[str, int], control: int) -> None:
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    async with FaultProxy(target, port=listen) as proxy, controlled(proxy, control):
        await told_to_end.wait()


if __name__ == "__main__":
    sys.exit(main())
