"""presence on SIPp: the watcher's subscription in one run, the presentity's publication or call in others.

The watcher's NOTIFYs are read here while its run goes on, and the others told what to do next.
"""

import math
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio

from dialtone.model import ChangedBy, EventPackage, FailureCode, Side
from sipp_flows.catalogue import PRESENTITY, WATCHER
from sipp_flows.roles import Cue, Note, Role
from synthetic.presence_documents import CLOSED, OPEN, own_tuple, pidf
from synthetic.probes.base import FlowError, Notification
from synthetic.probes.presence import BUSY, IDLE
from synthetic.probes.runner import TIDY
from synthetic.probes.waiting import PROOF
from synthetic.probes.watching import TOLD
from synthetic.sipp.conversation import Call, converse
from synthetic.sipp.credentials import uri_user, write_injection
from synthetic.sipp.errand import Errand
from synthetic.sipp.notified import PACKAGES, notifications
from synthetic.sipp.presence_judging import (
    APART,
    CALLEE,
    CALLER,
    WATCHED,
    WATCHING,
    changed_at,
    counts,
    judge,
    marks,
    timings,
)
from synthetic.sipp.record import Leg, said
from synthetic.sipp.registration import bound
from synthetic.sipp.stage import Act, client, folder_of, on_stage
from synthetic.sipp.threads import in_thread
from synthetic.sipp.trip import Journey, Trip

_SOON: Final = 0.3
"""Seconds that a run has to end by itself once it has taken down what it put up."""


async def travel(errand: Errand) -> Trip:
    """Watch, change the state, watch, and end the subscription."""
    plan, runs, remarks = errand.request.plan, dict[str, Leg](), list[str]()
    leaving: tuple[Leg, ...] = ()
    if plan.changed_by is ChangedBy.CALL:
        over, leaving = await _by_call(errand, runs, remarks)
    elif plan.event is EventPackage.DIALOG:
        raise FlowError(
            FailureCode.MISCONFIGURED,
            "dialogs can't be published: set changed_by to call for the event dialog",
        )
    else:
        over = await _by_publish(errand, runs, remarks)
    duration = over - errand.started
    return Trip(
        runs, plan, errand.request.timeout, duration, leaving, remarks=tuple(remarks), probe=errand.request.id
    )


async def _by_publish(errand: Errand, runs: dict[str, Leg], remarks: list[str]) -> float:
    account = errand.account(WATCHED)
    entity = f"sip:{uri_user(account)}@{account.tenant}"
    own = own_tuple(errand.request.id)
    documents = {name: pidf(entity, state, own) for name, state in (("first", CLOSED), ("second", OPEN))}
    keys = {name: document.replace("\r\n", "") for name, document in documents.items()}
    over = errand.clock.monotonic
    async with _staying(errand, WATCHED, PRESENTITY, keys, runs, remarks) as presentity:
        if not await presentity.notes(errand.remaining, Note.PUBLISHED):
            return over()
        async with _watching(errand, runs, remarks) as watcher:
            if await _told(errand, watcher, {CLOSED}) is None:
                return over()
            await presentity.cue(Cue.CUE)
            if not await presentity.notes(errand.remaining, Note.CHANGED):
                return over()
            since = changed_at(said(await presentity.messages()), "PUBLISH", 2)
            if await _told(errand, watcher, {OPEN}, since) is not None:
                await _end(errand, watcher)
            return over()


async def _by_call(errand: Errand, runs: dict[str, Leg], remarks: list[str]) -> tuple[float, tuple[Leg, ...]]:
    """Change the state by a call; who is called must be bound, and who is watched, to count."""
    plan = errand.request.plan
    over, leaving = errand.clock.monotonic(), list[Leg]()
    async with bound(errand, WATCHED) as watched:
        runs[f"{WATCHED} registration"] = watched.registration
        if not watched.there:
            over = errand.clock.monotonic()
        elif plan.number:
            over = await _call(
                errand, runs, remarks, Call(WATCHED, None, plan.number, Side.CALLER, True), None
            )
        else:
            async with bound(errand, WATCHING) as watching:
                runs[f"{WATCHING} registration"] = watching.registration
                over = errand.clock.monotonic()
                if watching.there:
                    number = plan.dial.replace("{user}", errand.account(WATCHING).user)
                    call = Call(WATCHED, WATCHING, number, Side.CALLER, True)
                    over = await _call(errand, runs, remarks, call, watching.port)
            leaving += [] if watching.leaving is None else [watching.leaving]
    leaving += [] if watched.leaving is None else [watched.leaving]
    return over, tuple(leaving)


async def _call(
    errand: Errand, runs: dict[str, Leg], remarks: list[str], call: Call, port: int | None
) -> float:
    async with _watching(errand, runs, remarks) as watcher:
        before = await _told(errand, watcher, IDLE[errand.request.plan.event])
        if before is None or before.state is None:
            return errand.clock.monotonic()
        idle = before.state

        async def changed(caller: Act) -> bool:
            since = changed_at(said(await caller.messages()), "INVITE", 1)
            return await _told(errand, watcher, BUSY[idle], since) is not None

        made, over = await converse(errand, replace(call, meanwhile=changed), port)
        runs |= {CALLER: made[WATCHED]} if WATCHED in made else {}
        runs |= {CALLEE: made[WATCHING]} if WATCHING in made else {}
        caller = runs.get(CALLER)
        if caller is None or caller.noted(Note.ENDED) is None:
            return over
        since = changed_at(said(caller.finished.messages), "BYE", 1)
        if await _told(errand, watcher, {idle}, since) is not None:
            await _end(errand, watcher)
        return errand.clock.monotonic()


@asynccontextmanager
async def _watching(errand: Errand, runs: dict[str, Leg], remarks: list[str]) -> AsyncIterator[Act]:
    """Subscribe; the context begins once that is answered, or has failed."""
    event = errand.request.plan.event
    keys = {"event": str(event), "accept": PACKAGES[event][0]}
    async with _staying(errand, WATCHING, WATCHER, keys, runs, remarks) as watcher:
        await watcher.notes(errand.remaining, Note.SUBSCRIBED)
        yield watcher


@asynccontextmanager
async def _staying(
    errand: Errand,
    party: str,
    role: Role,
    keys: Mapping[str, str],
    runs: dict[str, Leg],
    remarks: list[str],
) -> AsyncIterator[Act]:
    """Run a scenario that puts something up, and waits to be told to take it down; it does so in any case."""
    account, watched = errand.account(party), errand.account(WATCHED)
    folder = await folder_of(errand, f"{party}-{role.path.stem}")
    calls = watched if party == WATCHING else None
    await in_thread(lambda: write_injection(folder, account, calls=calls))
    uri = f"{uri_user(watched)}@{watched.tenant}"
    within = errand.remaining + TIDY
    with errand.ports.free(errand.towards(party).host) as port:
        all_keys = {**keys, "expires": str(errand.life)}
        invocation = client(errand, party, role, port, all_keys, within, uri)
        async with on_stage(errand, party, invocation, folder) as act:
            try:
                yield act
            finally:
                with anyio.CancelScope(shield=True):
                    runs[party] = await _taken_down(errand, act, remarks)


async def _taken_down(errand: Errand, act: Act, remarks: list[str]) -> Leg:
    accepted = (Note.PUBLISHED, Note.SUBSCRIBED)
    await act.notes(_SOON, *accepted, Note.REFUSED, Note.DENIED)  # its answer may be on its way
    up = await act.noted(*accepted)
    down = act.run.over or await act.noted(Note.LEFT, Note.REFUSED, Note.DENIED)
    heard = await _heard(errand, act)
    if up and not down and all(notified.active for notified in heard):
        await _leave(act)
        if not await act.notes(TIDY / 2, Note.LEFT):
            remarks.append(f"{act.party} could not leave: no answer")
    ended = await act.waited_for(_SOON) if await act.noted(Note.LEFT) else None
    return act.leg(ended or await act.stopped())


async def _told(
    errand: Errand, watcher: Act, states: Collection[str], since: float = -math.inf
) -> Notification | None:
    """Wait for a NOTIFY with one of these states, not before an instant of UTC; None without one."""

    async def look() -> tuple[Notification | None] | None:
        for notified in await _heard(errand, watcher):
            if not notified.active:
                return (None,)
            if notified.at >= since - APART and notified.state in states:
                return (notified,)
        return None

    found = await watcher.until(min(TOLD, errand.remaining), look)
    return None if found is None else found[0]


async def _heard(errand: Errand, act: Act) -> list[Notification]:
    request = errand.request
    return notifications(said(await act.messages()), request.plan.event, request.id)


async def _end(errand: Errand, watcher: Act) -> None:
    """Unsubscribe and wait for the last NOTIFY."""

    async def look() -> bool | None:
        heard = await _heard(errand, watcher)
        return None if all(notified.active for notified in heard) else True

    await _leave(watcher)
    if await watcher.notes(errand.remaining, Note.LEFT):
        await watcher.until(min(PROOF, errand.remaining), look)


async def _leave(act: Act) -> None:
    """Tell it to take down what it put up, once it has answered what came: before, a cue has no place."""

    async def answered() -> bool | None:
        about = [message for message in said(await act.messages()) if message.method == "NOTIFY"]
        return None if about and about[-1].direction == "received" else True

    await act.until(_SOON, answered)
    await act.cue(Cue.LEAVE)


JOURNEY: Final = Journey(travel, judge, timings, marks, counts)
