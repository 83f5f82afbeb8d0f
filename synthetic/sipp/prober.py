"""The SIPp engine as a Prober: a probe is a few short runs of the program in a folder of its own.

Whatever happens to SIPp is an inconclusive run, never an exception.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio
import structlog

from dialtone.model import Evidence, Failure, FailureCode, Mark, ProbeRequest, ProbeRun
from dialtone.ports import Clock
from synthetic.lateness import LatenessMeter
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report
from synthetic.runs import broken_run, ended_run
from synthetic.sipp.credentials import UnusableAccountError, check
from synthetic.sipp.errand import Errand, Way
from synthetic.sipp.excuses import excused, lost_here, overloaded
from synthetic.sipp.flows import journey
from synthetic.sipp.judging import judged, left
from synthetic.sipp.kernel import ReceiveBufferErrors
from synthetic.sipp.lateness import LATE
from synthetic.sipp.ports import Ports
from synthetic.sipp.program import Sipp, SippLocator, SippMissingError
from synthetic.sipp.record import ACCURACY, agreed, hiding, messages
from synthetic.sipp.spool import Spool
from synthetic.sipp.threads import in_thread
from synthetic.sipp.trip import Journey, Trip, asked_why
from synthetic.target import local_address_towards, parse_target, resolve

HELD: Final = 0.5
"""Seconds that our own loop may be held at a time by other work; it starts and ends the runs, and SIPp has
the time of the messages. Beyond it a failure may be ours."""

_log = structlog.get_logger(__name__)


class SippProber:
    """Runs the SIP flows on SIPp, over UDP. Implements ports.Prober.

    `spool` is a folder for the files of running probes; `find` says where SIPp is; `late` is
    how long it may wait for a CPU, in seconds, before its probes say nothing.
    """

    def __init__(
        self,
        clock: Clock,
        spool: Path,
        find: Callable[[], Awaitable[Sipp]] | None = None,
        *,
        late: float = LATE,
    ) -> None:
        self._clock = clock
        self._spool = Spool(spool)
        self._find = find or SippLocator().find
        self._ports = Ports()
        self._late = late

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run one probe. Without SIPp, or with one that breaks down, it is inconclusive."""
        started, before = self._clock.now(), self._clock.monotonic()
        try:
            return await self._run(request, started)
        except SippMissingError as error:
            failure = Failure(FailureCode.ENGINE_MISSING, error.detail)
        except (UnusableAccountError, ValueError) as error:
            failure = Failure(FailureCode.MISCONFIGURED, str(error))
        except FlowError as error:
            failure = Failure(error.code, error.detail)
        except OSError as error:
            what = error.strerror or type(error).__name__
            failure = Failure(FailureCode.ENGINE_CRASHED, f"SIPp's files in {self._spool.folder}: {what}")
        except Exception as error:  # noqa: BLE001 - the edge of a probe: the scheduler is told of no exception
            _log.exception("a probe was lost", probe=request.probe, tenant=request.tenant)
            failure = Failure(FailureCode.ENGINE_CRASHED, f"a fault of the engine: {type(error).__name__}")
        return broken_run(request, failure, started, duration=self._clock.monotonic() - before)

    async def _run(self, request: ProbeRequest, started: datetime) -> ProbeRun:
        flow = journey(request)
        check(request.accounts)
        sipp = await self._find()
        deadline = self._clock.monotonic() + request.timeout  # to find the program is not the platform's time
        way = await _way(request.target)
        callers_way = await _way(request.plan.caller_target) if request.plan.caller_target else way
        berth = await in_thread(self._spool.berth)
        errand = Errand(sipp, request, way, callers_way, berth.path, self._clock, deadline, self._ports)
        try:
            lost = _receive_buffer_errors()
            trip, held = await _measured(flow, errand)
            lost = _receive_buffer_errors() - lost
        finally:
            with anyio.CancelScope(shield=True):
                await in_thread(berth.leave)
        return _result(flow, errand, trip, lost, held, started, self._late)


async def _way(target: str) -> Way:
    """Return the way to a target: its first address. Raises ValueError and FlowError."""
    next_hop = await resolve(parse_target(target))
    return Way(next_hop, local_address_towards(next_hop))


async def _measured(flow: Journey, errand: Errand) -> tuple[Trip, float]:
    """Make the runs of a probe; return how long our own loop was held at a time meanwhile, too."""
    meter, start = LatenessMeter(), asyncio.get_running_loop().time()
    metering = asyncio.create_task(meter.run())
    try:
        trip = await flow.travel(errand)
        return await asked_why(trip), meter.worst_since(start)
    finally:
        metering.cancel()


def _result(
    flow: Journey, errand: Errand, trip: Trip, lost: int, held: float, started: datetime, tolerated: float
) -> ProbeRun:
    request = errand.request
    verdict = judged(flow, trip)
    late = max((leg.late for leg in trip.legs), default=0.0)
    failure, status = verdict.failure, verdict.status
    failure = overloaded(failure, status, sum(leg.lost for leg in trip.all), late, tolerated=tolerated)
    failure = excused(failure, status, held, tolerated=max(HELD, tolerated))
    measured, clock_set = agreed(flow.timings(trip))
    begun = started.timestamp()
    named = [Mark(mark.name, mark.at - begun) for mark in flow.marks(trip)]
    named += [Mark(name, trip.duration) for name in _remarks(errand, trip, lost, bool(measured), clock_set)]
    counts = {name: count for name, count in flow.counts(trip).items() if count}
    redact = hiding(trip.all, (account.password for account in request.accounts))
    named = [Mark(redact(mark.name), mark.at) for mark in named]  # these too may repeat what a server says
    if failure is not None:
        failure = Failure(failure.code, redact(failure.detail))
    report = Report(failure, verdict.status, measured, tuple(named), trip.duration, counts)
    evidence = Evidence(messages(trip.all, redact, begun), tuple(sorted(named, key=lambda mark: mark.at)))
    return ended_run(request, report, evidence, started)


def _remarks(errand: Errand, trip: Trip, lost: int, measured: bool, clock_set: bool) -> Iterable[str]:
    """Say what a person should know about the record."""
    version = ".".join(map(str, errand.sipp.version))
    if clock_set:
        step = max(leg.finished.resolution for leg in trip.legs) * 1000
        yield f"the wall clock was set: timings in steps of {step:g} ms by SIPp {version}"
    elif measured:
        yield f"timings in steps of {ACCURACY} by SIPp {version}"
    for leaving in trip.leaving:
        if (why := left(leaving)) is not None:
            yield f"{leaving.party} could not leave: {why}"
    yield from trip.remarks
    dropped = sum(leg.finished.dropped_messages for leg in trip.all)
    if dropped:
        yield f"{dropped} more messages are not kept"
    own = sum(leg.lost for leg in trip.all)
    if own:
        yield lost_here(own)
    if lost > own:
        yield f"{lost - own} datagrams of other programs were lost in full receive buffers"


def _receive_buffer_errors() -> int:
    try:
        return ReceiveBufferErrors.read().total
    except (OSError, ValueError):  # a kernel that doesn't tell: nothing is known to be lost
        return 0
