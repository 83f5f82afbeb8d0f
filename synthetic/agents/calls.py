"""All the calls of one phone: those that it places, those that reach it, and those that are up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from dialtone.model import CODECS, FailureCode
from synthetic.agents import sdp
from synthetic.agents.headers import texts_of
from synthetic.agents.legs import SipLeg
from synthetic.agents.line import Line
from synthetic.agents.ours import MARK, Ours
from synthetic.agents.placing import PlacedCall, Placement
from synthetic.agents.received import ReceivedCall
from synthetic.agents.replaces import Replaces
from synthetic.media.port import MediaPort, bound
from synthetic.probes.base import FlowError, Setup

MAX_CALLS: Final = 4
"""Calls of this run that may reach one phone at once; the next finds it busy."""


class Calls:
    """The calls of one phone. `turned_away` counts those refused because they are none of this run."""

    def __init__(self, party: str, line: Line, ours: Ours) -> None:
        self.party = party
        self.line = line
        self.ours = ours
        self.legs: list[SipLeg] = []
        self.turned_away = 0
        self._last: Placement | None = None
        self._ports: list[MediaPort] = []
        self._placing: list[Placement] = []
        self._arrived: asyncio.Queue[ReceivedCall] = asyncio.Queue()

    def port(self) -> MediaPort:
        """Return a new media port. Raises FlowError with no-port."""
        return bound(self.line.host, self._ports.append, rtcp=self.line.plan.media is not None)

    @property
    def codecs(self) -> tuple[str, ...]:
        """The codecs that are spoken here, in the order in which they are offered."""
        plan = self.line.plan.media
        return CODECS if plan is None else plan.codecs

    @property
    def progressed(self) -> bool:
        """Whether the last call of the flow's own has had a provisional response but 100."""
        return self._last is not None and self._last.first_progress is not None

    async def call(self, number: str) -> PlacedCall:
        """Call a number of the tenant, as the flow wants it, and return once answered. Raises FlowError."""
        return await self.place(number, told=self._note)

    async def place(
        self,
        number: str,
        *,
        media: MediaPort | None = None,
        replaces: Replaces | None = None,
        told: Callable[[Placement], None] | None = None,
    ) -> PlacedCall:
        """Call a number of the tenant and return once answered. Raises FlowError.

        `media` is a port to use again, `replaces` the dialog at the other end to take the place of, `told`
        hears of the INVITE before it is sent.
        """
        media = media or self.port()
        taken = () if replaces is None else (("Replaces", str(replaces)),)
        request = self.line.request(
            "INVITE",
            self.line.url(number),
            headers=((MARK, self.ours.probe), *taken, *self.line.plan.headers),
            body=sdp.offer(media, self.codecs),
        )
        placement = Placement(self, request, media)
        self._placing.append(placement)
        if told is not None:
            told(placement)
        done = await self.line.exchange(request, watch=placement)
        self._placing.remove(placement)
        leg = placement.leg()
        if done.response.getBody() is None:
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", done.status
            )
        leg.set_up(Setup(done.sent, placement.first_progress, placement.ringing, done.received, done.status))
        return leg

    async def next(self) -> ReceivedCall:
        """Wait for a call of this run to arrive."""
        return await self._arrived.get()

    def leg_of(self, request: Any) -> SipLeg | None:
        """Return the leg that a request with a To tag belongs to."""
        return next((leg for leg in self.legs if leg.dialog.owns(request)), None)

    def arrive(self, request: Any, transaction: Any) -> Any:
        """Take or refuse an INVITE outside any dialog; the value is sippy's."""
        if not self.ours.includes(request):
            self.turned_away += 1
            return request.genResponse(486, "Busy Here"), None, None
        waiting = [leg for leg in self.legs if isinstance(leg, ReceivedCall)]
        if any(call.same_request(request) for call in waiting):
            return request.genResponse(482, "Loop Detected"), None, None
        try:
            replaced = self._replaced(request)
        except _RefusedError as refused:
            return request.genResponse(refused.status, refused.reason), None, None
        if sum(not call.dialog.ended.happened for call in waiting) >= MAX_CALLS:
            return request.genResponse(486, "Busy Here"), None, None
        try:
            call = ReceivedCall(self, request, transaction, replaced)
        except ValueError:
            return request.genResponse(400, "Bad Contact"), None, None
        self.legs.append(call)
        self._arrived.put_nowait(call)
        self.line.manager.expect_answer(request, transaction)
        return None, call.cancelled, None

    def endings(self) -> list[Callable[[], Awaitable[None]]]:
        """Refuse what was not answered, and return the steps that end everything else."""
        for leg in self.legs:
            if isinstance(leg, ReceivedCall):
                leg.refuse()
        return [*(each.give_up for each in self._placing), *(leg.end for leg in self.legs if leg.up)]

    def close(self) -> None:
        """Give back the media ports."""
        for port in self._ports:
            port.close()

    def _note(self, placement: Placement) -> None:
        self._last = placement

    def _replaced(self, request: Any) -> SipLeg | None:
        """Return the leg that an INVITE is to take the place of (RFC 3891 3). Raises _RefusedError."""
        asked = texts_of(request, "replaces")
        if not asked:
            return None
        try:
            (text,) = asked
            replaces = Replaces.parse(text)
        except ValueError:
            raise _RefusedError(400, "Bad Replaces") from None
        leg = next((leg for leg in self.legs if replaces.names(leg.dialog)), None)
        if leg is None:
            raise _RefusedError(481, "Call/Transaction Does Not Exist")
        if leg.dialog.ended.happened or leg.replaced:
            raise _RefusedError(603, "Decline")
        if not leg.confirmed:  # early, and begun by the other side
            raise _RefusedError(481, "Call/Transaction Does Not Exist")
        if replaces.early_only:
            raise _RefusedError(486, "Busy Here")
        return leg


class _RefusedError(Exception):
    """An INVITE with Replaces that RFC 3891 has us refuse."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
