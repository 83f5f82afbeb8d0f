"""A phone's line: who it is, and how its requests outside dialogs are written and sent."""

import math
from collections.abc import Callable
from typing import Any, Final

from dialtone.model import Account, FailureCode, Plan
from synthetic.address import bracketed
from synthetic.agents.chores import Chores
from synthetic.agents.dialog import Dialog
from synthetic.agents.exchange import Answered, Watch, converse
from synthetic.agents.forks import PhoneTransactions
from synthetic.agents.headers import header, number_of, text_of
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
from synthetic.probes.base import FlowError
from synthetic.target import Hop, parse_target

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY"
ANONYMOUS: Final = "anonymous"
EXPIRES: Final = 60
"""The usual life of what we put up, in seconds: short, so that what a crash leaves behind soon goes."""
MAX_EXPIRES: Final = 3600
"""The longest life that a server may ask of what we put up, in seconds: it outlives a crash of ours."""

_TOO_BRIEF: Final = 423


class Line:
    """The identity of one phone, and its way out.

    `account` is None for a pinger of servers and for the trunk's side: they speak from their own address
    instead of from the tenant's domain, as a gateway does, and answer no challenge. `lasts` is how long the
    phone may be needed, in seconds.
    """

    def __init__(
        self,
        account: Account | None,
        hop: Hop,
        plan: Plan,
        manager: PhoneTransactions,
        *,
        domain: str,
        target: str = "",
        lasts: float = 0.0,
    ) -> None:
        self.account = account
        self.hop = hop
        self.plan = plan
        self.manager = manager
        self.domain = account.tenant if account is not None else domain
        self.user = account.user if account is not None else plan.caller_id or ANONYMOUS
        self.chores = Chores()
        self._expires = max(EXPIRES, math.ceil(lasts))
        self._beyond = target if plan.outbound_proxy else ""
        passed = (plan.outbound_proxy, target) if plan.outbound_proxy else ()
        self._routes = [f"<{_loose(uri)}>" for uri in passed if uri]

    @property
    def host(self) -> str:
        """Our own address."""
        return str(self.manager.endpoint.local[0])

    def contact(self, *, expires: int | None = None) -> Any:
        """Return our Contact, with an `expires` of its own where one is given."""
        host, port = self.manager.endpoint.local
        transport = None if self.manager.transport == "udp" else self.manager.transport
        url = SipURL(username=self.user, host=bracketed(host), port=port, transport=transport)
        address = SipAddress(url=url)
        if expires is not None:
            address.setParam("expires", str(expires))
        return SipContact(address=address)

    def url(self, user: str | None) -> Any:
        """Return the URI of a user of the tenant, or of its domain."""
        return SipURL(username=user, host=self.domain)

    def server(self) -> Any:
        """Return the URI of the target itself; packets may pass a proxy on their way there."""
        if not self._beyond:
            return SipURL(host=bracketed(self.hop.name or self.hop.address[0]), port=self.hop.address[1])
        try:
            found = parse_target(self._beyond)
        except ValueError as error:
            raise FlowError(FailureCode.MISCONFIGURED, str(error)) from None
        return SipURL(host=bracketed(found.host), port=found.port, transport=found.transport)

    def own_address(self, *, tagged: bool) -> Any:
        """Return our address of record, with a fresh tag where it is to begin a dialog."""
        host = self.domain if self.account is not None else bracketed(self.host)
        address = SipAddress(url=SipURL(username=self.user, host=host))
        if tagged:
            address.setParam("tag", SipCallId().body[:16])
        return address

    def request(
        self,
        method: str,
        ruri: Any,
        *,
        to: Any = None,
        fr0m: Any = None,
        call_id: Any = None,
        sequence: int = 1,
        contact: Any = None,
        expires: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        body: str | None = None,
        body_type: str = "application/sdp",
    ) -> Any:
        """Return a request outside any dialog, for the next hop whatever its Request-URI says.

        It has our Contact unless `contact` says otherwise; `()` leaves it out.
        """
        host, port = self.hop.address
        request = SipRequest(
            method=method,
            ruri=ruri,
            to=SipTo(address=to or SipAddress(url=ruri.getCopy())),
            fr0m=SipFrom(address=fr0m or self.own_address(tagged=True)),
            callid=call_id.getCopy() if call_id is not None else SipCallId(),
            cseq=sequence,
            contact=None if contact == () else contact or self.contact(),
            expires=SipExpires(number=expires) if expires is not None else None,
            body=body_of(body, body_type) if body is not None else None,
            target=((bracketed(host), port), self.manager.transport),
        )
        routes = [("Route", route) for route in self._routes]
        own = (*routes, ("Allow", ALLOW), ("Supported", "replaces"), *headers)
        request.appendHeaders([header(name, text) for name, text in own])
        return request

    async def converse(
        self, request: Any, *, watch: Watch | None = None, sequence: Callable[[], int] | None = None
    ) -> Answered:
        """Send a request, answer challenges, return the final response; see exchange.converse."""
        return await converse(self.manager, self.account, request, watch=watch, sequence=sequence)

    async def exchange(self, request: Any, *, watch: Watch | None = None) -> Answered:
        """Send a request, answer challenges, return its 2xx. Raises FlowError for everything else."""
        return (await self.converse(request, watch=watch)).accepted()

    async def inside(self, dialog: Dialog, request: Any) -> Answered:
        """Send a request of a dialog, answer challenges, return the final response. Raises FlowError."""
        return await self.converse(request, sequence=dialog.next_sequence)

    async def put_up(
        self,
        make: Callable[[int], Any],
        *,
        watch: Watch | None = None,
        sequence: Callable[[], int] | None = None,
    ) -> Answered:
        """Send what asks for something that expires, and once more where that is too brief (423).

        That is EXPIRES, or as long as the probe may last, if that is longer: nothing is refreshed meanwhile.
        Returns the final response, whatever else it says; `sent` is of the first request. Raises FlowError.
        """
        done = await self.converse(make(self._expires), watch=watch, sequence=sequence)
        minimum = number_of(text_of(done.response, "min-expires")) if done.status == _TOO_BRIEF else None
        if minimum is None or not self._expires < minimum <= MAX_EXPIRES:
            return done
        again = await self.converse(make(minimum), watch=watch, sequence=sequence)
        return Answered(done.sent, again.received, again.response, again.authenticated)


def body_of(text: str, kind: str) -> Any:
    """Return a body of that type."""
    return MsgBody(text, SipHeader(name="content-type", bodys=kind).getBody())


def _loose(uri: str) -> str:
    """Return a URI for a Route header: a proxy of today routes loosely (RFC 3261 16.12)."""
    bare = uri.strip().strip("<>")
    if not bare.lower().startswith(("sip:", "sips:")):
        raise FlowError(FailureCode.MISCONFIGURED, f"the outbound proxy {uri!r} is no SIP URI")
    return bare if ";lr" in bare.lower() else f"{bare};lr"
