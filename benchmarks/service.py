"""The service as its users run it, `dialtone serve`, for as long as a benchmark looks at it."""

import asyncio
import gzip
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import yaml
from prometheus_client.parser import text_string_to_metric_families

_READY: Final = 60.0
_STOP: Final = 30.0
_ANSWER: Final = 10.0
_AS_PROMETHEUS: Final = {"Accept-Encoding": "gzip"}


class ServiceError(Exception):
    """The service did not start, ended by itself or does not answer. The message says what."""


@dataclass(slots=True)
class Service:
    """A service that runs under an address (http://...); `code` is how it ended, None if it was killed."""

    address: str
    process: asyncio.subprocess.Process
    code: int | None = None

    def check(self) -> None:
        """Raise ServiceError where it has ended by itself."""
        if self.process.returncode is not None:
            raise ServiceError(f"the service ended by itself with {self.process.returncode}")

    async def sums(self, metric: str, label: str) -> dict[str, float]:
        """Return a metric's values, summed by one label. Raises ServiceError."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(await self.scrape()):
            for sample in family.samples if family.name == metric else ():
                name = sample.labels[label]
                sums[name] = sums.get(name, 0.0) + sample.value
        return sums

    async def scrape(self) -> str:
        """Return its exposition. Raises ServiceError."""
        self.check()
        return await self._get("/metrics")

    async def wait_ready(self) -> None:
        """Return when it answers. Raises ServiceError."""
        deadline = time.monotonic() + _READY
        while time.monotonic() < deadline:
            self.check()
            try:
                await self._get("/healthz")
            except ServiceError:
                await anyio.sleep(0.5)
            else:
                return
        raise ServiceError(f"the service did not answer on {self.address} within {_READY:g} s")

    async def stop(self) -> None:
        """End it as systemd would."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            with anyio.fail_after(_STOP, shield=True):
                self.code = await self.process.wait()
        except TimeoutError:
            self.process.kill()

    async def _get(self, path: str) -> str:
        def get() -> str:
            request = urllib.request.Request(self.address + path, headers=_AS_PROMETHEUS)  # noqa: S310 - ours
            with urllib.request.urlopen(request, timeout=_ANSWER) as answer:  # noqa: S310 - ours
                packed = answer.headers["Content-Encoding"] == "gzip"
                return (gzip.decompress(answer.read()) if packed else answer.read()).decode()

        try:
            return await anyio.to_thread.run_sync(get)
        except OSError as error:
            raise ServiceError(f"the service does not answer on {self.address}: {error}") from None


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Service]:
    """Run `dialtone serve` on a file; what it logs is in serve.log beside that. Raises ServiceError."""
    address, log = f"http://{_listen(config)}", config.with_name("serve.log")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dialtone", "serve", str(config)), stdout=output, stderr=output
        )
        service = Service(address, process)
        try:
            await service.wait_ready()
            yield service
        except ServiceError as error:
            raise ServiceError("\n".join([str(error), *_tail(log)])) from None
        finally:
            await service.stop()


def _listen(config: Path) -> str:
    return str(yaml.safe_load(config.read_text())["listen"])


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-5:]
