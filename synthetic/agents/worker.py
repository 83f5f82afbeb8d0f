"""The sippy engine: a child process that runs flows, `python -m synthetic.agents.worker`.

One probe is one set of phones on their own sockets, made for it and gone after it, so that nothing of a probe
can reach another. Where a target has several hops, it is a set for each hop that had to be tried.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final

import anyio

from dialtone.model import (
    Account,
    CalledFrom,
    Evidence,
    Failure,
    FailureCode,
    Mark,
    Message,
    ProbeRequest,
)
from dialtone.ports import Clock
from dialtone.runtime import garbage
from dialtone.runtime.childside import serve_requests
from dialtone.runtime.clock import SystemClock
from synthetic.address import hostport
from synthetic.agents.codec import decode_request, encode_report
from synthetic.agents.failover import Watch, Ways, said
from synthetic.agents.ours import Ours
from synthetic.agents.phone import SipPhone
from synthetic.agents.wirelog import Packet, WireLog
from synthetic.dns import Names
from synthetic.lateness import LatenessMeter
from synthetic.probes.base import FlowError
from synthetic.probes.parties import Party, parties
from synthetic.probes.runner import Report, run_flow
from synthetic.redaction import redactor
from synthetic.target import Hop, hops

LATE: Final = 0.1
"""A loop later than this during a probe, in seconds, makes it inconclusive."""
_SWEPT: Final = 8
"""Probes between two collections of garbage: each leaves some hundreds of objects in cycles.

Left to itself Python lets those of hundreds of probes pile up, since calls outlive its young generations, and
then holds the loop for half a second.
"""


class Worker:
    """Answers probe requests on the running loop. `late` is the tolerated lateness, in seconds."""

    def __init__(
        self, clock: Clock, meter: LatenessMeter, *, late: float = LATE, names: Names | None = None
    ) -> None:
        self._clock = clock
        self._meter = meter
        self._late = late
        self._names = names or Names()

    async def handle(self, payload: Mapping[str, Any]) -> dict[str, object]:
        """Run the probe of one request and report."""
        request = decode_request(payload)
        wire = WireLog()
        started = self._clock.monotonic()
        report = await self._run(request, wire)
        report = self._judge(report, wire, started)
        if report.failure is None and not request.evidence:
            return {**encode_report(report, Evidence()), "began": started}
        redact = redactor((account.password for account in request.accounts), wire.answers)
        if (failure := report.failure) is not None:  # it may repeat what a server says
            report = replace(report, failure=Failure(failure.code, redact(failure.detail)))
        return {**encode_report(report, _evidence(report, wire, started, redact)), "began": started}

    async def _run(self, request: ProbeRequest, wire: WireLog) -> Report:
        """Run the flow on the first hop that serves."""
        started = self._clock.monotonic()
        try:
            ways = await self._ways(request)
        except ValueError as error:
            return _no_start(Failure(FailureCode.MISCONFIGURED, str(error)), self._clock, started)
        except FlowError as error:
            return _no_start(Failure(error.code, error.detail), self._clock, started)
        marks: tuple[Mark, ...] = ()
        while True:
            remaining = request.timeout - (self._clock.monotonic() - started)
            watches = ways.watches(remaining)
            wire.begin()
            report = await self._attempt(request, wire, watches, started)
            marks += report.marks
            now = self._clock.monotonic()
            if report.failure is None or now - started >= request.timeout:
                break
            moved = ways.next(watches)
            if not moved:
                break
            marks += tuple(Mark(said(step, now - started), now) for step in moved)
        return replace(report, marks=marks)

    async def _ways(self, request: ProbeRequest) -> Ways:
        """Look up every target of a probe, all within its timeout. Raises ValueError and FlowError."""
        until = self._clock.monotonic() + request.timeout
        found: dict[str, tuple[Hop, ...]] = {}
        for target in (_way_of(party, request) for party in parties(request.flow, request.plan)):
            if target not in found:
                left = until - self._clock.monotonic()
                found[target] = await hops(target, self._names, within=left)
        return Ways(found)

    async def _attempt(
        self, request: ProbeRequest, wire: WireLog, watches: Mapping[str, Watch], started: float
    ) -> Report:
        """Run the flow on one hop of each target."""
        made: list[SipPhone] = []
        try:
            for party, account in _cast(request):
                watch = watches[_way_of(party, request)]
                try:
                    phone = _phone(party, account, watch.hop, request, wire)
                except FlowError as error:
                    watch.failed(error)
                    return _no_start(Failure(error.code, error.detail), self._clock, started)
                made.append(phone)
                watch.attach(phone.manager)
            return await run_flow(
                request.flow, request.plan, self._clock, tuple(made), request.timeout, started
            )
        finally:
            for watch in watches.values():
                watch.close()
            for phone in made:
                phone.close()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(*(phone.manager.gone() for phone in made))

    def _judge(self, report: Report, wire: WireLog, started: float) -> Report:
        """Return the report with our own lateness, and what the wire tells about a failure."""
        late = self._meter.worst_since(started)
        failure = report.failure
        if late > self._late:
            said = f"; without that: {failure.code}: {failure.detail}" if failure is not None else ""
            failure = Failure(
                FailureCode.OVERLOADED, f"our event loop was {late * 1000:.0f} ms late during the probe{said}"
            )
        elif failure is not None and failure.code is FailureCode.TIMEOUT:
            code = FailureCode.TIMEOUT
            party = failure.detail.partition(" ")[0]  # of the step, "caller BYE", that was not done
            trouble = wire.connection_trouble(party)
            if trouble is not None:
                code, failure = trouble.code, Failure(trouble.code, f"{failure.detail}; {trouble.detail}")
            elif wire.packets and not wire.left:
                code = FailureCode.NO_PORT  # our own firewall or network: the platform was never asked
            elif wire.nonsense and not wire.understood:
                code = FailureCode.UNEXPECTED_MESSAGE  # it does answer, but with nothing that is SIP
            failure = Failure(code, "; ".join([failure.detail, *wire.remarks()]))
        elif failure is not None and failure.code is FailureCode.NO_NOTIFY:
            lost = [trouble.detail for trouble in wire.troubles.values()]
            failure = Failure(failure.code, "; ".join([failure.detail, *lost, *wire.remarks()]))
        return replace(report, failure=failure)


def _target_of(party: Party, request: ProbeRequest) -> str:
    """Return what a party's requests are for."""
    return (request.plan.caller_target if party.calls else "") or request.target


def _way_of(party: Party, request: ProbeRequest) -> str:
    """Return where a party's packets go: with an outbound proxy, there (RFC 3261 8.1.2)."""
    return request.plan.outbound_proxy or _target_of(party, request)


def _cast(request: ProbeRequest) -> list[tuple[Party, Account | None]]:
    """Return the flow's parties, those that are phones of the tenant with the request's accounts in order."""
    accounts = iter(request.accounts)
    return [(p, next(accounts) if p.account else None) for p in parties(request.flow, request.plan)]


def _phone(party: Party, account: Account | None, hop: Hop, request: ProbeRequest, wire: WireLog) -> SipPhone:
    """Return the phone of one party. Raises FlowError."""
    plan = request.plan
    callers = {other.user for other in request.accounts if other != account}
    if plan.called_from is CalledFrom.TRUNK and plan.caller_id:
        callers.add(plan.caller_id)
    ours = Ours(request.id, frozenset(callers))
    return SipPhone(
        party.name,
        account,
        hop,
        plan,
        wire,
        ours,
        domain=request.tenant,
        target=plan.caller_target if party.calls and plan.caller_target else request.target,
        lasts=request.timeout,
    )


def _no_start(failure: Failure, clock: Clock, started: float) -> Report:
    return Report(failure, None, {}, (), clock.monotonic() - started)


def _evidence(report: Report, wire: WireLog, started: float, redact: Callable[[str], str]) -> Evidence:
    def message(packet: Packet) -> Message:
        text = packet.data.decode("utf-8", "backslashreplace")
        if packet.size > len(packet.data):
            text += f"\n[{packet.size - len(packet.data)} more bytes]"
        return Message(
            packet.at - started,
            packet.party,
            packet.direction,
            hostport(packet.source),
            hostport(packet.destination),
            packet.transport,
            redact(text),
        )

    marks = [Mark(redact(mark.name), mark.at - started) for mark in report.marks]
    if wire.dropped:
        marks.append(Mark(f"{wire.dropped} more messages are not kept", report.duration))
    return Evidence(
        tuple(sorted(map(message, wire.packets), key=lambda m: m.at)),
        tuple(sorted(marks, key=lambda m: m.at)),
    )


async def main() -> None:
    """Serve until the parent goes."""
    garbage.settle()
    meter, ended = LatenessMeter(), count(1)
    worker = Worker(SystemClock(), meter)

    async def handle(payload: Mapping[str, Any]) -> dict[str, object]:
        try:
            return await worker.handle(payload)
        finally:
            if not next(ended) % _SWEPT:
                gc.collect()

    async with anyio.create_task_group() as group:
        group.start_soon(meter.run)
        await serve_requests(handle)
        group.cancel_scope.cancel()


if __name__ == "__main__":
    asyncio.run(main())
