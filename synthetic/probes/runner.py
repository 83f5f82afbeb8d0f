"""Runs one flow against its deadline and says how it ended; what was put up is taken down in any case."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import anyio

from dialtone.model import Failure, FailureCode, Flow, Mark
from dialtone.ports import Clock
from dialtone.runtime.deadline import within
from synthetic.probes.base import FlowError, Phone, Run
from synthetic.probes.call import call
from synthetic.probes.register import register

FLOWS: Final[Mapping[Flow, Callable[[Run], Awaitable[None]]]] = {Flow.REGISTER: register, Flow.CALL: call}
PARTIES: Final[Mapping[Flow, tuple[str, ...]]] = {
    Flow.REGISTER: ("phone",),
    Flow.CALL: ("caller", "callee"),
}
"""What each flow does, and what it calls its phones, in the order of the request's accounts."""

TIDY: Final = 2.0
"""How long taking down may take after the end, in seconds, outside the probe's own timeout."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a flow ended. Timings, durations and marks are seconds; marks on the engine's clock."""

    failure: Failure | None
    status: int | None
    timings: Mapping[str, float]
    marks: tuple[Mark, ...]
    duration: float


async def run_flow(
    flow: Flow, clock: Clock, phones: tuple[Phone, ...], timeout: float, started: float
) -> Report:
    """Run a flow and tidy up after it. Never raises for what the platform does.

    The probe has `timeout` seconds from `started` on, an instant of the clock.
    """
    run = Run(clock, phones)
    remaining = timeout - (clock.monotonic() - started)
    failure, status = None, None
    try:
        await within(clock, remaining, lambda: FLOWS[flow](run))
        status = run.status
    except FlowError as error:
        failure, status = Failure(error.code, error.detail), error.status
    except TimeoutError:
        waited_for = run.interrupted or str(flow)
        failure = Failure(FailureCode.TIMEOUT, f"{waited_for}: not done {timeout:g} s after the start")
    finally:
        duration = clock.monotonic() - started
        with anyio.CancelScope(shield=True):
            await _tidy(run)
    return Report(failure, status, dict(run.timings), tuple(run.marks), duration)


async def _tidy(run: Run) -> None:
    """Let the phones leave, the caller first: a call that still rings is cancelled before its callee goes.

    Each has its share of the time, so that one that gets no answer doesn't keep the others from leaving.
    """
    for phone in run.phones:
        try:
            await within(run.clock, TIDY / len(run.phones), phone.leave)
        except FlowError as error:
            run.mark(f"{phone.party} could not leave: {error.detail}", run.clock.monotonic())
        except TimeoutError:
            run.mark(f"{phone.party} could not leave: no answer", run.clock.monotonic())
