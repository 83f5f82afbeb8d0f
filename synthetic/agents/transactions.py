"""sippy's transaction layer (RFC 3261 section 17) for one phone, with what it does otherwise put right."""

from collections.abc import Callable
from typing import Any, Final

from synthetic.address import Address, bracketed
from synthetic.agents.siplib import (
    DISPATCHER,
    TRYING,
    SipTransactionManager,
    Timeout,
    UdpOptions,
)
from synthetic.agents.transport import (
    CONFIG_NEXT_HOP,
    CONFIG_PARTY,
    CONFIG_WIRE,
    UdpEndpoint,
)
from synthetic.agents.wirelog import WireLog

T2: Final = 4.0
"""The longest pause between retransmissions of anything but an INVITE (RFC 3261 17.1.2.2, 17.2.1), in s."""

RequestHandler = Callable[[Any, Any], Any]


class _NoLog:
    """sippy's own log of messages: the evidence is ours, so nothing is written."""

    def write(self, *_: object, **__: object) -> None:
        """Forget it."""


class TransactionManager(SipTransactionManager):  # type: ignore[misc]  # sippy is untyped
    """One phone's transactions on one socket.

    Two phones never share one: through a proxy each would take the other's requests for loops (482).
    """

    model_udp_server = (UdpEndpoint, UdpOptions)

    def __init__(
        self, local_host: str, next_hop: Address, *, party: str, wire: WireLog, on_request: RequestHandler
    ) -> None:
        """Bind a free port of the local address. Raises OSError."""
        super().__init__(
            {
                "_sip_address": bracketed(local_host),
                "_sip_port": 0,
                "_sip_logger": _NoLog(),
                CONFIG_WIRE: wire,
                CONFIG_PARTY: party,
                CONFIG_NEXT_HOP: next_hop,
            },
            on_request,
        )
        self._wire = wire
        self.endpoint: UdpEndpoint = self.l4r.server

    def timerA(self, t: Any) -> None:  # noqa: N802 - sippy's name
        """Retransmit (timers A, E, G); all but an INVITE pause at most T2: sippy doubles without end."""
        self.transmitData(t.userv, t.data, t.address)
        t.tout *= 2
        if t.method != "INVITE" or t.data.startswith("SIP/2.0"):
            t.tout = min(t.tout, T2)
        t.teA = Timeout(self.timerA, t.tout, 1, t)

    def incomingResponse(self, msg: Any, t: Any, checksum: Any) -> None:  # noqa: N802 - sippy's name
        """Let sippy handle a response, after two corrections.

        The ACK of a non-2xx goes where the INVITE went, with its Request-URI (RFC 3261 17.1.1.3). sippy
        sends it to the response's Contact, for a 302 to a stranger; without that header it is right.

        A provisional response stops timer E in sippy, where it should go on, from then on at T2 (17.1.2.2):
        one lost final response would be a failed probe.
        """
        self._wire.understood += 1
        status = msg.getSCode()[0]
        if t.needack and status >= 300:
            msg.delHFs("contact")
            msg.delHFs("record-route")
        unanswered = t.state is TRYING
        super().incomingResponse(msg, t, checksum)
        if unanswered and status < 200 and t.method != "INVITE" and t.teA is None and t.userv is not None:
            pause, t.tout = t.tout, T2
            t.teA = Timeout(self.timerA, pause, 1, t)

    def incomingRequest(self, msg: Any, checksum: Any, tids: Any, server: Any) -> None:  # noqa: N802
        """Note that a request made sense."""
        self._wire.understood += 1
        super().incomingRequest(msg, checksum, tids, server)

    def shutdown(self) -> None:
        """Close the socket and stop every timer: nothing of this phone's transactions is left on the loop."""
        DISPATCHER.cancel_timers_of(self)
        super().shutdown()
