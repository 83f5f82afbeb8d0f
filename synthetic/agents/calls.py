"""The two ends of a call: the one that we placed and the one that reached us."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dialtone.model import FailureCode
from synthetic.agents import sdp
from synthetic.agents.dialog import Dialog, Moment
from synthetic.agents.siplib import RINGING, TRYING, MsgBody, SipHeader
from synthetic.probes.base import Exchange, FlowError, Setup

if TYPE_CHECKING:
    from synthetic.agents.phone import SipPhone

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS"


MARK: Final = "x-dialtone-probe"
"""A header of our INVITEs with the probe's id, by which our callee knows the call."""


@dataclass(frozen=True, slots=True)
class Ours:
    """How to tell our own call from a stranger's: by its mark, or the caller where a B2BUA took that off."""

    probe: str
    callers: frozenset[str]

    def header(self) -> Any:
        """Return the mark of a call that we place."""
        return SipHeader(name=MARK, bodys=self.probe)

    def includes(self, request: Any) -> bool:
        """Whether an INVITE is of this probe; another probe's mark says no."""
        marks = [str(body).strip() for body in request.getHFBodys(MARK)]
        if marks:
            return self.probe in marks
        return request.getHFBody("from").getUrl().username in self.callers


class ProgressNotes:
    """The provisional responses that SRD and PDD ask for: the first of each kind."""

    def __init__(self) -> None:
        self.progress: float | None = None
        self.ringing: float | None = None

    def note(self, status: int, at: float) -> None:
        """Take one; a 100 says nothing about the call (RFC 6076 4.3)."""
        if status > 100 and self.progress is None:
            self.progress = at
        if status in (180, 183) and self.ringing is None:
            self.ringing = at


class PlacedCall:
    """A call that we placed: the 2xx is in, sippy has sent its ACK."""

    def __init__(self, phone: "SipPhone", dialog: Dialog, setup: Setup) -> None:
        self._phone = phone
        self._dialog = dialog
        self._setup = setup

    @property
    def setup(self) -> Setup:
        """How it came about."""
        return self._setup

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when."""
        return await self._dialog.ended.wait()

    async def hang_up(self) -> Exchange:
        """Send BYE and wait for its answer. Raises FlowError."""
        return await self._phone.hang_up(self._dialog)


class ReceivedCall:
    """A call that reached us."""

    def __init__(self, phone: "SipPhone", request: Any, transaction: Any) -> None:
        self.received: float = request.rtime.monot
        self._phone = phone
        self._request = request
        self._transaction = transaction
        self._tag = secrets.token_hex(8)
        self._dialog = Dialog.of_callee(request, self._tag)
        self._acknowledged = Moment()
        self._answered = False

    @property
    def dialog(self) -> Dialog:
        """The dialog that answering makes."""
        return self._dialog

    def ring(self) -> None:
        """Send 180."""
        self._respond(180, "Ringing")

    def answer(self) -> None:
        """Send 200 with our description; sippy repeats it until the ACK comes (13.3.1.4)."""
        offered = self._request.getBody()
        described = sdp.answer(self._phone.media, None if offered is None else str(offered))
        if described is None:
            self._respond(488, "Not Acceptable Here")
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "the INVITE arrived with no G.711 in its offer")
        self._answered = True
        self._respond(200, "OK", body=described, on_ack=lambda ack: self._acknowledged.now(ack.rtime.monot))

    def refuse(self) -> None:
        """Send 480, unless a final response is out."""
        self._respond(480, "Temporarily Unavailable")

    async def acknowledged(self) -> float:
        """Wait for the ACK of our 200; return when it came."""
        return await self._acknowledged.wait()

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when."""
        return await self._dialog.ended.wait()

    @property
    def up(self) -> bool:
        """Whether there is a call to hang up."""
        return self._answered and not self._dialog.ended.happened

    def cancelled(self, at: Any, _request: Any) -> None:
        """sippy has answered a CANCEL, and our INVITE with 487."""
        self._dialog.ended.now(at.monot)

    def _respond(
        self,
        status: int,
        reason: str,
        *,
        body: str | None = None,
        on_ack: Callable[[Any], None] | None = None,
    ) -> None:
        if self._transaction.state not in (TRYING, RINGING):
            return  # cancelled meanwhile: it has had its 487
        response = self._request.genResponse(status, reason, MsgBody(body) if body is not None else None)
        response.getHFBody("to").setTag(self._tag)
        response.appendHeader(SipHeader(name="contact", body=self._phone.contact()))
        response.appendHeader(SipHeader(name="allow", bodys=ALLOW))
        self._phone.manager.sendResponse(response, self._transaction, ack_cb=on_ack)
