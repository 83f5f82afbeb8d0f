"""The canary: a probe against our own answerer on loopback, which separates our fault from the platform's."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
import structlog

from dialtone.model import (
    CONFIRM_AFTER,
    Engine,
    Failure,
    FailureCode,
    Flow,
    Origin,
    Outcome,
    Plan,
    ProbeRequest,
)
from dialtone.ports import Clock, Prober
from dialtone.runtime.deadline import within
from synthetic.answerer import Answerer, answering

EVERY: Final = 60.0
"""Seconds between two canaries of an engine that is in use, whether or not probes fail."""
FRESH: Final = 5.0
"""Seconds for which a canary that failed speaks for the probes around it."""
FRESH_PASS: Final = CONFIRM_AFTER / 2
"""The same of one that passed: a failure and its confirmation are never both judged by the same one."""
TIMEOUT: Final = 3.0
"""Seconds that a canary may take: on loopback, where a register flow takes some milliseconds."""
_BEYOND: Final = 10.0
"""Seconds after which an engine that does not even end its canary is given up."""
_NAME: Final = "canary"

_log = structlog.get_logger(__name__)


class Canary:
    """Runs canaries, one at a time an engine; their results go nowhere but here.

    `answerer` is None where it could not be started, for the reason `why`: then every canary fails.
    """

    def __init__(
        self, probers: Mapping[Engine, Prober], clock: Clock, answerer: Answerer | None, *, why: str = ""
    ) -> None:
        self._probers = probers
        self._clock = clock
        self._answerer = answerer
        self._why = why
        self._last: dict[Engine, tuple[float, Failure | None]] = {}
        self._locks = {engine: anyio.Lock() for engine in Engine}

    @property
    def successes(self) -> Mapping[Engine, bool]:
        """Whether the last canary of each engine that had one passed."""
        return {engine: failure is None for engine, (_, failure) in self._last.items()}

    async def trouble(self, engine: Engine) -> Failure | None:
        """Return what is wrong with our own side, None where nothing is.

        What was found a moment ago is not asked again.
        """
        async with self._locks[engine]:
            last = self._last.get(engine)
            if last is not None:
                ended, failure = last
                if self._clock.monotonic() - ended <= (FRESH_PASS if failure is None else FRESH):
                    return failure
            return await self._try(engine)

    async def check(self, engine: Engine) -> None:
        """Run a canary now: what the schedule does, so that trouble of ours shows before anything fails."""
        async with self._locks[engine]:
            await self._try(engine)

    async def _try(self, engine: Engine) -> Failure | None:
        failure = await self._run(engine)
        before = self._last.get(engine)
        if failure is not None and (before is None or before[1] is None):
            _log.error(
                "our own canary fails: probes of this engine that fail are inconclusive",
                engine=engine,
                failure=failure.code,
                detail=failure.detail,
            )
        elif failure is None and before is not None and before[1] is not None:
            _log.info("our own canary passes again", engine=engine)
        self._last[engine] = self._clock.monotonic(), failure
        return failure

    async def _run(self, engine: Engine) -> Failure | None:
        prober = self._probers.get(engine)
        if prober is None:
            return Failure(FailureCode.ENGINE_MISSING, f"there is no engine {engine} here")
        if self._answerer is None:
            return Failure(FailureCode.NO_PORT, f"our answerer could not start: {self._why}")
        request = _request(engine, self._answerer)
        try:
            run = await within(self._clock, TIMEOUT + _BEYOND, lambda: prober.run(request))
        except TimeoutError:
            return Failure(FailureCode.ENGINE_CRASHED, f"engine {engine} did not end its canary")
        if run.result.outcome is Outcome.PASS:
            return None
        return run.result.failure or Failure(FailureCode.ENGINE_CRASHED, "the canary ended without a reason")


def _request(engine: Engine, answerer: Answerer) -> ProbeRequest:
    web = engine is Engine.SERVICE
    return ProbeRequest(
        id=str(uuid.uuid4()),
        probe=_NAME,
        flow=Flow.HTTP if web else Flow.REGISTER,
        engine=engine,
        tenant=answerer.account.tenant,
        target=answerer.http if web else answerer.sip,
        location=_NAME,
        accounts=() if web else (answerer.account,),
        origin=Origin.SCHEDULE,
        slot=0,
        attempt=1,
        timeout=TIMEOUT,
        plan=Plan(),
    )


@asynccontextmanager
async def canary_of(probers: Mapping[Engine, Prober], clock: Clock) -> AsyncIterator[Canary]:
    """Own the answerer and its canary; without a port on loopback there is a canary that says so."""
    async with AsyncExitStack() as stack:
        try:
            answerer = await stack.enter_async_context(answering(clock))
        except OSError as error:
            yield Canary(probers, clock, None, why=str(error))
        else:
            yield Canary(probers, clock, answerer)
