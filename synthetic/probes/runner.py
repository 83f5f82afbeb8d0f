"""Runs one flow against its deadline and says how it ended; what was put up is taken down in any case."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio

from dialtone.model import Failure, FailureCode, Flow, Mark, MediaStream, Outcome, Plan
from dialtone.ports import Clock
from dialtone.runtime.deadline import within
from synthetic.probes.attended_transfer import attended_transfer
from synthetic.probes.base import FlowError, Phone, Run
from synthetic.probes.blind_transfer import blind_transfer
from synthetic.probes.call import call
from synthetic.probes.options import options
from synthetic.probes.presence import presence
from synthetic.probes.register import register

FLOWS: Final[Mapping[Flow, Callable[[Run], Awaitable[None]]]] = {
    Flow.OPTIONS: options,
    Flow.REGISTER: register,
    Flow.CALL: call,
    Flow.PRESENCE: presence,
    Flow.BLIND_TRANSFER: blind_transfer,
    Flow.ATTENDED_TRANSFER: attended_transfer,
}
"""What each flow does, with the phones of its parties (see parties.py), in their order; http has none."""

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
    counts: Mapping[str, int] = field(default_factory=dict)
    media: tuple[MediaStream, ...] = ()


async def run_flow(
    flow: Flow, plan: Plan, clock: Clock, phones: tuple[Phone, ...], timeout: float, started: float
) -> Report:
    """Run a flow and tidy up after it. Never raises for what the platform does.

    The probe has `timeout` seconds from `started` on, an instant of the clock.
    """
    run = Run(clock, phones, plan)
    remaining = timeout - (clock.monotonic() - started)
    failure, status = None, None
    try:
        await within(clock, remaining, lambda: FLOWS[flow](run))
    except FlowError as error:
        failure, status = Failure(error.code, error.detail), error.status
    except TimeoutError:
        run.counts["invite_ineffective"] += run.unanswered
        late = f"not done {timeout:g} s after the start"
        if run.late is None:
            failure = Failure(FailureCode.TIMEOUT, f"{run.interrupted or flow}: {late}")
        else:
            failure, status = Failure(run.late.code, f"{run.late.detail}; {late}"), run.late.status
    else:
        failure, status = run.misheard, run.status if run.misheard is None else None
    finally:
        duration = clock.monotonic() - started
        with anyio.CancelScope(shield=True):
            await _tidy(run)
    if failure is not None and run.misheard is not None and failure is not run.misheard:
        failure, status = _both(run.misheard, failure, status)
    return Report(
        failure, status, dict(run.timings), tuple(run.marks), duration, dict(+run.counts), tuple(run.media)
    )


def _both(misheard: Failure, ended: Failure, status: int | None) -> tuple[Failure, int | None]:
    """Return what is said of a call that was not heard, and then did not end as it should.

    What came first decides, unless our own side may be to blame for it.
    """
    if misheard.code.outcome is Outcome.FAIL:
        return Failure(misheard.code, f"{misheard.detail}; then {ended.code}: {ended.detail}"), None
    return Failure(ended.code, f"{ended.detail}; {misheard.code}: {misheard.detail}"), status


async def _tidy(run: Run) -> None:
    """Let the phones leave, callers first: a call that still rings is cancelled before its callee goes.

    Each has its share of the time that is left, so that one that gets no answer doesn't keep the others from
    leaving.
    """
    until = run.clock.monotonic() + TIDY
    phones = list(dict.fromkeys([*run.callers, *run.phones]))
    for waiting, phone in zip(range(len(phones), 0, -1), phones, strict=True):
        share = (until - run.clock.monotonic()) / waiting
        try:
            await within(run.clock, share, phone.leave)
        except FlowError as error:
            run.mark(f"{phone.party} could not leave: {error.detail}", run.clock.monotonic())
        except TimeoutError:
            run.mark(f"{phone.party} could not leave: no answer", run.clock.monotonic())
