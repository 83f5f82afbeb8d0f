"""The demo's `dialtone serve`: a process of its own, as on a real machine."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import yaml
from anyio.abc import Process

from dialtone.model import Flow
from lab.base import LabError

_STOP: Final = 8.0
_TAIL: Final = 2000


def write_config(source: Path, webhook: str) -> Path:
    """Write the lab's configuration with one receiver added, next to it; return its path."""
    config = yaml.safe_load(source.read_text())
    config["alerts"] = {"receivers": [{"name": "demo", "url": webhook}]}
    path = source.with_name("demo.yaml")
    # JSON is YAML, and says exactly what was meant.
    path.write_text(json.dumps(config, indent=2))
    return path


def address(config: Path) -> str:
    """Return the base URL of the service with that configuration."""
    return f"http://{yaml.safe_load(config.read_text())['listen']}"


def flows(config: Path) -> tuple[str, ...]:
    """Return the flows that the service with that configuration tests, each once, in the order of Flow."""
    tested = {probe["flow"] for probe in yaml.safe_load(config.read_text()).get("probes", ())}
    return tuple(flow.value for flow in Flow if flow.value in tested)


@asynccontextmanager
async def serving(config: Path, log: Path, mark: Mapping[str, str]) -> AsyncIterator[Process]:
    """Run `dialtone serve` for the time of the block, its log in a file; stop it gracefully.

    `mark` is the lab's: `lab down` finds the service by it, should the demo be killed.
    """
    with log.open("wb") as output:
        process = await anyio.open_process(
            [sys.executable, "-m", "dialtone", "serve", str(config), "--log-format", "json"],
            stdin=None,
            stdout=output,
            stderr=output,
            # Ctrl-C is for the demo, which stops the service in its own time.
            start_new_session=True,
            env={**os.environ, **mark},
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
            with anyio.move_on_after(_STOP):
                await process.wait()
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def check_alive(process: Process, log: Path) -> None:
    """Raise LabError with the end of its log where the service has ended by itself."""
    if process.returncode is not None:
        tail = log.read_bytes()[-_TAIL:].decode(errors="replace")
        raise LabError(f"dialtone serve ended with {process.returncode}; the end of {log}:\n{tail}")
