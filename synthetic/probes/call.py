"""call: a phone of the tenant, or the trunk's side, calls through the platform, is answered, and it ends.

Whom it calls, and who answers, is the plan's:

- another phone of ours, by its own number (`dial`), or by one that the platform leads to it (`number`: a DID,
  a ring group, a queue, a gateway and back). That phone registers, rings (180) for `ring` seconds, answers;
- the platform itself (`number`: echo, IVR, voicemail, conference, or a far side behind a gateway), with or
  without ringing or early media before its answer. There is one phone then, which doesn't register.

The call is held for `hold` seconds; then the caller hangs up, or with `hangs_up: callee` the called side: our
phone after the same time, the platform when it likes, within the probe's timeout.

Measures SRD (RFC 6076 4.3, successes only), PDD, SDD (4.4) and SDT (4.5), the last two as whoever sends the
BYE sees them; a platform that hangs up leaves SDD out. A network that delivers the 200 before the 180 leaves
the 200 to end SRD and PDD. A callee of ours has its own processing inside SRD and PDD; its ringing time is
not: it rings at once. Counts the INVITE by its answer (4.6 to 4.8), and the session once both sides saw all
of it (4.9).

Fails when a leg is refused or silent, and also when the caller is satisfied but the callee is not: the call
was answered by somebody else, its ACK or its BYE never arrived. Behind a number the platform may answer first
and call our phone then; so that has until the probe's timeout. A side that is hung up on too early fails with
`unexpected-message`, a platform that should hang up and doesn't with `timeout`. The callee takes the probe's
own call alone; others get a 486.

Session descriptions are exchanged over ports that are really bound. Without `media` in the plan none is sent.
With it each side of ours speaks in its own voice (G.711), once the caller has its 200 and the callee its ACK,
for `seconds`, and then sends the digits of `dtmf` to the other; the call is held for that time at least. What
each side heard is reported direction by direction, loss from end to end. It fails, the worst cause first,
with `crossed-media` where a voice is heard that is not of this call, `no-media` where no side hears what it
should, `one-way-media` where one doesn't, `no-dtmf` where digits don't arrive, and `poor-media` where a
direction is under the plan's `mos`. A platform that answers is heard by one side: the caller's own voice come
back, or any sound. A description that lets no audio through is `no-media` if none that does follows within a
second. That verdict is told once the call is over and measured, for it is none of setup or teardown (RFC 6076
4.9); what fails there follows it in the detail.

Packets are counted from the first on. Through Asterisk 16 and 22, queues and ring groups too, none is lost;
where a Local channel is optimised away the first one is, in one direction. That is 20 ms of the first word,
which people miss too, and 1 % of a talk of 2 s.
"""

from typing import Final

import anyio

from dialtone.model import AnsweredBy, FailureCode, Plan, Side
from synthetic.probes.answering import BYE_LOST, Answerer
from synthetic.probes.attempts import dialled, place, register
from synthetic.probes.base import Exchange, FlowError, OutgoingCall, Phone, Run
from synthetic.probes.talking import converse, listen_out
from synthetic.probes.waiting import PROOF as PROOF
from synthetic.probes.waiting import first_cause, soon

RING: Final = Plan().ring
HOLD: Final = Plan().hold
"""How long the callee rings and the answered call is held where a plan doesn't say, in seconds."""


async def call(run: Run) -> None:
    """Run the flow with the caller, and the callee where a phone of ours answers."""
    if run.plan.answered_by is AnsweredBy.PLATFORM:
        (caller,) = run.phones
        await _to_the_platform(run, caller)
    else:
        caller, callee = run.phones
        await _to_a_phone(run, caller, callee)
    run.counts["session_complete"] += 1


async def _to_the_platform(run: Run, caller: Phone) -> None:
    plan = run.plan
    if not plan.number:
        raise FlowError(FailureCode.MISCONFIGURED, "a call that the platform answers needs a number to dial")
    outgoing = await _placed(run, caller, plan.number)
    if plan.hangs_up is Side.CALLER:
        await converse(run, [(caller, outgoing)], outgoing.ended)
        await _hang_up(run, caller, outgoing)
        return
    with run.step("platform BYE"):
        at = await listen_out(run, (caller, outgoing), outgoing.ended)
    run.timings["sdt"] = at - outgoing.setup.answered
    run.mark(f"{caller.party} hung up on", at)


async def _to_a_phone(run: Run, caller: Phone, callee: Phone) -> None:
    registered = await register(run, callee)
    run.mark(f"{callee.party} registered", registered.received)
    answerer = Answerer(run, callee, ring=run.plan.ring)
    with answerer.excusing(), first_cause():
        async with anyio.create_task_group() as group:
            group.start_soon(answerer.play)
            await _between_phones(run, caller, answerer)
            group.cancel_scope.cancel()


async def _between_phones(run: Run, caller: Phone, callee: Answerer) -> None:
    outgoing = await _placed(run, caller, run.plan.number or dialled(run, callee.phone))
    await callee.reached(at_once=not run.plan.number)
    sides = [(caller, outgoing), (callee.phone, callee.call)]
    await converse(run, sides, outgoing.ended, callee.ended.wait)
    if run.plan.hangs_up is Side.CALLER:
        await _hang_up(run, caller, outgoing)
        await callee.hung_up_on()
        return
    _measure_end(run, outgoing, await callee.hang_up())
    with run.step(f"{caller.party} BYE"):
        run.mark(f"{caller.party} hung up on", await soon(run, outgoing.ended, BYE_LOST))


async def _placed(run: Run, caller: Phone, number: str) -> OutgoingCall:
    outgoing = await place(run, caller, number, through=run.plan.caller_target)
    setup = outgoing.setup
    run.status = setup.status
    run.timings["srd"] = (setup.answered if setup.progress is None else setup.progress) - setup.sent
    run.timings["pdd"] = (setup.answered if setup.ringing is None else setup.ringing) - setup.sent
    run.mark("answered", setup.answered)
    return outgoing


async def _hang_up(run: Run, caller: Phone, outgoing: OutgoingCall) -> None:
    with run.step(f"{caller.party} BYE"):
        ended = await outgoing.hang_up()
    _measure_end(run, outgoing, ended)
    run.mark("hung up", ended.sent)


def _measure_end(run: Run, outgoing: OutgoingCall, ended: Exchange) -> None:
    run.timings["sdd"] = ended.received - ended.sent
    run.timings["sdt"] = ended.sent - outgoing.setup.answered
