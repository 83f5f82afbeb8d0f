"""A child process for the tests of ChildProcess: does what it is asked, the bad things too."""

import asyncio
import os
import signal
import sys
import time

import anyio

from dialtone.runtime.childside import serve_requests


async def handle(request: dict[str, object]) -> dict[str, object]:
    """Do what `do` says; an unknown word is an error."""
    match request["do"]:
        case "echo":
            return {"said": request.get("text")}
        case "pid":
            return {"pid": os.getpid(), "group": os.getpgrp()}
        case "environment":
            return {"names": sorted(os.environ), "argv": sys.orig_argv}
        case "wait":
            await anyio.sleep(float(str(request["seconds"])))
            return {"waited": True}
        case "block":
            time.sleep(60)  # noqa: ASYNC251 - a loop that stands still is what is tested
        case "print":
            print("a library that prints")  # noqa: T201 - likewise
            sys.stdout.flush()
            return {"read": sys.stdin.read()}
        case "complain":
            for number in range(int(str(request["lines"]))):
                sys.stderr.write(f"complaint {number}\n")
            sys.stderr.flush()
            return {}
        case "large":
            return {"text": "x" * int(str(request["size"]))}
        case "rubbish":
            os.write(int(str(request["fd"])), b"this is no JSON\n")
            return {}
        case "flood":
            with anyio.CancelScope(shield=True):
                os.set_blocking(int(str(request["fd"])), True)
                await anyio.to_thread.run_sync(os.write, int(str(request["fd"])), b"x" * (3 << 20))
        case "exit":
            sys.stderr.write("I have had enough\n")
            sys.stderr.flush()
            os._exit(int(str(request["status"])))
        case "ignore-sigterm":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            return {}
        case "beget":
            child = await anyio.open_process(["sleep", "600"], stdin=None, stdout=None, stderr=None)
            return {"pid": child.pid}
    raise ValueError(f"I can't do {request['do']}")


if __name__ == "__main__":
    asyncio.run(serve_requests(handle))
