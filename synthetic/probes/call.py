"""call: one phone of the tenant calls another through the platform; it rings, is answered, held and ended.

The callee registers, the caller INVITEs the callee's address of record, the callee rings (180) and answers,
the caller holds the line briefly and hangs up.

Measures SRD (RFC 6076 4.3, successes only), PDD, SDD (4.4) and SDT (4.5). A network that delivers the 200
before the 180 leaves the 200 to end SRD and PDD. The callee is ours, so its own processing is inside SRD
and PDD; its ringing time is not: it rings at once.

Fails when a leg is refused or silent, and also when the caller is satisfied but the callee is not: the call
was answered by somebody else, its ACK or its BYE never arrived. The callee takes the probe's own call alone;
others get a 486. Session descriptions are exchanged, over really bound ports; no media is sent.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from dialtone.model import FailureCode
from dialtone.runtime.deadline import within
from synthetic.probes.base import FlowError, OutgoingCall, Phone, Run

RING: Final = 0.2
HOLD: Final = 0.3
"""How long the callee rings and the answered call is held, in seconds."""
PROOF: Final = 2.0
"""How long what the caller saw may take to show at the callee, in seconds."""

T = TypeVar("T")


class _Callee:
    """What has been seen at the callee."""

    def __init__(self) -> None:
        self.invited = anyio.Event()
        self.acknowledged = anyio.Event()
        self.ended = anyio.Event()

    async def play(self, run: Run, phone: Phone) -> None:
        """Take one call: ring, answer, see the ACK and the BYE."""
        incoming = await phone.next_call()
        run.mark("callee invited", incoming.received)
        self.invited.set()
        incoming.ring()
        await run.clock.sleep(RING)
        with run.step(f"{phone.party} answer"):
            incoming.answer()
        run.mark("callee acknowledged", await incoming.acknowledged())
        self.acknowledged.set()
        run.mark("callee hung up on", await incoming.ended())
        self.ended.set()


async def call(run: Run) -> None:
    """Run the flow with two phones, caller and callee."""
    caller, callee = run.phones
    with run.step(f"{callee.party} REGISTER"):
        registered = await callee.register()
    run.mark("callee registered", registered.received)
    seen = _Callee()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(seen.play, run, callee)
            await _place(run, caller, callee, seen)
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        # Both sides may fail at once; the first is the cause, what it tore down follows.
        cause = errors.exceptions[0]
        if isinstance(cause, FlowError) and callee.turned_away and not seen.invited.is_set():
            # A stranger's call, or ours with nothing left to know it by: neither is the platform's failure.
            raise FlowError(
                FailureCode.ACCOUNT_BUSY,
                "the callee turned away a call that it could not know for ours, neither by the header"
                f" X-Dialtone-Probe nor by the caller's user in From; {cause.detail}",
                cause.status,
            ) from None
        raise cause from None


async def _place(run: Run, caller: Phone, callee: Phone, seen: _Callee) -> None:
    with run.step(f"{caller.party} INVITE"):
        outgoing = await caller.invite(callee.user)
    setup = outgoing.setup
    run.status = setup.status
    run.timings["srd"] = (setup.answered if setup.progress is None else setup.progress) - setup.sent
    run.timings["pdd"] = (setup.answered if setup.ringing is None else setup.ringing) - setup.sent
    run.mark("answered", setup.answered)
    with run.step(f"{callee.party} answer"):
        await _soon(run, seen.invited.wait, "the call was answered, but not by our callee", _NOT_OURS)
        await _soon(run, seen.acknowledged.wait, "the ACK did not arrive", FailureCode.TIMEOUT)
    with run.step("hold"):
        await _hold(run, outgoing)
    with run.step(f"{caller.party} BYE"):
        ended = await outgoing.hang_up()
    run.timings["sdd"] = ended.received - ended.sent
    run.timings["sdt"] = ended.sent - setup.answered
    run.mark("hung up", ended.sent)
    with run.step(f"{callee.party} BYE"):
        await _soon(run, seen.ended.wait, "the BYE was confirmed, but did not arrive", FailureCode.TIMEOUT)


_NOT_OURS: Final = FailureCode.UNEXPECTED_MESSAGE


async def _hold(run: Run, outgoing: OutgoingCall) -> None:
    """Stay on the line. Raises FlowError when the other side hangs up meanwhile."""
    try:
        await within(run.clock, HOLD, outgoing.ended)
    except TimeoutError:
        return
    raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "the platform ended the call that had been answered")


async def _soon(run: Run, wait: Callable[[], Awaitable[T]], otherwise: str, code: FailureCode) -> None:
    try:
        await within(run.clock, PROOF, wait)
    except TimeoutError:
        raise FlowError(code, f"{otherwise} within {PROOF:g} s") from None
