"""The service's side of the worker: whatever happens to it is inconclusive, never an exception."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from dialtone.model import Evidence, FailureCode, Flow, Outcome
from dialtone.runtime.child import ChildDied, ChildRefused, ChildTimeout
from synthetic.agents.codec import encode_report
from synthetic.agents.link import SippyProber
from synthetic.probes.runner import Report
from tests.fakes.clock import FakeClock
from tests.fakes.sip_probes import a_request

GOOD = encode_report(Report(None, 200, {"rrd": 0.1}, (), 0.2), Evidence())


class FakeWorker:
    """Answers, or raises, what it is given."""

    def __init__(self, answer: dict[str, object] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[Mapping[str, object], float]] = []

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Answer as told."""
        self.asked.append((payload, timeout))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_report_becomes_a_run(clock: FakeClock) -> None:
    worker = FakeWorker(GOOD)
    run = await SippyProber(worker, clock).run(a_request(timeout=8.0))
    assert run.result.outcome is Outcome.PASS
    assert run.result.timings == {"rrd": 0.1}
    assert run.result.started == clock.now()
    (_, patience), *_ = worker.asked
    assert patience > 8.0


async def test_a_probe_started_when_the_worker_began_it_not_when_it_was_asked(clock: FakeClock) -> None:
    worker = FakeWorker({**GOOD, "began": clock.monotonic() + 0.75})
    run = await SippyProber(worker, clock).run(a_request())
    assert run.result.started == clock.now() + timedelta(seconds=0.75)


@pytest.mark.parametrize(
    "trouble",
    [
        ChildDied("worker was ended by SIGKILL"),
        ChildTimeout("worker did not answer"),
        ChildRefused("KeyError: 'flow'"),
        {"nonsense": True},
        {**GOOD, "timings": [1, 2]},
        {**GOOD, "failure": {"code": "no-such-code", "detail": ""}},
        {**GOOD, "messages": [["too", "short"]]},
    ],
)
async def test_a_broken_worker_is_inconclusive(
    clock: FakeClock, trouble: dict[str, object] | Exception
) -> None:
    run = await SippyProber(FakeWorker(trouble), clock).run(a_request())
    assert run.result.outcome is Outcome.INCONCLUSIVE
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.ENGINE_CRASHED


async def test_a_missing_library_is_said_before_any_password_travels(clock: FakeClock) -> None:
    worker = FakeWorker(GOOD)
    run = await SippyProber(worker, clock, library="no_such_sip_library").run(a_request(Flow.CALL))
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.ENGINE_MISSING
    assert worker.asked == []
