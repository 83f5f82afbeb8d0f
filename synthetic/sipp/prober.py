"""The SIPp engine as a Prober: a probe is a few short runs of the program in a folder of its own.

Whatever happens to SIPp is an inconclusive run, never an exception.
"""

import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import anyio
import anyio.to_thread
import structlog

from dialtone.model import Evidence, Failure, FailureCode, Flow, Mark, ProbeRequest, ProbeRun
from dialtone.ports import Clock
from synthetic.agents.target import local_address_towards, parse_target, resolve
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report
from synthetic.runs import broken_run, ended_run
from synthetic.sipp.credentials import UnusableAccountError, check
from synthetic.sipp.flows import Errand, Ports, Trip, travel
from synthetic.sipp.kernel import ReceiveBufferErrors
from synthetic.sipp.program import Sipp, SippLocator, SippMissingError
from synthetic.sipp.record import ACCURACY, marks, messages, timings
from synthetic.sipp.verdict import judge, left, lost_here, overloaded

PREFIX: Final = "sipp-"
"""Folders of probes are called sipp-<process id>-<random>."""
STALE: Final = 3600.0
"""Age in seconds from which a folder is nobody's, whatever process has its number now."""

_log = structlog.get_logger(__name__)


class SippProber:
    """Runs `register` and `call` on SIPp. Implements ports.Prober.

    `spool` is a folder for the files of running probes; `find` says where SIPp is.
    """

    def __init__(self, clock: Clock, spool: Path, find: Callable[[], Awaitable[Sipp]] | None = None) -> None:
        self._clock = clock
        self._spool = spool
        self._find = find or SippLocator().find
        self._ports = Ports()
        self._swept = False

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run one probe. Without SIPp, or with one that breaks down, it is inconclusive."""
        started, before = self._clock.now(), self._clock.monotonic()
        try:
            return await self._run(request, started, before)
        except SippMissingError as error:
            failure = Failure(FailureCode.ENGINE_MISSING, error.detail)
        except (UnusableAccountError, ValueError) as error:
            failure = Failure(FailureCode.MISCONFIGURED, str(error))
        except FlowError as error:
            failure = Failure(error.code, error.detail)
        except OSError as error:
            what = error.strerror or type(error).__name__
            failure = Failure(FailureCode.ENGINE_CRASHED, f"SIPp's files in {self._spool}: {what}")
        except Exception as error:  # noqa: BLE001 - the edge of a probe: the scheduler is told of no exception
            _log.exception("a probe was lost", probe=request.probe, tenant=request.tenant)
            failure = Failure(FailureCode.ENGINE_CRASHED, f"a fault of the engine: {type(error).__name__}")
        return broken_run(request, failure, started, duration=self._clock.monotonic() - before)

    async def _run(self, request: ProbeRequest, started: datetime, before: float) -> ProbeRun:
        target = parse_target(request.target)
        check(request.accounts)
        sipp = await self._find()
        next_hop = await resolve(target)
        host = local_address_towards(next_hop)
        folder = await anyio.to_thread.run_sync(self._new_folder)
        errand = Errand(
            sipp, request, next_hop, host, folder, self._clock, before + request.timeout, self._ports
        )
        try:
            lost = _receive_buffer_errors()
            trip = await travel(errand)
            lost = _receive_buffer_errors() - lost
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
        return _result(errand, trip, lost, started)

    def _new_folder(self) -> Path:
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(self._spool.glob(f"{PREFIX}*-*"))
        return Path(mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self._spool))


def _result(errand: Errand, trip: Trip, lost: int, started: datetime) -> ProbeRun:
    request, legs = errand.request, trip.legs
    verdict = judge(legs, call=request.flow is Flow.CALL)
    failure = overloaded(verdict.failure, sum(leg.lost for leg in trip.all))
    measured, clock_set = timings(legs.registration, legs.caller)
    begun = started.timestamp()
    named = [Mark(mark.name, mark.at - begun) for mark in marks(legs.registration, legs.callee, legs.caller)]
    named += [Mark(name, trip.duration) for name in _remarks(errand, trip, lost, clock_set)]
    report = Report(failure, verdict.status, measured, tuple(named), trip.duration)
    secrets = [account.password for account in request.accounts]
    evidence = Evidence(
        messages(trip.all, errand.next_hop, secrets, begun), tuple(sorted(named, key=lambda mark: mark.at))
    )
    return ended_run(request, report, evidence, started)


def _remarks(errand: Errand, trip: Trip, lost: int, clock_set: bool) -> Iterable[str]:
    """Say what a person should know about the record."""
    version = ".".join(map(str, errand.sipp.version))
    if clock_set:
        step = trip.legs.registration.finished.resolution * 1000
        yield f"the wall clock was set: timings in steps of {step:g} ms by SIPp {version}"
    else:
        yield f"timings in steps of {ACCURACY} by SIPp {version}"
    if trip.leaving is not None and (why := left(trip.leaving)) is not None:
        yield f"{trip.leaving.party} could not leave: {why}"
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


def _sweep(folders: Iterable[Path]) -> None:
    """Remove what killed processes left: their traces, and credentials perhaps."""
    for folder in folders:
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        try:
            stale = time.time() - folder.stat().st_mtime > STALE
        except OSError:
            continue
        if pid.isdigit() and (stale or not _alive(int(pid))) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
