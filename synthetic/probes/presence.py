"""presence: one phone of the tenant watches another, and is told when the other's state changes.

The presentity is put into the opposite state first. Then the watcher subscribes, and must be told that
opposite state before anything changes: so a notification that the platform had cached proves nothing. Then
the state is changed, the watcher must be told the new one, and ends its subscription: the platform must
confirm that and send the last NOTIFY (RFC 6665 4.4.1).

What changes the state is the plan's (`changed_by`):

- `publish`: the presentity publishes closed, then open (RFC 3903, PIDF), in a tuple of this run's own: what
  else is published of the user, by his phones or a run that died, is passed over where the platform tells
  tuples apart. Dialogs can't be published: that is `misconfigured`;
- `call`: the presentity calls `number`, or the watcher's own phone, which answers. Of dialogs (RFC 4235) the
  state is terminated before, early or confirmed during the call, and terminated again after it. Of presence
  it is whichever of open and closed it was not before the call, and again what it was after it.

Measures presence_delay: the first transmission of the PUBLISH, or of the INVITE, to the NOTIFY with the new
state. Counts what it registers and calls.

Fails with `wrong-state` where the watcher was told another state and not the right one in time, `no-notify`
where it was told nothing, `unexpected-message` where what it was told can't be read or the platform ended
the subscription by itself; a request that is refused or silent, and the call, fail as ever. A NOTIFY may take
six seconds: a presence server may hold one back for five (RFC 3856 6.10).
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import anyio

from dialtone.model import ChangedBy, EventPackage, FailureCode
from synthetic.probes.answering import Answerer
from synthetic.probes.attempts import dialled, place, register
from synthetic.probes.base import FlowError, Phone, Run
from synthetic.probes.waiting import dropped, first_cause, held, unless
from synthetic.probes.watching import Watch, subscribed

IDLE: Final = {EventPackage.PRESENCE: {"open", "closed"}, EventPackage.DIALOG: {"terminated"}}
"""What the watcher may be told before the call."""
BUSY: Final = {"open": {"closed"}, "closed": {"open"}, "terminated": {"early", "confirmed"}}
"""What it must be told during the call, by what it was told before."""


async def presence(run: Run) -> None:
    """Run the flow with the watcher and the presentity."""
    watcher, presentity = run.phones
    plan = run.plan
    if plan.changed_by is ChangedBy.CALL:
        await _by_call(run, watcher, presentity)
    elif plan.event is EventPackage.DIALOG:
        raise FlowError(
            FailureCode.MISCONFIGURED,
            "dialogs can't be published: set changed_by to call for the event dialog",
        )
    else:
        await _by_publish(run, watcher, presentity)


async def _by_publish(run: Run, watcher: Phone, presentity: Phone) -> None:
    before, after = "closed", "open"
    with run.step(f"{presentity.party} PUBLISH {before}"):
        await presentity.publish(before)
    watch = await subscribed(run, watcher, presentity)
    await watch.told({before}, "before the change")
    with run.step(f"{presentity.party} PUBLISH {after}"):
        published = await presentity.publish(after)
    run.status = published.status
    run.mark("published", published.sent)
    await _changed(run, watch, {after}, published.sent)
    await watch.end()


async def _by_call(run: Run, watcher: Phone, presentity: Phone) -> None:
    """Change the state by a call. What calls registers, as a phone does; so does the watcher to be called."""
    number = run.plan.number
    for phone in (presentity,) if number else (presentity, watcher):
        registered = await register(run, phone)
        run.mark(f"{phone.party} registered", registered.received)
    watch = await subscribed(run, watcher, presentity)
    before = (await watch.told(IDLE[run.plan.event], "before the call")).state or ""
    if number:
        await _call(run, watch, before, presentity, number)
    else:
        answerer = Answerer(run, watcher, ring=run.plan.ring)
        with answerer.excusing(), first_cause():
            async with anyio.create_task_group() as group:
                group.start_soon(answerer.play)
                await _call(run, watch, before, presentity, dialled(run, watcher), answerer)
                group.cancel_scope.cancel()
    await watch.end()


async def _call(
    run: Run, watch: Watch, before: str, presentity: Phone, number: str, answerer: Answerer | None = None
) -> None:
    outgoing = await place(run, presentity, number)
    setup = outgoing.setup
    run.status = setup.status
    run.mark("answered", setup.answered)
    endings: list[Callable[[], Awaitable[object]]] = [outgoing.ended]
    if answerer is not None:
        await answerer.reached()
        endings.append(answerer.ended.wait)
    await unless(
        lambda: dropped().within("hold"),
        lambda: _changed(run, watch, BUSY[before], setup.sent),
        *endings,
    )
    await held(run, *endings)
    with run.step(f"{presentity.party} BYE"):
        ended = await outgoing.hang_up()
    run.mark("hung up", ended.sent)
    if answerer is not None:
        await answerer.hung_up_on()
    run.counts["session_complete"] += 1
    await watch.told({before}, "after the call", since=ended.sent)


async def _changed(run: Run, watch: Watch, states: Collection[str], sent: float) -> None:
    """Wait for the new state; `sent` is when the request that changed it first left."""
    notified = await watch.told(states, "after the change", since=sent)
    run.timings["presence_delay"] = notified.at - sent
    run.mark(f"told {notified.state}", notified.at)
