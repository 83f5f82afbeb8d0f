"""One call between two SIPps, or between one and the platform: placed, answered, held and ended by cues.

The callee's SIPp waits on the port that its phone registered from: NAT helpers and Asterisk's rewrite_contact
send calls to the address that the REGISTER came from. The caller has a port of its own. Neither is told by
its scenario what the other has seen; so they are cued from here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dialtone.model import Account, Secret, Side
from sipp_flows.catalogue import CALLEE, CALLER
from sipp_flows.roles import Cue, Note
from synthetic.probes.waiting import PROOF
from synthetic.sipp.credentials import uri_user, write_injection
from synthetic.sipp.errand import MIN_WAIT, Errand
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Finished
from synthetic.sipp.stage import (
    SLACK,
    Act,
    client,
    folder_of,
    headers_of,
    milliseconds,
    on_stage,
    server,
)
from synthetic.sipp.threads import in_thread


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what: parties of the errand, `callee` None where the platform answers.

    `at_once`: the caller's answer can only be our callee's; else the platform may answer first. `meanwhile`
    is done once the call is up, with the caller; the call is held if it says so.
    """

    caller: str
    callee: str | None
    number: str
    hangs_up: Side
    at_once: bool
    meanwhile: Callable[[Act], Awaitable[bool]] | None = None


async def converse(errand: Errand, call: Call, port: int | None) -> tuple[dict[str, Leg], float]:
    """Make a call; return its runs by party, and when it was over by the clock. `port` is the callee's."""
    if call.callee is None or port is None:
        caller = await _place(errand, call, None)
        return {call.caller: caller}, errand.clock.monotonic()
    keys = {
        "probe": errand.request.id,
        "caller": uri_user(errand.account(call.caller)),
        "user": uri_user(errand.account(call.callee)),
        "ring": milliseconds(errand.request.plan.ring),
    }
    runs: dict[str, Leg] = {}
    folder = await folder_of(errand, f"{call.callee}-called")
    waiting = server(errand, call.callee, CALLEE, port, keys)
    async with on_stage(errand, call.callee, waiting, folder) as callee:
        if not callee.run.over:
            runs[call.caller] = await _place(errand, call, callee)
            if runs[call.caller].noted(Note.ENDED) is not None:
                await callee.notes(PROOF, Note.ENDED, Note.UNACKNOWLEDGED)
        over = errand.clock.monotonic()
        runs[call.callee] = callee.leg(await callee.stopped())
    return runs, over


async def _place(errand: Errand, call: Call, callee: Act | None) -> Leg:
    """Call. A caller that was not answered has SLACK more for its CANCEL."""
    calling = errand.account(call.caller)
    called = Account(errand.request.tenant, call.number, "", Secret(""))
    folder = await folder_of(errand, f"{call.caller}-calls")
    await in_thread(lambda: write_injection(folder, calling, calls=called))
    keys = {
        "probe": errand.request.id,
        "hold": milliseconds(errand.remaining + SLACK),  # it is cued before
        "headers": headers_of(errand),
    }
    uri = f"{uri_user(called)}@{called.tenant}"
    with errand.ports.free(errand.towards(call.caller).host) as port:
        invocation = client(errand, call.caller, CALLER, port, keys, errand.remaining, uri)
        async with on_stage(errand, call.caller, invocation, folder) as caller:
            await caller.notes(errand.remaining + MIN_WAIT, Note.ANSWERED, Note.REFUSED, Note.DENIED)
            if await caller.noted(Note.ANSWERED):
                await _talk(errand, call, caller, callee)
            return caller.leg(await _over(errand, caller))


async def _talk(errand: Errand, call: Call, caller: Act, callee: Act | None) -> None:
    """Hold the line once both ends have it, and have the right one hang up."""
    if callee is None or await _reached(errand, call, caller, callee):
        if call.meanwhile is None or await call.meanwhile(caller):
            await caller.waited_for(min(errand.request.plan.hold, errand.remaining))
        if call.hangs_up is Side.CALLEE and not caller.run.over:
            if callee is not None:
                await callee.cue(Cue.CUE, await callee.told(Note.ACKNOWLEDGED))
                await callee.notes(errand.remaining, Note.ENDED, Note.DROPPED)
                await caller.waited_for(PROOF)
            else:
                await caller.waited_for(errand.remaining)
    await caller.cue(Cue.CUE)


async def _reached(errand: Errand, call: Call, caller: Act, callee: Act) -> bool:
    """Wait until the callee has seen the ACK; it has less time where the answer can only be its own."""
    limit = PROOF if call.at_once else errand.remaining
    if not await _first(caller, callee, limit, Note.INVITED):
        return False
    ring = errand.request.plan.ring
    return await _first(caller, callee, min(ring + PROOF, errand.remaining), Note.ACKNOWLEDGED)


async def _first(caller: Act, callee: Act, within: float, note: Note) -> bool:
    """Wait for a note of the callee's for as long as the caller is there."""

    async def look() -> bool | None:
        return True if await callee.noted(note) else False if caller.run.over else None

    return await callee.until(within, look) or False


async def _over(errand: Errand, caller: Act) -> Finished:
    finished = await caller.waited_for(errand.remaining + MIN_WAIT)
    if finished is None:
        finished = await caller.ended(0.0 if await caller.noted(Note.ANSWERED) else SLACK)
    return finished
