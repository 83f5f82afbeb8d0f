"""A phone: one account or none, one transaction manager; synthetic.probes.base.Phone on sippy."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from dialtone.model import Account, EventPackage, FailureCode, Plan
from synthetic.agents.calls import Calls
from synthetic.agents.forks import PhoneTransactions
from synthetic.agents.headers import readable
from synthetic.agents.legs import not_allowed
from synthetic.agents.line import Line
from synthetic.agents.ours import Ours
from synthetic.agents.placing import PlacedCall
from synthetic.agents.publication import Publication
from synthetic.agents.received import ReceivedCall
from synthetic.agents.registration import Registration
from synthetic.agents.watching import SipSubscription, Watching
from synthetic.agents.wirelog import WireLog
from synthetic.probes.base import Bindings, Exchange, FlowError
from synthetic.target import Hop


class SipPhone:
    """One endpoint of ours. Raises FlowError where it can't have a socket, or a connection.

    `account` is None for a pinger of servers and the trunk's side; `domain` is the tenant then. `target` is
    the URI that requests are for, which Route names behind the plan's outbound proxy; `lasts` how long the
    phone may be needed, in seconds.
    """

    def __init__(
        self,
        party: str,
        account: Account | None,
        hop: Hop,
        plan: Plan,
        wire: WireLog,
        ours: Ours,
        *,
        domain: str,
        target: str = "",
        lasts: float = 0.0,
    ) -> None:
        self._party = party
        try:
            self.manager = PhoneTransactions(
                hop, plan.tls, party=party, wire=wire, on_request=self._on_request
            )
        except OSError as error:
            raise FlowError(
                FailureCode.NO_PORT, f"no SIP port towards {hop.address[0]}: {error.strerror}"
            ) from None
        try:
            self._line = Line(account, hop, plan, self.manager, domain=domain, target=target, lasts=lasts)
            self._registration = Registration(self._line)
            self._calls = Calls(party, self._line, ours)
            self._publication = Publication(self._line, ours.probe)
            self._watching = Watching(self._line, ours.probe)
        except BaseException:
            self.manager.shutdown()
            raise

    @property
    def party(self) -> str:
        """What it is called in evidence."""
        return self._party

    @property
    def user(self) -> str:
        """The user part of its address of record."""
        return self._line.user

    @property
    def turned_away(self) -> int:
        """How many calls it has refused because they are none of this run."""
        return self._calls.turned_away

    @property
    def progressed(self) -> bool:
        """Whether its last INVITE has had a provisional response but 100."""
        return self._calls.progressed

    async def options(self) -> Exchange:
        """Ask the server itself for its capabilities; any final status is an answer. Raises FlowError."""
        request = self._line.request("OPTIONS", self._line.server(), headers=(("Accept", "application/sdp"),))
        return (await self._line.converse(request)).times

    async def register(self) -> Exchange:
        """Bind it at the registrar. Raises FlowError."""
        return await self._registration.register()

    async def bindings(self) -> Bindings:
        """Ask the registrar what is bound. Raises FlowError."""
        return await self._registration.bindings()

    async def unregister(self) -> Exchange:
        """Take its own binding back, and no other's. Raises FlowError."""
        return await self._registration.unregister()

    async def invite(self, number: str) -> PlacedCall:
        """Call a number or user of the tenant and return once answered. Raises FlowError."""
        return await self._calls.call(number)

    async def next_call(self) -> ReceivedCall:
        """Wait for an INVITE of this run to arrive; one that came before this was asked is given first."""
        return await self._calls.next()

    async def publish(self, state: str) -> Exchange:
        """Publish a presence state, open or closed. Raises FlowError."""
        return await self._publication.publish(state)

    async def subscribe(self, user: str, event: EventPackage) -> SipSubscription:
        """Watch a user of the tenant. Raises FlowError."""
        return await self._watching.subscribe(user, event)

    async def leave(self) -> None:
        """Take down calls, subscriptions, publication and binding, all at once. Raises FlowError.

        A server that has fallen silent about one of them shall not keep the others up.
        """
        self.manager.renew()
        steps = [
            *self._calls.endings(),
            *self._watching.endings(),
            *self._publication.endings(),
            *self._registration.endings(),
        ]
        problems: list[FlowError] = []

        async def attempt(step: Callable[[], Awaitable[object]]) -> None:
            try:
                await step()
            except FlowError as error:  # the other steps are tried all the same
                problems.append(error)

        async with anyio.create_task_group() as group:
            for step in steps:
                group.start_soon(attempt, step)
        await self._line.chores.finish()
        if problems:
            raise problems[0]

    def close(self) -> None:
        """Give back the ports; no timer, no task and no callback is left."""
        self._line.chores.cancel()
        self.manager.shutdown()
        self._calls.close()

    def _on_request(self, request: Any, transaction: Any) -> Any:
        """Answer what the platform sends us; the value is sippy's: response, cancel and no-ACK callbacks."""
        if not readable(request):
            return _bad(request), None, None
        method = request.getMethod()
        if request.getHFBody("to").getTag() is not None:
            leg = self._calls.leg_of(request)
            if leg is not None:
                return leg.take(request, transaction)
            answered = self._watching.take(request) if method == "NOTIFY" else None
            return answered or _unknown(request), None, None
        if method == "INVITE":
            return self._calls.arrive(request, transaction)
        if method == "NOTIFY":
            return _unknown(request), None, None
        if method == "OPTIONS":  # a registrar's keep-alive
            return request.genResponse(200, "OK"), None, None
        return not_allowed(request), None, None


def _bad(request: Any) -> Any:
    """Return a 400, or nothing where what it would have to repeat can't be read."""
    try:
        return request.genResponse(400, "Bad Request")
    except Exception:  # noqa: BLE001 - hostile bytes make sippy's parser raise anything
        return None


def _unknown(request: Any) -> Any:
    return request.genResponse(481, "Call/Transaction Does Not Exist")
