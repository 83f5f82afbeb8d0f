"""A phone: one account, one socket, one transaction manager; synthetic.probes.base.Phone on sippy."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from dialtone.model import Account, FailureCode
from synthetic.address import Address, bracketed
from synthetic.agents import sdp
from synthetic.agents.calls import ALLOW, Ours, PlacedCall, ProgressNotes, ReceivedCall
from synthetic.agents.dialog import Dialog
from synthetic.agents.exchange import Answered, PendingExchange, exchange, understood
from synthetic.agents.siplib import (
    MsgBody,
    SipAddress,
    SipCallId,
    SipContact,
    SipExpires,
    SipFrom,
    SipHeader,
    SipRequest,
    SipTo,
    SipURL,
)
from synthetic.agents.transactions import TransactionManager
from synthetic.agents.wirelog import WireLog
from synthetic.probes.base import Exchange, FlowError, Setup
from synthetic.target import local_address_towards

EXPIRES: Final = 60
"""The binding's life in seconds: short, so that one left behind by a crash soon goes."""


class SipPhone:
    """One endpoint of ours. Raises FlowError with no-port where it can't have a socket.

    `turned_away` counts the calls that it refused because they are none of this probe.
    """

    def __init__(self, party: str, account: Account, next_hop: Address, wire: WireLog, ours: Ours) -> None:
        self.turned_away = 0
        self._ours = ours
        self._party = party
        self._account = account
        self._next_hop = next_hop
        self._dialogs: list[Dialog] = []
        self._calls: asyncio.Queue[ReceivedCall] = asyncio.Queue(maxsize=1)
        self._received: ReceivedCall | None = None
        self._inviting: tuple[Any, PendingExchange] | None = None
        self._maybe_bound = False
        self._registration = (SipCallId(), self._own_address(tagged=True))
        self._register_sequence = 0
        host = local_address_towards(next_hop)
        try:
            self.media = sdp.MediaPort(host)
        except OSError as error:
            raise FlowError(FailureCode.NO_PORT, f"no media port on {host}: {error.strerror}") from None
        try:
            self.manager = TransactionManager(
                host, next_hop, party=party, wire=wire, on_request=self._on_request
            )
        except OSError as error:
            self.media.close()
            raise FlowError(FailureCode.NO_PORT, f"no SIP port on {host}: {error.strerror}") from None

    @property
    def party(self) -> str:
        """What it is called in evidence."""
        return self._party

    @property
    def user(self) -> str:
        """The user part of its address of record."""
        return self._account.user

    def contact(self, expires: int | None = None) -> Any:
        """Return our Contact, with an `expires` of its own where one is given."""
        host, port = self.manager.endpoint.local
        url = SipURL(username=self._account.user, host=bracketed(host), port=port)
        address = SipAddress(url=url)
        if expires is not None:
            address.setParam("expires", str(expires))
        return SipContact(address=address)

    async def register(self) -> Exchange:
        """Bind our Contact for EXPIRES seconds (RFC 3261 10.2). Raises FlowError."""
        self._maybe_bound = True  # even if no answer comes: the request may have arrived
        try:
            done = await self._send_register(self.contact(), SipExpires(number=EXPIRES))
        except FlowError as error:
            self._maybe_bound = error.status is None
            raise
        return Exchange(done.sent, done.received, done.status)

    async def invite(self, user: str) -> PlacedCall:
        """Call a user of our domain and return once answered. Raises FlowError."""
        request = self._request(
            "INVITE", self._url(user), to=SipAddress(url=self._url(user)), body=sdp.offer(self.media)
        )
        request.appendHeader(self._ours.header())
        notes = ProgressNotes()

        def started(pending: PendingExchange) -> None:
            self._inviting = (request, pending)

        done = await exchange(self.manager, self._account, request, progress=notes.note, started=started)
        self._inviting = None
        dialog = self._dialog_of(request, done.response)
        if done.response.getBody() is None:
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", done.status
            )
        setup = Setup(done.sent, notes.progress, notes.ringing, done.received, done.status)
        return PlacedCall(self, dialog, setup)

    async def next_call(self) -> ReceivedCall:
        """Wait for an INVITE to arrive."""
        return await self._calls.get()

    async def hang_up(self, dialog: Dialog) -> Exchange:
        """Send BYE in a dialog and wait for its 2xx. Raises FlowError."""
        request = dialog.request("BYE")
        try:
            done = await exchange(self.manager, self._account, request)
        finally:
            dialog.sent(request)
        dialog.ended.now(done.received)
        return Exchange(done.sent, done.received, done.status)

    async def leave(self) -> None:
        """Cancel what rings, hang up what talks, remove our binding. Raises FlowError."""
        await self._give_up_invite()
        if self._received is not None:
            self._received.refuse()
            if self._received.up:
                self._dialogs.append(self._received.dialog)
        problems = []
        steps: list[Callable[[], Awaitable[None]]] = [self._unregister]
        steps += [partial(self._end, dialog) for dialog in self._dialogs]
        for step in steps:
            try:
                await step()
            except FlowError as error:  # the other steps are tried all the same
                problems.append(error)
        if problems:
            raise problems[0]

    def close(self) -> None:
        """Give back the ports; no timer and no callback is left."""
        self.manager.shutdown()
        self.media.close()

    async def _unregister(self) -> None:
        """Remove our own Contact; never `*`: that would take the account's other phones too."""
        if self._maybe_bound:
            self._maybe_bound = False
            await self._send_register(self.contact(expires=0), SipExpires(number=0))

    async def _end(self, dialog: Dialog) -> None:
        """Hang up, unless that is done; after 408 and 481 there is no call either (RFC 3261 12.2.1.2)."""
        if dialog.ended.happened:
            return
        try:
            await self.hang_up(dialog)
        except FlowError as error:
            if error.status not in (408, 481):
                raise

    async def _give_up_invite(self) -> None:
        if self._inviting is None:
            return
        request, pending = self._inviting
        self._inviting = None
        if pending.cancel():
            response = await pending.final()
            if response.getSCode()[0] < 300:  # the answer was faster than the CANCEL (RFC 3261 9.1)
                self._dialog_of(request, response)

    def _dialog_of(self, request: Any, response: Any) -> Dialog:
        with understood("the 2xx to INVITE"):
            dialog = Dialog.of_caller(request, response)
        self._dialogs.append(dialog)
        return dialog

    async def _send_register(self, contact: Any, expires: Any) -> Answered:
        call_id, address = self._registration
        self._register_sequence += 1
        request = self._request(
            "REGISTER",
            self._url(None),
            to=self._own_address(tagged=False),
            fr0m=address.getCopy(),
            call_id=call_id.getCopy(),
            sequence=self._register_sequence,
            contact=contact,
            expires=expires,
        )
        try:
            return await exchange(self.manager, self._account, request)
        finally:
            self._register_sequence = request.getHFBody("cseq").getCSeqNum()

    def _request(
        self,
        method: str,
        ruri: Any,
        *,
        to: Any,
        fr0m: Any = None,
        call_id: Any = None,
        sequence: int = 1,
        contact: Any = None,
        expires: Any = None,
        body: str | None = None,
    ) -> Any:
        """Return a request outside any dialog, for the next hop whatever its Request-URI says."""
        request = SipRequest(
            method=method,
            ruri=ruri,
            to=SipTo(address=to),
            fr0m=SipFrom(address=fr0m or self._own_address(tagged=True)),
            callid=call_id or SipCallId(),
            cseq=sequence,
            contact=contact or self.contact(),
            expires=expires,
            body=MsgBody(body) if body is not None else None,
            target=((bracketed(self._next_hop[0]), self._next_hop[1]), "udp"),
        )
        request.appendHeader(SipHeader(name="allow", bodys=ALLOW))
        return request

    def _url(self, user: str | None) -> Any:
        return SipURL(username=user, host=self._account.tenant)

    def _own_address(self, *, tagged: bool) -> Any:
        address = SipAddress(url=self._url(self._account.user))
        if tagged:
            address.setParam("tag", SipCallId().body[:16])
        return address

    def _on_request(self, request: Any, transaction: Any) -> Any:
        """Answer what the platform sends us; the value is sippy's: response, cancel and no-ACK callbacks."""
        if request.getHFBody("to").getTag() is not None:
            return self._inside_dialog(request), None, None
        method = request.getMethod()
        if method == "INVITE":
            return self._on_invite(request, transaction)
        if method == "OPTIONS":  # a registrar's keep-alive
            return request.genResponse(200, "OK"), None, None
        return _not_allowed(request), None, None

    def _on_invite(self, request: Any, transaction: Any) -> Any:
        if not self._ours.includes(request):
            self.turned_away += 1
            return request.genResponse(486, "Busy Here"), None, None
        if self._received is not None:
            return request.genResponse(486, "Busy Here"), None, None
        self._received = ReceivedCall(self, request, transaction)
        self._calls.put_nowait(self._received)
        return request.genResponse(100, "Trying"), self._received.cancelled, None

    def _inside_dialog(self, request: Any) -> Any:
        known = [*self._dialogs, *([self._received.dialog] if self._received is not None else ())]
        dialog = next((candidate for candidate in known if candidate.owns(request)), None)
        if dialog is None or dialog.ended.happened:
            return request.genResponse(481, "Call/Transaction Does Not Exist")
        if not dialog.in_order(request):
            return request.genResponse(500, "Server Internal Error")
        method = request.getMethod()
        if method == "BYE":
            dialog.ended.now(request.rtime.monot)
            return request.genResponse(200, "OK")
        if method == "INVITE":
            return self._renegotiate(request)
        return request.genResponse(200, "OK") if method == "OPTIONS" else _not_allowed(request)

    def _renegotiate(self, request: Any) -> Any:
        """Answer a re-INVITE (RFC 3261 14.2): Asterisk sends one to take itself out of the media path."""
        offered = request.getBody()
        described = sdp.answer(self.media, None if offered is None else str(offered))
        if described is None:
            return request.genResponse(488, "Not Acceptable Here")
        response = request.genResponse(200, "OK", MsgBody(described))
        response.appendHeader(SipHeader(name="contact", body=self.contact()))
        return response


def _not_allowed(request: Any) -> Any:
    response = request.genResponse(405, "Method Not Allowed")
    response.appendHeader(SipHeader(name="allow", bodys=ALLOW))
    return response
