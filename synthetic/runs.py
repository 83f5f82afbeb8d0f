"""How what an engine reports becomes the run that a Prober returns."""

from datetime import datetime

from dialtone.model import Evidence, Failure, Outcome, ProbeRequest, ProbeResult, ProbeRun
from synthetic.http.redaction import shown_url
from synthetic.probes.runner import Report


def ended_run(request: ProbeRequest, report: Report, evidence: Evidence, started: datetime) -> ProbeRun:
    """Return the run of a probe that an engine has made, however it ended."""
    failure = report.failure
    result = ProbeResult(
        id=request.id,
        probe=request.probe,
        flow=request.flow,
        engine=request.engine,
        tenant=request.tenant,
        target=shown_url(request.target),
        location=request.location,
        account=request.accounts[0].aor if request.accounts else "",
        origin=request.origin,
        slot=request.slot,
        attempt=request.attempt,
        started=started,
        duration=report.duration,
        outcome=Outcome.PASS if failure is None else failure.code.outcome,
        timings=report.timings,
        sip_status=report.status,
        failure=failure,
        counts=report.counts,
        media=report.media,
        interval=request.interval,
    )
    return ProbeRun(result, evidence)


def broken_run(
    request: ProbeRequest, failure: Failure, started: datetime, *, duration: float = 0.0
) -> ProbeRun:
    """Return the run of a probe that could not be made."""
    return ended_run(request, Report(failure, None, {}, (), duration), Evidence(), started)
