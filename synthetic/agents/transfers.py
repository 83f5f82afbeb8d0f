"""Transfers (RFC 3515, RFC 5589): the REFER that a leg of ours sends, and the one that it gets."""

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from dialtone.model import FailureCode
from synthetic.agents.dialog import Dialog
from synthetic.agents.exchange import CHALLENGES
from synthetic.agents.headers import (
    document_of,
    header,
    number_of,
    parameter_of,
    text_of,
    texts_of,
    value_of,
)
from synthetic.agents.line import body_of
from synthetic.agents.replaces import Replaces
from synthetic.agents.siplib import SipHeader
from synthetic.probes.base import Exchange, FlowError, Verdict
from synthetic.probes.refusals import refusal

if TYPE_CHECKING:
    from synthetic.agents.legs import SipLeg

MAX_REFERRED: Final = 4
"""How often one leg of ours lets itself be transferred."""

_SIPFRAG: Final = re.compile(rb"\s{0,8}SIP/2\.0 ([1-6][0-9]{2})(?=[ \r\n]|$)")
_USER: Final = re.compile(r"[A-Za-z0-9+*#._-]{1,64}")


class SipReferral:
    """A REFER of ours; synthetic.probes.base.Referral once it is accepted.

    Its NOTIFYs may come before its 202 (RFC 3515 2.4.4). `numbers` are the sequence numbers that it was sent
    with: a NOTIFY of another REFER says so by its `id`.
    """

    def __init__(self, number: int) -> None:
        self.numbers = {number}
        self._accepted: Exchange | None = None
        self._verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._verdict.add_done_callback(_looked_at)

    @property
    def accepted(self) -> Exchange:
        """The REFER and its 2xx."""
        if self._accepted is None:
            raise ValueError("the REFER is not accepted yet")
        return self._accepted

    def accept(self, times: Exchange) -> None:
        """Its 2xx is in."""
        self._accepted = times

    async def final(self) -> Verdict:
        """Wait for the NOTIFY with a final status. Raises FlowError where none will come any more."""
        return await asyncio.shield(self._verdict)

    def notified(self, request: Any) -> Any:
        """Take a NOTIFY and return its answer; what comes after the final status changes nothing."""
        event = text_of(request, "event")
        if value_of(event) != "refer":
            return request.genResponse(489, "Bad Event")
        identity = parameter_of(event, "id")
        if identity and number_of(identity) not in self.numbers:
            return request.genResponse(481, "Subscription Does Not Exist")
        terminated = value_of(text_of(request, "subscription-state")) == "terminated"
        found = _SIPFRAG.match(document_of(request))
        status = int(found[1]) if found is not None else 0
        if not self._verdict.done():
            if status >= 200:
                self._verdict.set_result(Verdict(request.rtime.monot, status, terminated))
            elif terminated:
                last = f"with {status}" if status else "with none that can be read"
                said = f"the transfer's subscription ended without a final status, {last}"
                self._verdict.set_exception(FlowError(FailureCode.UNEXPECTED_MESSAGE, said))
        if found is None and not terminated:
            return request.genResponse(400, "No SIP Fragment")
        return request.genResponse(200, "OK")


class Referrals:
    """The transfers of one leg, in both roles."""

    def __init__(self, leg: "SipLeg") -> None:
        self._leg = leg
        self._ours: SipReferral | None = None
        self._theirs = 0

    async def refer(self, number: str, replaced: Dialog | None) -> SipReferral:
        """Send REFER and return once accepted. Raises FlowError: transfer-refused for every refusal."""
        leg, line = self._leg, self._leg.calls.line
        target = line.url(number)
        if replaced is not None:
            target.headers = {"Replaces": str(Replaces.at_far_end(replaced))}
        request = leg.dialog.request("REFER")
        request.appendHeader(SipHeader(name="contact", body=line.contact()))
        request.appendHeader(header("Refer-To", f"<{target}>"))
        request.appendHeader(header("Referred-By", f"<{line.own_address(tagged=False).url}>"))
        referral = self._ours = SipReferral(request.getHFBody("cseq").getCSeqNum())

        def again() -> int:
            number = leg.dialog.next_sequence()
            referral.numbers.add(number)
            return number

        done = await line.converse(request, sequence=again)
        if done.status >= 300 and done.status not in CHALLENGES:
            detail = refusal(*done.response.getSCode(), authenticated=False).detail
            raise FlowError(FailureCode.TRANSFER_REFUSED, detail, done.status)
        referral.accept(done.accepted().times)
        return referral

    def notified(self, request: Any) -> Any:
        """Answer a NOTIFY inside the leg's dialog."""
        if self._ours is None:
            return request.genResponse(481, "Subscription Does Not Exist")
        return self._ours.notified(request)

    def referred(self, request: Any) -> Any:
        """Answer a REFER: one to a user of the tenant is followed, to anywhere else declined.

        Behind a platform that is a proxy and no more, the transferee is our own phone.
        """
        asked = texts_of(request, "refer-to")
        if len(asked) != 1:
            return request.genResponse(400, "One Refer-To, please")
        line = self._leg.calls.line
        try:
            url = request.getHFBody("refer-to").getUrl()
            user, host = str(url.username or ""), str(url.host or "").lower().rstrip(".")
            given = {name.lower(): value for name, value in (url.headers or {}).items()}
            replaces = Replaces.parse(given["replaces"]) if "replaces" in given else None
        except (ValueError, IndexError, KeyError, AttributeError, TypeError):
            return request.genResponse(400, "Bad Refer-To")
        method = (url.method or "INVITE").upper()
        ours = host == line.domain.lower() and _USER.fullmatch(user) and method == "INVITE"
        if not ours or not self._leg.up or self._theirs >= MAX_REFERRED:
            return request.genResponse(603, "Decline")
        # Only the first REFER of a dialog may go without an id (RFC 3515 2.4.6).
        event = f"refer;id={request.getHFBody('cseq').getCSeqNum()}" if self._theirs else "refer"
        if not line.chores.start(self._follow(user, replaces, event)):
            return request.genResponse(603, "Decline")
        self._theirs += 1
        response = request.genResponse(202, "Accepted")
        response.appendHeader(SipHeader(name="contact", body=line.contact()))
        return response

    async def _follow(self, user: str, replaces: Replaces | None, event: str) -> None:
        """Call whom the REFER names, over the same media port, and tell how that went."""
        calls = self._leg.calls
        calls.line.chores.start(self._notify(event, "100 Trying", "active;expires=60"))
        try:
            placed = await calls.place(user, media=self._leg.media, replaces=replaces)
            self._leg.succeeded_by(placed)
        except FlowError as error:
            said = error.detail if error.status and error.detail[:3] == str(error.status) else ""
            outcome = said or f"{error.status or 500} Failed"
        else:
            outcome = "200 OK"
        await self._notify(event, outcome, "terminated;reason=noresource")

    async def _notify(self, event: str, status: str, state: str) -> None:
        leg, line = self._leg, self._leg.calls.line
        request = leg.dialog.request("NOTIFY")
        request.appendHeader(SipHeader(name="contact", body=line.contact()))
        request.appendHeader(header("Event", event))
        request.appendHeader(header("Subscription-State", state))
        request.setBody(body_of(f"SIP/2.0 {status}\r\n", "message/sipfrag;version=2.0"))
        await line.inside(leg.dialog, request)


def _looked_at(verdict: "asyncio.Future[Verdict]") -> None:
    """Nobody may wait for a verdict any more: that is no error of asyncio's."""
    if not verdict.cancelled():
        verdict.exception()
