"""A call that reached one of our phones."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dialtone.model import FailureCode
from synthetic.agents import sdp
from synthetic.agents.dialog import Dialog, Moment
from synthetic.agents.headers import header
from synthetic.agents.legs import SipLeg
from synthetic.agents.line import ALLOW, body_of
from synthetic.agents.siplib import RINGING, TRYING, SipHeader
from synthetic.probes.base import FlowError

if TYPE_CHECKING:
    from synthetic.agents.calls import Calls


class ReceivedCall(SipLeg):
    """An INVITE and what becomes of it; synthetic.probes.base.IncomingCall."""

    def __init__(self, calls: "Calls", request: Any, transaction: Any, replacing: SipLeg | None) -> None:
        self._tag = secrets.token_hex(8)
        super().__init__(calls, Dialog.of_callee(request, self._tag, calls.line.manager.transport), None)
        self._request = request
        self._transaction = transaction
        # The answer to a CANCEL is of the same dialog as the 180 before it (RFC 3261 8.2.6.2).
        transaction.r487.getHFBody("to").setTag(self._tag)
        self._replacing = replacing
        self._acknowledged = Moment()
        self._answered = False

    @property
    def received(self) -> float:
        """When its INVITE came."""
        return float(self._request.rtime.monot)

    @property
    def replacing(self) -> SipLeg | None:
        """The leg of this phone that it is to take the place of."""
        return self._replacing

    @property
    def confirmed(self) -> bool:
        """Whether we have answered it."""
        return self._answered

    def ring(self) -> None:
        """Send 180."""
        self._respond(180, "Ringing")

    def answer(self) -> None:
        """Send 200 with our description; sippy repeats it until the ACK comes (13.3.1.4).

        Raises FlowError where the offer has nothing for us, or we have no port.
        """
        offered = self._request.getBody()
        if self.media is None:
            self.media = self.calls.port()
        described = sdp.answer(self.media, None if offered is None else str(offered), self.calls.codecs)
        if described is None:
            self._respond(488, "Not Acceptable Here")
            stream = sdp.read(str(offered), self.calls.codecs)
            why = stream.why if not stream.payloads else "has a section that can't be read"
            said = f"the INVITE arrived with no G.711 for us in its offer: it {why}"
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, said)
        self.agreed_by(self._request, "the offer")
        if self._open:
            self._answered = True
            if self._replacing is not None:
                self._replacing.give_way()
        self._respond(200, "OK", body=described, on_ack=self._on_ack)

    def refuse(self) -> None:
        """Send 480, unless a final response is out."""
        self._respond(480, "Temporarily Unavailable")

    async def acknowledged(self) -> float:
        """Wait for the ACK of our 200; return when it came."""
        return await self._acknowledged.wait()

    def cancelled(self, at: Any, _request: Any) -> None:
        """sippy has answered a CANCEL, and our INVITE with 487."""
        self.dialog.ended.now(at.monot)

    def same_request(self, request: Any) -> bool:
        """Whether a request is its INVITE on another way (RFC 3261 8.2.2.2)."""
        return _mark(request) == _mark(self._request)

    def _hung_up(self, request: Any) -> None:
        super()._hung_up(request)
        self._respond(487, "Request Terminated")  # where it was not answered yet (RFC 3261 15.1.2)

    def _on_ack(self, ack: Any) -> None:
        self._acknowledged.now(ack.rtime.monot)
        if self._request.getBody() is None:
            self.agreed_by(ack)

    @property
    def _open(self) -> bool:
        """Whether it still waits for a final response; one that was cancelled has had its 487."""
        return self._transaction.state in (TRYING, RINGING)

    def _respond(
        self,
        status: int,
        reason: str,
        *,
        body: str | None = None,
        on_ack: Callable[[Any], None] | None = None,
    ) -> None:
        if not self._open:
            return
        described = body_of(body, "application/sdp") if body is not None else None
        response = self._request.genResponse(status, reason, described)
        response.getHFBody("to").setTag(self._tag)
        response.appendHeader(SipHeader(name="contact", body=self.calls.line.contact()))
        response.appendHeader(header("Allow", ALLOW))
        response.appendHeader(header("Supported", "replaces"))
        self.calls.line.manager.sendResponse(response, self._transaction, ack_cb=on_ack)


def _mark(request: Any) -> tuple[str, str, str]:
    sender = request.getHFBody("from").getTag()
    return str(request.getHFBody("call-id")), str(sender), str(request.getHFBody("cseq"))
