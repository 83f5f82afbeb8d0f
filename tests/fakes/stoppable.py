"""A program that stops badly, for the tests of run_until_signal; WORK has the ways."""

import asyncio
import socket
import sys
import time
from typing import Any

import anyio

from dialtone.runtime import logs
from dialtone.runtime.stop import run_until_signal


def say(text: object) -> None:
    """Tell the test."""
    print(text, flush=True)  # noqa: T201 - the way to it


async def polite() -> None:
    """Stop when asked."""
    say("ready")
    await anyio.sleep_forever()


async def blocked() -> None:
    """Stop the loop itself at the signal."""
    say("ready")
    try:
        await anyio.sleep_forever()
    finally:
        time.sleep(60)  # noqa: ASYNC251 - a loop that stands still is what is tested


async def stubborn() -> None:
    """Go on in spite of the signal."""
    say("ready")
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()


async def looking_up() -> None:
    """Ask a name server that does not answer: the thread that waits for it can't be cancelled."""

    def hang(*_: Any, **__: Any) -> None:
        say("ready")
        time.sleep(60)

    socket.getaddrinfo = hang  # type: ignore[assignment]
    await asyncio.get_running_loop().getaddrinfo("sip1.clusterpbx.example", 5060)


WORK = {"polite": polite, "blocked": blocked, "stubborn": stubborn, "looking-up": looking_up}


async def main(work: str, grace: float) -> None:
    """Run the work, and say what stopped it."""
    logs.configure("info", "text", sys.stderr)
    caught = await run_until_signal(WORK[work], grace=grace)
    say(caught.name if caught else None)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
