"""A call that is up, as one of our phones has it; what the other side sends inside it."""

from typing import TYPE_CHECKING, Any, Final

from dialtone.model import FailureCode, Hears
from synthetic.agents import sdp
from synthetic.agents.dialog import Dialog
from synthetic.agents.headers import header
from synthetic.agents.line import ALLOW, body_of
from synthetic.agents.siplib import SipHeader
from synthetic.agents.transfers import Referrals, SipReferral
from synthetic.media.port import MediaPort, voice
from synthetic.probes.base import Exchange, FlowError, Leg, Phone, Talk

if TYPE_CHECKING:
    from synthetic.agents.calls import Calls

GONE: Final = (408, 481)
"""Answers to a request in a dialog that say it is over (RFC 3261 12.2.1.2)."""


class SipLeg:
    """One dialog of a phone with its media; synthetic.probes.base.Leg."""

    def __init__(self, calls: "Calls", dialog: Dialog, media: MediaPort | None) -> None:
        self.calls = calls
        self.dialog = dialog
        self.media = media
        self._described: tuple[sdp.Stream, str] | None = None
        self._replaced = False
        self._ending = False
        self._referrals = Referrals(self)

    @property
    def replaced(self) -> bool:
        """Whether another call of the same phone took its place."""
        return self._replaced

    @property
    def confirmed(self) -> bool:
        """Whether it was answered (RFC 3261 12: confirmed, no longer early)."""
        return True

    @property
    def up(self) -> bool:
        """Whether there is a call to hang up."""
        return self.confirmed and not self.dialog.ended.happened

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when."""
        return await self.dialog.ended.wait()

    async def hang_up(self) -> Exchange:
        """Send BYE and wait for its answer. Raises FlowError."""
        done = await self.calls.line.inside(self.dialog, self.dialog.request("BYE"))
        times = done.accepted().times
        self.dialog.ended.now(times.received)
        return times

    async def end(self) -> None:
        """Hang up, unless that is done or begun; where the other side knows no such call, there is none."""
        if self.dialog.ended.happened or self._ending:
            return
        self._ending = True
        try:
            await self.hang_up()
        except FlowError as error:
            if error.status not in GONE:
                raise

    def give_way(self) -> None:
        """Another call takes its place (RFC 3891 3): it is hung up."""
        self._replaced = True
        self.calls.line.chores.start(self.end())

    def succeeded_by(self, leg: "SipLeg") -> None:
        """A call that the other side asked for took its place (RFC 3515); that side hangs up itself."""
        self._replaced = True
        if self.media is not None and self.media.speaking:
            leg.speak()

    async def refer(self, number: str, *, replaces: Leg | None = None) -> SipReferral:
        """Ask the other side to call a number of the tenant instead. Raises FlowError."""
        if replaces is not None and not isinstance(replaces, SipLeg):
            raise TypeError("only a leg of the same phone can be replaced")
        return await self._referrals.refer(number, None if replaces is None else replaces.dialog)

    def speak(self) -> None:
        """Send RTP in this phone's own voice until the leg is over."""
        self._port().speak(voice(self.calls.ours.probe, self.calls.party), self._talking)

    async def hears(self, phone: Phone) -> float:
        """Wait for RTP in the voice of that phone of the run; return when the first packet of it came."""
        return await self._port().hear(voice(self.calls.ours.probe, phone.party))

    def mute(self, hears: Hears) -> str:
        """Return why no talk is possible as the call is described now, "" where one is."""
        if self._described is None:
            return "the other side has not described where it takes RTP"
        stream, what = self._described
        listens = hears is Hears.SOUND and stream.direction == "recvonly"  # an announcement's
        return f"{what} {stream.why}" if stream.why and not listens else ""

    def talk(self, hears: Hears, other: Phone | None = None) -> Talk:
        """Begin to speak, to listen and to count. Raises FlowError with no-media where nothing could come."""
        if why := self.mute(hears):
            raise FlowError(FailureCode.NO_MEDIA, why)
        probe = self.calls.ours.probe
        own, partner = voice(probe, self.calls.party), None if other is None else voice(probe, other.party)
        return self._port().talk(own, hears, partner, going_on=self._talking)

    def take(self, request: Any, transaction: Any) -> Any:
        """Answer a request of the other side; the value is sippy's."""
        method = request.getMethod()
        if self.dialog.ended.happened and method != "NOTIFY":  # of a transfer it outlives the call (RFC 5057)
            return request.genResponse(481, "Call/Transaction Does Not Exist"), None, None
        # Servers send the NOTIFYs of a transfer at once, and in a proxy of several processes one overtakes
        # another. To refuse the one behind (12.2.2) would end the subscription before its end was told.
        if not self.dialog.in_order(request) and method != "NOTIFY":
            return request.genResponse(500, "Server Internal Error"), None, None
        if method == "INVITE":
            return self._renegotiate(request, transaction)
        if method == "BYE":
            self._hung_up(request)
            return request.genResponse(200, "OK"), None, None
        if method == "OPTIONS":
            return request.genResponse(200, "OK"), None, None
        if method == "REFER":
            return self._referrals.referred(request), None, None
        if method == "NOTIFY":
            return self._referrals.notified(request), None, None
        return not_allowed(request), None, None

    def _hung_up(self, request: Any) -> None:
        self.dialog.ended.now(request.rtime.monot)

    def _renegotiate(self, request: Any, transaction: Any) -> Any:
        """Answer a re-INVITE (RFC 3261 14.2): Asterisk sends one to take itself out of the media path."""
        if not self.confirmed or self.media is None:  # another branch of a fork, which is being hung up
            return request.genResponse(491, "Request Pending"), None, None
        media, offered = self._port(), request.getBody()
        described = sdp.answer(media, None if offered is None else str(offered), self.calls.codecs)
        if described is None:
            return request.genResponse(488, "Not Acceptable Here"), None, None
        try:
            self.dialog.refresh(request)
        except ValueError:
            return request.genResponse(400, "Bad Contact"), None, None
        response = request.genResponse(200, "OK", body_of(described, "application/sdp"))
        response.appendHeader(SipHeader(name="contact", body=self.calls.line.contact()))
        if offered is not None:
            self.agreed_by(request, "the re-INVITE")
            return response, None, None
        self.calls.line.manager.sendResponse(response, transaction, ack_cb=self.agreed_by)
        return None

    def agreed_by(self, message: Any, what: str = "the answer") -> None:
        """Take the other side's description of the media, where a message has one; `what` is its name."""
        body = message.getBody()
        if body is not None:
            stream = sdp.read(str(body), self.calls.codecs)
            self._described = stream, what
            self._port().agreed(stream)

    def _port(self) -> MediaPort:
        if self.media is None:
            raise ValueError("a call that was not answered has no media")
        return self.media

    def _talking(self) -> bool:
        """Whether any leg is up on this port: a transferred call goes on where the old one was."""
        return any(leg.up for leg in self.calls.legs if leg.media is self.media)


def not_allowed(request: Any) -> Any:
    """Return a 405 that says what is."""
    response = request.genResponse(405, "Method Not Allowed")
    response.appendHeader(header("Allow", ALLOW))
    return response
