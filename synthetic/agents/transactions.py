"""sippy's transaction layer (RFC 3261 section 17) for one phone, with what it does otherwise put right."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from dialtone.model import TlsPlan
from synthetic.address import bracketed
from synthetic.agents.intake import SETUP, Setup
from synthetic.agents.siplib import (
    DISPATCHER,
    RINGING,
    TRYING,
    SipHeader,
    SipRequest,
    SipTMRetransmitO,
    SipTransactionManager,
    Timeout,
    UdpOptions,
)
from synthetic.agents.streams import StreamEndpoint
from synthetic.agents.transport import UdpEndpoint
from synthetic.agents.wirelog import WireLog
from synthetic.probes.base import FlowError
from synthetic.target import Hop, Transport, local_address_towards

T100: Final = 0.2
"""How long an INVITE may go without any answer before it is told to wait (RFC 3261 17.2.1), in seconds."""
T2: Final = 4.0
"""The longest pause between retransmissions of anything but an INVITE (RFC 3261 17.1.2.2, 17.2.1), in s."""

RequestHandler = Callable[[Any, Any], Any]


class Listener(Protocol):
    """Is told how a phone gets on with its hop: see failover.py."""

    def asked(self) -> None:
        """A request left, or waits for the connection."""

    def heard(self, status: int | None) -> None:
        """A message made sense: a response with that status, or a request."""

    def refused(self, detail: str) -> None:
        """The network says that nothing listens there; on UDP that may pass."""

    def failed(self, error: FlowError) -> None:
        """Nothing more can be sent or received."""


class _NoLog:
    """sippy's own log of messages: the evidence is ours, so nothing is written."""

    def write(self, *_: object, **__: object) -> None:
        """Forget it."""


class _NoAnswer:
    """What sippy hands on where no response came: timer B or F fired, or nothing can be sent any more.

    sippy makes a whole 408 ready with each request; all that is ever asked of it is this.
    """

    rtime: Any = None

    def __init__(self) -> None:
        self.setSCode(408, "Request Timeout")

    def getSCode(self) -> tuple[int, str]:  # noqa: N802 - sippy's name
        """Return status and reason."""
        return self._said

    def setSCode(self, status: int, reason: str) -> None:  # noqa: N802 - sippy's name
        """Set status and reason."""
        self._said = (status, reason)


def _nothing() -> None:
    """Make nothing."""


def _endpoint(config: Mapping[str, Any], options: Any) -> UdpEndpoint | StreamEndpoint:
    setup: Setup = config[SETUP]
    return UdpEndpoint(config, options) if setup.hop.transport == "udp" else StreamEndpoint(config, options)


class TransactionManager(SipTransactionManager):  # type: ignore[misc]  # sippy is untyped
    """One phone's transactions on one socket, to one hop, over that hop's transport.

    Two phones never share one: through a proxy each would take the other's requests for loops (482).

    `trouble` is why nothing can be sent or received any more. Transactions under way, and those begun after
    it, end with a 503 of our own then (RFC 3261 8.1.3.1), the transaction's `r408`.
    """

    model_udp_server = (_endpoint, UdpOptions)

    def __init__(
        self, hop: Hop, tls: TlsPlan, *, party: str, wire: WireLog, on_request: RequestHandler
    ) -> None:
        """Bind a free port of our address towards the hop, and begin to connect.

        Raises OSError, and FlowError with no-port where there is no way there.
        """
        self.hop = hop
        self.trouble: FlowError | None = None
        self.listener: Listener | None = None
        self._wire = wire
        setup = Setup(hop, tls, party, wire, self.give_up, self._refused)
        super().__init__(
            {
                "_sip_address": bracketed(local_address_towards(hop.address)),
                "_sip_port": 0,
                "_sip_logger": _NoLog(),
                SETUP: setup,
            },
            on_request,
        )
        self.endpoint: UdpEndpoint | StreamEndpoint = self.l4r.server

    @property
    def transport(self) -> Transport:
        """How its messages travel."""
        return self.hop.transport

    async def ready(self) -> None:
        """Wait until a request would leave at once, so that its time is its own. Raises FlowError.

        Over UDP that is now; the connection of a stream is no part of RRD or SRD (RFC 6076: first bit out).
        """
        if self.trouble is not None:
            raise self.trouble
        if self.listener is not None:
            self.listener.asked()
        await self.endpoint.ready()

    def renew(self) -> None:
        """Connect again where the connection was lost, so that what was put up can be taken down over it.

        One that never came up is not tried again. Our Contact stays the one that was registered.
        """
        lost = self.endpoint
        if not isinstance(lost, StreamEndpoint) or not lost.lost:
            return
        lost.shutdown()
        try:
            self.endpoint = StreamEndpoint(self.global_config, lost.renewed_options(), contact=lost.local)
        except OSError:
            return  # no port: what was put up stays until it expires
        self.l4r.server = self.endpoint
        self.trouble = None

    def give_up(self, error: FlowError) -> None:
        """End what is under way, and whatever is begun later, because of this error."""
        if self.trouble is None:
            self.trouble = error
            if self.listener is not None:
                self.listener.failed(error)
        self._end_transactions()

    def newTransaction(  # noqa: N802 - sippy's name
        self,
        msg: Any,
        resp_cb: Any = None,
        laddress: Any = None,
        userv: Any = None,
        cb_ifver: int = 1,
        compact: bool = False,
        t: Any = None,
    ) -> Any:
        """Send a request on our one socket: sippy looks for one by transport, and has none for TCP.

        The CANCEL of an INVITE is written when it is needed, which is seldom; sippy makes it at once.
        """
        msg.genCANCEL = _nothing
        made = super().newTransaction(msg, None, laddress, self.endpoint, cb_ifver, compact, t)
        made.resp_cb = resp_cb  # nothing comes before the loop turns
        made.r408 = _NoAnswer()
        made.request = msg
        made.refused = False
        if self.transport != "udp" and made.teA is not None:  # timers A and E: the stream retransmits
            made.teA.cancel()
            made.teA = None
        if self.listener is not None:
            self.listener.asked()
        if self.trouble is not None:
            asyncio.get_running_loop().call_soon(self._end_transactions)
        return made

    def cancelTransaction(self, t: Any, extra_headers: Any = None) -> None:  # noqa: N802 - sippy's name
        """Write the CANCEL of an INVITE, and send it now or once a provisional response has come."""
        t.cancel = SipRequest.genCANCEL(t.request)
        super().cancelTransaction(t, extra_headers)

    def timerA(self, t: Any) -> None:  # noqa: N802 - sippy's name
        """Retransmit (timers A, E, G); all but an INVITE pause at most T2: sippy doubles without end.

        A stream does so itself, but for the 2xx to an INVITE, which is repeated end to end (13.3.1.4).
        """
        if self.transport != "udp" and not t.data.startswith("SIP/2.0 2"):
            t.teA = None
            return
        self.transmitData(t.userv, t.data, t.address)
        t.tout *= 2
        if t.method != "INVITE" or t.data.startswith("SIP/2.0"):
            t.tout = min(t.tout, T2)
        t.teA = Timeout(self.timerA, t.tout, 1, t)

    def incomingResponse(self, msg: Any, t: Any, checksum: Any) -> None:  # noqa: N802 - sippy's name
        """Let sippy handle a response, after three corrections.

        The ACK of a non-2xx goes where the INVITE went, with its Request-URI and Route (RFC 3261 17.1.1.3).
        sippy sends it to the response's Contact, for a 302 to a stranger; without that header it is right.

        A provisional response stops timer E in sippy, where it should go on, from then on at T2 (17.1.2.2):
        one lost final response would be a failed probe. The final response stops it; sippy does so only where
        nothing came before that.
        """
        self._wire.understood += 1
        status = msg.getSCode()[0]
        if self.listener is not None:
            self.listener.heard(status)
        if t.needack and status >= 300:
            t.refused = True
            msg.delHFs("contact")
            msg.delHFs("record-route")
        unanswered = t.state is TRYING
        if status >= 200 and t.teA is not None:
            t.teA.cancel()
            t.teA = None
        super().incomingResponse(msg, t, checksum)
        on_udp = t.userv is not None and self.transport == "udp"
        if unanswered and status < 200 and t.method != "INVITE" and t.teA is None and on_udp:
            pause, t.tout = t.tout, T2
            t.teA = Timeout(self.timerA, pause, 1, t)

    def transmitData(  # noqa: N802 - sippy's name
        self, userv: Any, data: str, address: Any, cachesum: Any = None, lossemul: int = 0
    ) -> None:
        """Send, and remember an answer for when its request comes again; sippy would log it too."""
        userv.send_to(data, address)
        if cachesum is not None:
            self.l1rcache[cachesum] = SipTMRetransmitO(userv, data, address)

    def transmitReq(self, t: Any, msg: Any, address: Any, *rest: Any) -> None:  # noqa: N802 - sippy's name
        """Send an ACK; that of a non-2xx with the Route of its INVITE, which sippy takes off."""
        if t.refused:
            routes = t.request.getHFBCopys("route")
            msg.appendHeaders([SipHeader(name="route", body=route) for route in routes])
            address = t.address
        super().transmitReq(t, msg, address, *rest)

    def incomingRequest(self, msg: Any, checksum: Any, tids: Any, server: Any) -> None:  # noqa: N802
        """Note that a request made sense."""
        self._wire.understood += 1
        if self.listener is not None:
            self.listener.heard(None)
        super().incomingRequest(msg, checksum, tids, server)

    def expect_answer(self, request: Any, t: Any) -> None:
        """Send 100 to an INVITE that still has no answer after 200 ms (RFC 3261 17.2.1)."""
        Timeout(self._trying, T100, 1, request, t)

    def shutdown(self) -> None:
        """Close the socket and stop every timer: nothing of this phone's transactions is left on the loop."""
        DISPATCHER.cancel_timers_of(self)
        super().shutdown()

    async def gone(self) -> None:
        """Wait, after `shutdown`, until the connection is closed: a second at most."""
        await self.endpoint.gone()

    def _trying(self, request: Any, t: Any) -> None:
        if t.state is TRYING:
            self.sendResponse(request.genResponse(100, "Trying"), t)

    def _refused(self, detail: str) -> None:
        if self.listener is not None:
            # Not now: what the network refuses may be a send from inside sippy.
            asyncio.get_running_loop().call_soon(self.listener.refused, detail)

    def _end_transactions(self) -> None:
        """Answer every request that waits with 503; timer B is how sippy ends a transaction by itself."""
        for t in list((self.tclient or {}).values()):
            if t.state not in (TRYING, RINGING):
                continue
            for timer in (t.teA, t.teB):
                if timer is not None:
                    timer.cancel()
            t.teA = None
            if t.resp_cb is not None:
                t.r408.setSCode(503, "Service Unavailable")
            self.timerB(t)
