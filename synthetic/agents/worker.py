"""The sippy engine: a child process that runs flows, `python -m synthetic.agents.worker`.

One probe is one set of phones on their own sockets, made for it and gone after it, so that nothing of a probe
can reach another.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

import anyio

from dialtone.model import Evidence, Failure, FailureCode, Mark, Message, ProbeRequest
from dialtone.ports import Clock
from dialtone.runtime.childside import serve_requests
from dialtone.runtime.clock import SystemClock
from synthetic.address import hostport
from synthetic.agents.calls import Ours
from synthetic.agents.codec import decode_request, encode_report
from synthetic.agents.phone import SipPhone
from synthetic.agents.wirelog import Packet, WireLog
from synthetic.lateness import LatenessMeter
from synthetic.probes.base import FlowError
from synthetic.probes.runner import PARTIES, Report, run_flow
from synthetic.redaction import redact
from synthetic.target import parse_target, resolve

LATE: Final = 0.1
"""A loop later than this during a probe, in seconds, makes it inconclusive."""


class Worker:
    """Answers probe requests on the running loop. `late` is the tolerated lateness, in seconds."""

    def __init__(self, clock: Clock, meter: LatenessMeter, *, late: float = LATE) -> None:
        self._clock = clock
        self._meter = meter
        self._late = late

    async def handle(self, payload: Mapping[str, Any]) -> dict[str, object]:
        """Run the probe of one request and report."""
        request = decode_request(payload)
        wire = WireLog()
        started = self._clock.monotonic()
        report = await self._run(request, wire)
        report = self._judge(report, wire, started)
        return encode_report(report, _evidence(request, report, wire, started))

    async def _run(self, request: ProbeRequest, wire: WireLog) -> Report:
        started = self._clock.monotonic()
        with ExitStack() as phones:
            try:
                made = []
                next_hop = await resolve(parse_target(request.target))
                users = frozenset(account.user for account in request.accounts)
                for party, account in zip(PARTIES[request.flow], request.accounts, strict=True):
                    ours = Ours(request.id, users - {account.user})
                    phone = SipPhone(party, account, next_hop, wire, ours)
                    phones.callback(phone.close)
                    made.append(phone)
            except ValueError as error:
                return _no_start(Failure(FailureCode.MISCONFIGURED, str(error)), self._clock, started)
            except FlowError as error:
                return _no_start(Failure(error.code, error.detail), self._clock, started)
            return await run_flow(request.flow, self._clock, tuple(made), request.timeout, started)

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
            if wire.packets and not wire.left:
                code = FailureCode.NO_PORT  # our own firewall or network: the platform was never asked
            elif wire.nonsense and not wire.understood:
                code = FailureCode.UNEXPECTED_MESSAGE  # it does answer, but with nothing that is SIP
            failure = Failure(code, "; ".join([failure.detail, *wire.remarks()]))
        return Report(failure, report.status, report.timings, report.marks, report.duration)


def _no_start(failure: Failure, clock: Clock, started: float) -> Report:
    return Report(failure, None, {}, (), clock.monotonic() - started)


def _evidence(request: ProbeRequest, report: Report, wire: WireLog, started: float) -> Evidence:
    secrets = [account.password for account in request.accounts]

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
            "udp",
            redact(text, secrets),
        )

    marks = [Mark(mark.name, mark.at - started) for mark in report.marks]
    if wire.dropped:
        marks.append(Mark(f"{wire.dropped} more messages are not kept", report.duration))
    return Evidence(
        tuple(sorted(map(message, wire.packets), key=lambda m: m.at)),
        tuple(sorted(marks, key=lambda m: m.at)),
    )


async def main() -> None:
    """Serve until the parent goes."""
    meter = LatenessMeter()
    async with anyio.create_task_group() as group:
        group.start_soon(meter.run)
        await serve_requests(Worker(SystemClock(), meter).handle)
        group.cancel_scope.cancel()


if __name__ == "__main__":
    asyncio.run(main())
