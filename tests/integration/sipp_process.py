"""A SIPp that a test runs, and what has it end a call that it holds."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def sipp_process(
    folder: Path, name: str, port: int, *words: str | Path, calls: int, seconds: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run SIPp on a port of 127.0.0.1 until so many calls have ended; it is killed at the end of the block.

    What it says is in NAME.log in the folder, what it complains of in NAME.err.
    """
    with (folder / f"{name}.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("sipp", *words, "-m", str(calls), "-i", "127.0.0.1", "-p", str(port), "-nostdin"),
            # The timeout is a soft one; whoever waits has a harder one.
            *("-timeout", str(seconds), "-timeout_error", "-trace_err", "-error_file", f"{name}.err"),
            cwd=folder,
            env={**os.environ, "TERM": "dumb"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def told_to_end(call_id: str) -> bytes:
    """The INFO that the scenarios wait for, with just enough in it for SIPp to know the call."""
    return (
        f"INFO sip:held@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{call_id}\r\n"
        f"From: <sip:test@127.0.0.1>;tag=t\r\nTo: <sip:held@127.0.0.1>\r\nCall-ID: {call_id}\r\n"
        "CSeq: 1 INFO\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()
