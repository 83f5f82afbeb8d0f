"""Both transfers on SIPp: three phones, each registered and then played by a SIPp on the same port.

The transferee calls the transferor, which answers, has the other side of that call place another to the
target (RFC 3515), or put the transferee in the place of a call of its own to the target (RFC 3891), and hangs
up. Nothing in SIP tells the target that the probe has seen enough: it is cued to hang up. Its ear, and the
voice of the transferee, are ours: SIPp makes no RTP.

SIPp can't be transferred itself. A platform that passes the REFER, or the INVITE with Replaces, on to the
phone instead of serving it is left to the other engine.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from dialtone.model import Account, Flow, Secret
from sipp_flows.roles import INJECTION, Cue, Note, Role
from sipp_flows.transfers import ATTENDED, BLIND, TARGET, TRANSFEREE
from synthetic.agents.sdp import read
from synthetic.media.port import MediaPort, voice
from synthetic.media.port import bound as media_port
from synthetic.probes.transfers import PROVEN
from synthetic.probes.waiting import PROOF, first_cause
from synthetic.sipp.credentials import uri_user, write_injection
from synthetic.sipp.errand import MIN_WAIT, Errand
from synthetic.sipp.record import Leg
from synthetic.sipp.registration import Bound, bound
from synthetic.sipp.run import Finished, Invocation
from synthetic.sipp.stage import SLACK, Act, client, folder_of, headers_of, milliseconds, on_stage, server
from synthetic.sipp.threads import in_thread
from synthetic.sipp.transfers_notified import concluded
from synthetic.sipp.trip import Trip

TRANSFEROR: Final = "transferor"
CALLING: Final = "transferee"
CALLED: Final = "target"
PHONES: Final = (TRANSFEROR, CALLING, CALLED)
_AGAIN: Final = 0.2
"""How often a SIPp is told to hang up again, in seconds."""
_LISTEN: Final = 0.05


def registration_of(party: str) -> str:
    """Return the name of a party's registration among the runs of a trip."""
    return f"{party} registration"


@dataclass(frozen=True, slots=True)
class Transfer(Trip):
    """A transfer that was made. `heard` is when the target heard the transferee first, in UTC seconds."""

    attended: bool = False
    heard: float | None = None


@dataclass(slots=True)
class _Voices:
    """The RTP ports of the three phones, and what the target has heard on its own."""

    ports: Mapping[str, MediaPort]
    heard: float | None = None
    done: anyio.Event = field(default_factory=anyio.Event)


async def travel(errand: Errand) -> Trip:
    """Register all three, place the call, and see it transferred; their bindings go in any case."""
    runs: dict[str, Leg] = {}
    phones: dict[str, Bound] = {}
    heard, over = None, errand.clock.monotonic()
    async with AsyncExitStack() as stack:
        for party in PHONES:
            phone = phones[party] = await stack.enter_async_context(bound(errand, party))
            runs[registration_of(party)] = phone.registration
            over = errand.clock.monotonic()
            if not phone.there:
                break
        else:
            more, heard = await _transferred(errand, phones)
            runs |= more
            over = errand.clock.monotonic()
    return Transfer(
        runs,
        errand.request.plan,
        errand.request.timeout,
        over - errand.started,
        tuple(phone.leaving for phone in phones.values() if phone.leaving is not None),
        attended=errand.request.flow is Flow.ATTENDED_TRANSFER,
        heard=heard,
    )


async def _transferred(errand: Errand, phones: Mapping[str, Bound]) -> tuple[dict[str, Leg], float | None]:
    """Let two phones wait on their ports and the third call; return their runs, and when RTP was heard."""
    runs: dict[str, Leg] = {}
    async with _voices(errand) as voices, AsyncExitStack() as stack:
        acts = {}
        for party, role in ((CALLED, TARGET), (TRANSFEROR, _transferors(errand))):
            invocation = await _waiting(errand, party, role, phones[party].port, voices.ports[party].port)
            acts[party] = await stack.enter_async_context(
                on_stage(errand, party, invocation, errand.folder / party)
            )
        if not any(act.run.over for act in acts.values()):
            runs[CALLING] = await _call(errand, phones[CALLING].port, acts, voices)
            if await acts[CALLED].noted(Note.ACKNOWLEDGED):
                await acts[CALLED].notes(PROOF, Note.ENDED, Note.UNACKNOWLEDGED)
        for party, act in acts.items():
            runs[party] = act.leg(await act.stopped())
    return runs, voices.heard


def _transferors(errand: Errand) -> Role:
    return ATTENDED if errand.request.flow is Flow.ATTENDED_TRANSFER else BLIND


async def _waiting(errand: Errand, party: str, role: Role, port: int, rtp: int) -> Invocation:
    """Return the run of a phone that waits for calls, its folder made."""
    others = [uri_user(errand.account(other)) for other in PHONES if other != party]
    account, plan = errand.account(party), errand.request.plan
    consulted = plan.consult or plan.dial
    keys = {
        "probe": errand.request.id,
        "first": others[0],
        "second": others[1],
        "user": uri_user(account),
        "rtp": str(rtp),
        "ring": milliseconds(0.0),
        "talk": milliseconds(plan.hold),
        "target": _dialled(errand, consulted if role is ATTENDED else plan.dial),
        "consult": _dialled(errand, consulted),
        "headers": headers_of(errand),
    }
    folder = await folder_of(errand, party)
    waiting = server(errand, party, role, port, {name: keys[name] for name in role.keys})
    if not role.injected:
        return waiting
    await in_thread(lambda: write_injection(folder, account))
    uri = f"{_dialled(errand, plan.dial)}@{account.tenant}"
    return replace(waiting, inject=INJECTION, digest_uri=uri, answer_within=errand.remaining)


def _dialled(errand: Errand, pattern: str) -> str:
    return uri_user(_number(errand, CALLED, pattern))


def _number(errand: Errand, party: str, pattern: str) -> Account:
    """Return how a phone of ours is dialled, as the account that the number would be."""
    account = errand.account(party)
    return Account(account.tenant, pattern.replace("{user}", account.user), "", Secret(""))


async def _call(errand: Errand, port: int, acts: Mapping[str, Act], voices: _Voices) -> Leg:
    """Call the transferor, hold the line until the transfer is through or the time is, and hang up."""
    number = _number(errand, TRANSFEROR, errand.request.plan.dial)
    folder = await folder_of(errand, CALLING)
    await in_thread(lambda: write_injection(folder, errand.account(CALLING), calls=number))
    keys = {
        "probe": errand.request.id,
        "rtp": str(voices.ports[CALLING].port),
        "hold": milliseconds(errand.remaining + SLACK),
        "headers": headers_of(errand),
    }
    uri = f"{uri_user(number)}@{number.tenant}"
    invocation = client(errand, CALLING, TRANSFEREE, port, keys, errand.remaining, uri)
    async with on_stage(errand, CALLING, invocation, folder) as act:
        proven = False
        with first_cause():
            async with anyio.create_task_group() as group:
                await act.notes(errand.remaining, Note.TALKING, Note.REFUSED, Note.DENIED)
                if not act.run.over:
                    group.start_soon(_speak, errand, act, voices)
                    group.start_soon(_listen, errand, voices)
                    proven = await _seen(errand, act, acts, voices)
                group.cancel_scope.cancel()
        return act.leg(await _hung_up(errand, act, acts[CALLED] if proven else None))


async def _seen(errand: Errand, caller: Act, acts: Mapping[str, Act], voices: _Voices) -> bool:
    """Wait until the transfer has come to an end, and for its proof; say whether there is one."""
    transferor, target = acts[TRANSFEROR], acts[CALLED]
    if not await caller.noted(Note.TALKING):
        return False
    await transferor.notes(errand.remaining, Note.PARTED)
    final = concluded(await transferor.messages())
    if final is None or final.status >= 300:
        return False
    if errand.request.flow is Flow.BLIND_TRANSFER:
        proven = await target.notes(
            min(PROVEN, errand.remaining), Note.ACKNOWLEDGED, Note.UNACKNOWLEDGED, Note.CANCELLED
        )
    elif proven := await target.noted(Note.ACKNOWLEDGED):
        with anyio.move_on_after(min(PROVEN, errand.remaining)):
            await voices.done.wait()
        proven = voices.done.is_set()
    await errand.clock.sleep(min(errand.request.plan.hold, errand.remaining))
    return proven


async def _hung_up(errand: Errand, act: Act, target: Act | None) -> Finished:
    """Have the target hang up where the transfer has succeeded, else (None) the transferee; wait for its end.

    A transferee that was not answered has SLACK for its CANCEL.
    """
    call_id = await act.told(Note.TALKING)
    if call_id is None:
        return await act.waited_for(errand.remaining + MIN_WAIT) or await act.ended(SLACK)
    until = errand.clock.monotonic() + SLACK
    if target is not None:
        await target.cue(Cue.CUE, await target.told(Note.ACKNOWLEDGED))
        if (finished := await act.waited_for(PROOF)) is not None:
            return finished
    while errand.clock.monotonic() < until:
        if not await act.noted(Note.HANGING_UP, Note.DROPPED):
            await act.cue(Cue.CUE, call_id)
        if (finished := await act.waited_for(_AGAIN)) is not None:
            return finished
    return await act.stopped()


@asynccontextmanager
async def _voices(errand: Errand) -> AsyncIterator[_Voices]:
    """Bind an RTP port for each phone: its descriptions must be true. Raises FlowError with no-port."""
    bound_ports: list[MediaPort] = []
    try:
        yield _Voices({party: media_port(errand.towards(party).host, bound_ports.append) for party in PHONES})
    finally:
        for port in bound_ports:
            port.close()


async def _speak(errand: Errand, act: Act, voices: _Voices) -> None:
    """Speak in the transferee's voice, to where the last description that came says."""
    port = voices.ports[CALLING]
    while True:
        described = [
            message.text.partition("\r\n\r\n")[2]
            for message in await act.messages()
            if message.direction == "received" and "\r\nm=audio " in message.text
        ]
        stream = read(described[-1]) if described else None
        if stream is not None and stream.address is not None:
            port.agreed(stream)
            if not port.speaking:
                port.speak(voice(errand.request.id, CALLING), lambda: True)
        await errand.clock.sleep(_LISTEN)


async def _listen(errand: Errand, voices: _Voices) -> None:
    """Note when the target hears the transferee, by the clock that SIPp stamps messages by."""
    at = await voices.ports[CALLED].hear(voice(errand.request.id, CALLING))
    voices.heard = errand.clock.now().timestamp() - max(0.0, errand.clock.monotonic() - at)
    voices.done.set()
