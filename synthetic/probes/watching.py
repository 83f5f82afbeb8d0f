"""A subscription of ours, and what must come by it: the right state in time, and the end once it is ended."""

import math
from collections.abc import Collection
from typing import Final

from dialtone.model import FailureCode
from synthetic.probes.base import FlowError, Notification, Phone, Run, Subscription
from synthetic.probes.waiting import soon

TOLD: Final = 6.0
"""How long a NOTIFY may take, in seconds: a presence server may hold one back for five (RFC 3856 6.10)."""


async def subscribed(run: Run, watcher: Phone, presentity: Phone) -> "Watch":
    """Let one phone watch another. Raises FlowError, with the step."""
    with run.step(f"{watcher.party} SUBSCRIBE"):
        subscription = await watcher.subscribe(presentity.user, run.plan.event)
    run.mark("subscribed", subscription.accepted.received)
    return Watch(run, watcher.party, subscription)


class Watch:
    """What a watcher is told."""

    def __init__(self, run: Run, party: str, subscription: Subscription) -> None:
        self._run = run
        self._party = party
        self._subscription = subscription

    async def told(self, states: Collection[str], when: str, since: float = -math.inf) -> Notification:
        """Wait for a NOTIFY with one of these states; those that came before `since` don't count.

        `when` is for the detail of the failure. Raises FlowError, with the step.
        """
        sought = Sought(states, when)

        async def look() -> Notification:
            while True:
                notified = await self._subscription.notified()
                if not notified.active:
                    why = f" ({notified.reason})" if notified.reason else ""
                    raise FlowError(
                        FailureCode.UNEXPECTED_MESSAGE, f"the platform ended the subscription{why}"
                    )
                if notified.at >= since and sought.is_found(notified):
                    return notified

        with self._run.step(f"{self._party} NOTIFY", sought.missed):
            return await soon(self._run, look, sought.missed, TOLD)

    async def end(self) -> None:
        """End the subscription and see its last NOTIFY. Raises FlowError, with the step."""

        async def look() -> Notification:
            while (notified := await self._subscription.notified()).active:
                pass
            return notified

        with self._run.step(f"{self._party} unsubscribe"):
            await self._subscription.unsubscribe()
        with self._run.step(f"{self._party} last NOTIFY", unfinished):
            self._run.mark("unsubscribed", (await soon(self._run, look, unfinished)).at)


class Sought:
    """States that are waited for, and what came instead."""

    def __init__(self, states: Collection[str], when: str) -> None:
        self._states = states
        self._when = when
        self._others: dict[str, None] = {}
        self._problem = ""
        self._came = False

    def is_found(self, notified: Notification) -> bool:
        """Say whether it is one of them; what it is otherwise is remembered."""
        if notified.state in self._states:
            return True
        self._came = True
        self._problem = notified.problem or self._problem
        if notified.state is not None:
            self._others[notified.state] = None
        return False

    def missed(self) -> FlowError:
        """Return what it is that none of them came."""
        wanted = " or ".join(sorted(self._states))
        if self._others:
            told = ", ".join(self._others)
            return FlowError(FailureCode.WRONG_STATE, f"told {told} and not {wanted}, {self._when},")
        if self._problem:
            return FlowError(
                FailureCode.UNEXPECTED_MESSAGE,
                f"told nothing that can be read {self._when} ({self._problem})",
            )
        what = "only NOTIFYs without a state" if self._came else "no NOTIFY"
        return FlowError(FailureCode.NO_NOTIFY, f"{what} {self._when}; {wanted} should have come")


def unfinished() -> FlowError:
    """Return what it is that no last NOTIFY came."""
    return FlowError(FailureCode.NO_NOTIFY, "unsubscribed, but the NOTIFY that ends it did not come")
