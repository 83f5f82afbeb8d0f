"""The flow `http` as a Prober: one GET, as the tenant's browser or phone would send it."""

import asyncio
import ssl
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import aiohttp
import anyio
import structlog
from yarl import URL

from dialtone.model import Failure, FailureCode, Flow, Plan, ProbeRequest, ProbeRun, TlsPlan
from dialtone.ports import Clock
from dialtone.runtime.deadline import within
from synthetic.agents.tls import client_context
from synthetic.dns import Names
from synthetic.http.address import WebAddress, redirect, web_address
from synthetic.http.body import MAX_BODY, Body
from synthetic.http.connection import Connector, Progress
from synthetic.http.conversation import Conversation, status_of
from synthetic.http.failures import failure_of
from synthetic.http.redaction import SHOWN_BODY
from synthetic.lateness import LatenessMeter
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report
from synthetic.runs import ended_run

MAX_REDIRECTS: Final = 5
HELD: Final = 0.5
"""Seconds that our own loop may be held by other work before a timeout may be ours."""
HELD_TIMING: Final = 0.05
"""The same before the timings are left out: they are taken in that loop."""

_RIGHT: Final = (200,)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LAST_WORDS: Final = 0.5
"""Seconds that the text of a wrong answer is waited for, for the record."""
_CLOSING: Final = 1.0
_NO_LIMITS: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""Ours is the only deadline."""

_log = structlog.get_logger(__name__)


class HttpProber:
    """Runs the flow `http` in the service itself. Implements ports.Prober.

    It passes when the answer's status is one of the plan's (200 where it names none) and its first MiB has
    the plan's text. A redirect is followed within its origin alone, five at most.
    """

    def __init__(self, clock: Clock, names: Names | None = None) -> None:
        self._clock = clock
        self._names = names or Names()

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run one probe; trouble of our own is an inconclusive run."""
        started, begun = self._clock.now(), self._clock.monotonic()
        progress = Progress(self._clock)
        kept = Conversation(self._clock, begun, progress)
        attempt = _Attempt(request, self._clock, self._names, progress, kept)
        meter, loop_begun = LatenessMeter(), asyncio.get_running_loop().time()
        metering = asyncio.create_task(meter.run())
        failure: Failure | None = None
        try:
            await within(self._clock, request.timeout, attempt.make)
        except FlowError as error:
            failure = Failure(error.code, error.detail)
        except TimeoutError:
            late = f"not done {request.timeout:g} s after the start"
            failure = Failure(FailureCode.TIMEOUT, f"{progress.step}: {late}")
            if not attempt.ready:
                failure = Failure(FailureCode.OVERLOADED, f"reading the trusted certificates: {late}")
        except Exception as error:  # noqa: BLE001 - the edge of a probe: the scheduler is told of no exception
            # Without its message, which may hold the URL.
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            _log.error("a probe was lost", probe=request.probe, error=type(error).__name__, where=where)
            failure = Failure(FailureCode.ENGINE_CRASHED, f"a fault of the engine: {type(error).__name__}")
        finally:
            metering.cancel()
        duration, held = self._clock.monotonic() - begun, meter.held_since(loop_begun)
        timings = _timings(attempt.timings, held, kept)
        report = Report(_excused(failure, held), attempt.status, timings, (), duration)
        run = ended_run(request, report, kept.evidence(), started)
        expires = progress.certificate_expires
        return replace(run, result=replace(run.result, certificate_expires=expires))


class _Attempt:
    """One probe on its way; what it has found so far stays when the deadline strikes."""

    def __init__(
        self, request: ProbeRequest, clock: Clock, names: Names, progress: Progress, kept: Conversation
    ) -> None:
        self._request = request
        self._clock = clock
        self._names = names
        self._progress = progress
        self._kept = kept
        self.timings: dict[str, float] = {}
        self.status: int | None = None
        self.ready = False
        """Whether what is ours to do beforehand is done."""

    async def make(self) -> None:
        """Ask, and judge the answer. Raises FlowError."""
        request, plan = self._request, self._request.plan
        if request.flow is not Flow.HTTP:
            raise FlowError(FailureCode.MISCONFIGURED, f"the service runs http alone, not {request.flow}")
        try:
            address = web_address(request.target, request.tenant)
        except ValueError as error:
            raise FlowError(FailureCode.MISCONFIGURED, str(error)) from None
        context = await _trusted(plan.tls) if address.secure else None
        self.ready = True
        session = aiohttp.ClientSession(
            connector=Connector(self._progress, self._names),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_LIMITS,
            auto_decompress=False,
        )
        name = plan.tls.name or address.url.host or ""
        try:
            await self._ask(session, address, context, plan)
        except FlowError:
            raise
        except Exception as error:
            failure = failure_of(error, self._progress, address.place, name)
            if failure is None:
                raise
            raise failure from None
        finally:
            self._progress.cut()
            with anyio.move_on_after(_CLOSING, shield=True):
                await session.close()

    async def _ask(
        self, session: aiohttp.ClientSession, address: WebAddress, context: ssl.SSLContext | None, plan: Plan
    ) -> None:
        headers = _headers(self._request.id)
        url: URL | None = address.url
        for _ in range(MAX_REDIRECTS + 1):
            assert url is not None  # noqa: S101 - _judge raises where there is nowhere to go
            try:
                response = await session.get(
                    url,
                    headers=headers,
                    allow_redirects=False,
                    ssl=context if context is not None else True,
                    server_hostname=plan.tls.name if context is not None else None,
                )
            finally:
                self._kept.asked(url, headers)
            async with response:
                self._kept.answered(response)
                url = await self._judge(response, plan, address.place)
            if url is None:
                return
            self._progress.cut()
            self._progress.begin_again()
        raise FlowError(
            FailureCode.HTTP_STATUS, f"{address.place}: over {MAX_REDIRECTS} redirects", self.status
        )

    async def _judge(self, response: aiohttp.ClientResponse, plan: Plan, place: str) -> URL | None:
        """Read an answer to its end; return where it redirects to, None where it is the right one."""
        self.status = response.status
        body = Body()
        if response.status not in (plan.statuses or _RIGHT):
            there = None
            if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                there = redirect(response.url, location)
            if there is None:
                await self._last_words(response, body)
                raise FlowError(FailureCode.HTTP_STATUS, f"{place}: {_wrong(response, plan)}")
            return there
        try:
            await body.read(response)
        finally:
            self._kept.said(bytes(body.raw[: 2 * SHOWN_BODY]))
        self._measure(body)
        if plan.contains and plan.contains not in body.text(response):
            where = "" if body.whole else f" in its first {MAX_BODY >> 20} MiB"
            raise FlowError(
                FailureCode.HTTP_CONTENT, f"{place}: the answer lacks the text that is expected{where}"
            )
        return None

    def _measure(self, body: Body) -> None:
        begun = self._kept.begun
        if self._progress.first_byte is not None:
            self.timings["http_first_byte"] = self._progress.first_byte - begun
        if body.whole:
            self.timings["http_duration"] = self._clock.monotonic() - begun
            self._kept.mark("last byte")
        else:
            self._kept.mark(f"read no further than {MAX_BODY >> 20} MiB: there is no duration")

    async def _last_words(self, response: aiohttp.ClientResponse, body: Body) -> None:
        """Read what a wrong answer says, for the record; it may take its time, or break off."""
        try:
            await within(self._clock, _LAST_WORDS, lambda: body.read(response, 2 * SHOWN_BODY))
        except (TimeoutError, aiohttp.ClientError):
            pass
        finally:
            self._kept.said(bytes(body.raw))


async def _trusted(plan: TlsPlan) -> ssl.SSLContext:
    """Read the certificates of a plan, in a thread; a disk that hangs is left to it."""
    return await anyio.to_thread.run_sync(client_context, plan, abandon_on_cancel=True)


def _headers(probe_id: str) -> dict[str, str]:
    """Return what is sent beside Host: our name, and the probe's id for whoever reads the server's log."""
    return {
        "User-Agent": "Dialtone",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "X-Dialtone-Probe": probe_id,
    }


def _wrong(response: aiohttp.ClientResponse, plan: Plan) -> str:
    expected = " or ".join(map(str, plan.statuses or _RIGHT))
    away = response.status in _REDIRECTS and "Location" in response.headers
    return (
        f"{status_of(response)}{', which leads to another origin,' if away else ''} where {expected} is right"
    )


def _timings(measured: Mapping[str, float], held: float, kept: Conversation) -> Mapping[str, float]:
    if held <= HELD_TIMING or not measured:
        return measured
    kept.mark(f"timings are left out: our own loop was held for {held * 1000:.0f} ms")
    return {}


def _excused(failure: Failure | None, held: float) -> Failure | None:
    """Return the failure that it is where our own loop was held for that many seconds of the probe.

    A timeout alone may be ours: what the server's own bytes decided, it has said however late we heard it,
    and one that can hold our loop must not get itself excused by that.
    """
    if failure is None or failure.code is not FailureCode.TIMEOUT or held <= HELD:
        return failure
    what = f"our own loop was held for {held * 1000:.0f} ms"
    return Failure(FailureCode.OVERLOADED, f"{what}; without that: {failure.code}: {failure.detail}")
