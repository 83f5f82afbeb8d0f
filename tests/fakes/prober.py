"""A Prober that says what a test tells it to."""

from collections import deque
from collections.abc import Sequence

from dialtone.model import Evidence, Failure, FailureCode, Mark, Outcome, ProbeRequest, ProbeResult, ProbeRun
from dialtone.ports import Clock


class FakeProber:
    """Ends its runs with these failures in order (None: pass), then passes; each takes `lasts` seconds."""

    def __init__(
        self, clock: Clock, failures: Sequence[FailureCode | None] = (), *, lasts: float = 0.0
    ) -> None:
        self.requests: list[ProbeRequest] = []
        self.running = 0
        self.most_at_once = 0
        self._clock = clock
        self._failures = deque(failures)
        self._lasts = lasts

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """End as told."""
        self.requests.append(request)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        started = self._clock.now()
        try:
            if self._lasts:
                await self._clock.sleep(self._lasts)
        finally:
            self.running -= 1
        code = self._failures.popleft() if self._failures else None
        result = ProbeResult(
            id=request.id,
            probe=request.probe,
            flow=request.flow,
            engine=request.engine,
            tenant=request.tenant,
            target=request.target,
            location=request.location,
            account=request.accounts[0].aor if request.accounts else "",
            origin=request.origin,
            slot=request.slot,
            attempt=request.attempt,
            started=started,
            duration=self._lasts,
            outcome=Outcome.PASS if code is None else code.outcome,
            timings={"rrd": 0.01} if code is None else {},
            sip_status=200 if code is None else None,
            failure=None if code is None else Failure(code, "as told"),
        )
        return ProbeRun(result, Evidence(marks=(Mark("ended", self._lasts),)))
