"""The service's side of the sippy engine: sends probes to the worker and makes runs of its reports.

Nothing here imports sippy, and whatever happens to the worker is an inconclusive run, never an exception.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import Final, Protocol

from dialtone.model import Failure, FailureCode, ProbeRequest, ProbeRun
from dialtone.ports import Clock
from dialtone.runtime.child import ChildError, ChildTimeout
from synthetic.agents.codec import decode_report, encode_request
from synthetic.agents.pool import worker_pool
from synthetic.probes.runner import TIDY
from synthetic.runs import broken_run, ended_run

WORKER: Final = "synthetic.agents.worker"
LIBRARY: Final = "sippy"
GRACE: Final = 3.0
"""How long after the probe's deadline and its tidying up the worker may take to report, in seconds."""


class Asks(Protocol):
    """What is needed of a worker, or of a pool of them."""

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Send a request, return its reply. Raises ChildError."""


class SippyProber:
    """Runs the SIP flows on sippy, in worker processes. Implements ports.Prober.

    `library` is what must be installed for the worker to start.
    """

    def __init__(self, worker: Asks, clock: Clock, *, library: str = LIBRARY) -> None:
        self._worker = worker
        self._clock = clock
        self._library = library
        self._installed = False

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run one probe. A worker that dies or falls silent makes it inconclusive; the next starts one."""
        started, before = self._clock.now(), self._clock.monotonic()
        self._installed = self._installed or find_spec(self._library) is not None
        if not self._installed:
            failure = Failure(
                FailureCode.ENGINE_MISSING, f"the Python package {self._library} is not installed"
            )
            return broken_run(request, failure, started)
        try:
            reply = await self._worker.request(
                encode_request(request), timeout=request.timeout + TIDY + GRACE
            )
            report, evidence = decode_report(reply)
        except ChildError as error:
            what = "fell silent" if isinstance(error, ChildTimeout) else "broke down"
            detail = f"the worker {what}: {error.detail}"
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            detail = f"the worker's report can't be understood: {type(error).__name__}: {error}"
        else:
            began = reply.get("began", before)
            if isinstance(began, float):  # on the clock of the machine, which both processes read
                started += timedelta(seconds=began - before)
            return ended_run(request, report, evidence, started)
        failure = Failure(FailureCode.ENGINE_CRASHED, detail)
        return broken_run(request, failure, started, duration=self._clock.monotonic() - before)


@asynccontextmanager
async def sippy_prober(clock: Clock) -> AsyncIterator[SippyProber]:
    """Own the workers for as long as the context lasts; the first probe starts the first."""
    async with worker_pool(WORKER, clock, grace=GRACE) as workers:
        yield SippyProber(workers, clock)
