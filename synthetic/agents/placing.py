"""An INVITE of ours on its way: progress, answers of several branches, and giving it up."""

from typing import TYPE_CHECKING, Any, Final

from dialtone.model import FailureCode
from synthetic.agents.dialog import Dialog
from synthetic.agents.exchange import PendingExchange, Watch, understood
from synthetic.agents.legs import SipLeg
from synthetic.media.port import MediaPort
from synthetic.probes.base import FlowError, Setup

if TYPE_CHECKING:
    from synthetic.agents.calls import Calls

MAX_BRANCHES: Final = 16
"""Answers of other branches of a fork that are looked after."""


class PlacedCall(SipLeg):
    """A call that we placed: the 2xx is in, its ACK is sent; synthetic.probes.base.OutgoingCall."""

    _setup: Setup | None = None

    @property
    def setup(self) -> Setup:
        """How it came about."""
        if self._setup is None:
            raise ValueError("the call is not answered yet")
        return self._setup

    def set_up(self, setup: Setup) -> None:
        """Say how it came about."""
        self._setup = setup


class Placement(Watch):
    """One INVITE, all its attempts and all its answers.

    The first 2xx makes the call. Each of another branch (another To tag) is acknowledged and hung up
    (RFC 3261 13.2.2.4), as is the first where it comes after the call was given up.
    """

    def __init__(self, calls: "Calls", request: Any, media: MediaPort) -> None:
        self.request = request
        self.first_progress: float | None = None
        self.ringing: float | None = None
        self._calls = calls
        self._media = media
        self._pending: PendingExchange | None = None
        self._given_up = False
        self._leg: PlacedCall | None = None
        self._broken: FlowError | None = None
        self._branches: dict[str | None, Dialog] = {}
        self._acks: dict[str | None, Any] = {}

    def started(self, pending: PendingExchange) -> None:
        """Another attempt is out."""
        self._pending = pending

    def progress(self, status: int, at: float) -> None:
        """Note the provisional responses that SRD and PDD ask for; a 100 says nothing (RFC 6076 4.3)."""
        if status > 100 and self.first_progress is None:
            self.first_progress = at
        if status in (180, 183) and self.ringing is None:
            self.ringing = at

    def accepted(self, response: Any) -> None:
        """Make the leg at once: a BYE or a re-INVITE may be right behind the 2xx."""
        try:
            dialog = self._branch(response)
        except FlowError as error:
            self._broken = error
            return
        leg = self._leg = PlacedCall(self._calls, dialog, self._media)
        leg.agreed_by(response)
        self._calls.legs.append(leg)
        if self._given_up:
            self._calls.line.chores.start(leg.end())

    def accepted_again(self, response: Any) -> None:
        """Acknowledge another 2xx; one of another branch is hung up too."""
        try:
            tag = response.getHFBody("to").getTag()
            known = self._branches.get(tag)
            if known is None and len(self._branches) > MAX_BRANCHES:
                return
            dialog = known or self._branch(response)
        except (FlowError, ValueError, IndexError, KeyError, AttributeError, TypeError):
            return  # nothing that could be acknowledged
        self._acknowledge(tag, dialog)
        if known is None:
            leg = SipLeg(self._calls, dialog, None)
            self._calls.legs.append(leg)
            self._calls.line.chores.start(leg.end())

    def leg(self) -> PlacedCall:
        """Return the call that the 2xx made. Raises FlowError where it made none."""
        if self._broken is not None:
            raise self._broken
        if self._leg is None:
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "the INVITE was answered, but made no call")
        return self._leg

    async def give_up(self) -> None:
        """CANCEL it and wait for its end (RFC 3261 9.1); an answer that was faster is hung up."""
        self._given_up = True
        if self._pending is None:
            return
        if self._leg is not None:
            await self._leg.end()
        elif self._pending.cancel():
            await self._pending.final()

    def _branch(self, response: Any) -> Dialog:
        with understood("the 2xx to INVITE"):
            dialog = Dialog.of_caller(self.request, response, self._calls.line.manager.transport)
            self._branches[response.getHFBody("to").getTag()] = dialog
        return dialog

    def _acknowledge(self, tag: str | None, dialog: Dialog) -> None:
        """Send the ACK of a 2xx, each time the same; it is no part of the INVITE's transaction (13.2.2.4)."""
        if tag not in self._acks:
            number = self.request.getHFBody("cseq").getCSeqNum()
            self._acks[tag] = dialog.request("ACK", sequence=number)
        ack = self._acks[tag]
        manager = self._calls.line.manager
        manager.transmitMsg(manager.endpoint, ack, ack.getTarget()[0], None)
