"""The state of a call between two phones (RFC 3261 section 12)."""

from typing import Any, Self

import anyio

from synthetic.agents.siplib import SipAddress, SipFrom, SipRequest, SipTo
from synthetic.target import PORTS


class Moment:
    """Something that happens once, and when."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._at = 0.0

    @property
    def happened(self) -> bool:
        """Whether it has."""
        return self._event.is_set()

    def now(self, at: float) -> None:
        """It happened; a second time changes nothing."""
        if not self._event.is_set():
            self._at = at
            self._event.set()

    async def wait(self) -> float:
        """Return when it happened, once it has."""
        await self._event.wait()
        return self._at


class Dialog:
    """One call's identity, route and sequence numbers; makes the requests inside it."""

    def __init__(
        self,
        *,
        call_id: Any,
        local: SipAddress,
        remote: SipAddress,
        target: Any,
        routes: list[Any],
        sequence: int,
        transport: str,
    ) -> None:
        self.ended = Moment()
        self._transport = transport
        for uri in (target, *(route.getUrl() for route in routes)):
            self._address_of(uri)
        self._call_id = call_id
        self._local = local
        self._remote = remote
        self._target = target
        self._routes = routes
        self._sequence = sequence
        self._remote_sequence: int | None = None

    @classmethod
    def of_caller(cls, request: Any, response: Any, transport: str) -> Self:
        """Return the dialog that a 2xx to our INVITE or SUBSCRIBE made (12.1.2).

        Raises what a broken header raises.
        """
        return cls(
            call_id=request.getHFBCopy("call-id"),
            local=request.getHFBody("from").address.getCopy(),
            remote=response.getHFBody("to").address.getCopy(),
            target=response.getHFBody("contact").getUrl().getCopy(),
            routes=[route.getCopy() for route in reversed(response.getHFBodys("record-route"))],
            sequence=request.getHFBody("cseq").getCSeqNum(),
            transport=transport,
        )

    @classmethod
    def of_callee(cls, request: Any, tag: str, transport: str) -> Self:
        """Return the dialog that our 2xx to an INVITE makes (12.1.1). Raises what a broken header raises."""
        local = request.getHFBody("to").address.getCopy()
        local.setParam("tag", tag)
        made = cls(
            call_id=request.getHFBCopy("call-id"),
            local=local,
            remote=request.getHFBody("from").address.getCopy(),
            target=request.getHFBody("contact").getUrl().getCopy(),
            routes=[route.getCopy() for route in request.getHFBodys("record-route")],
            sequence=0,
            transport=transport,
        )
        made.in_order(request)
        return made

    def owns(self, request: Any) -> bool:
        """Whether a request with a To tag belongs to this dialog (12.2.2)."""
        return (
            str(request.getHFBody("call-id")) == str(self._call_id)
            and request.getHFBody("to").getTag() == self._local.getParam("tag")
            and request.getHFBody("from").getTag() == self._remote.getParam("tag")
        )

    def in_order(self, request: Any) -> bool:
        """Note a request's sequence number; False where it is not above the last (12.2.2: 500)."""
        number = request.getHFBody("cseq").getCSeqNum()
        if self._remote_sequence is not None and number <= self._remote_sequence:
            return False
        self._remote_sequence = number
        return True

    def next_sequence(self) -> int:
        """Return a number above all that were used (12.2.1.1): each answered challenge takes one too."""
        self._sequence += 1
        return self._sequence

    def refresh(self, request: Any) -> None:
        """Take the new Contact of a re-INVITE (12.2.2). Raises what a broken header raises."""
        target = request.getHFBody("contact").getUrl().getCopy()
        self._address_of(target)
        self._target = target

    @property
    def identity(self) -> tuple[str, str, str]:
        """Call-ID, our tag, their tag."""
        return str(self._call_id), str(self._local.getParam("tag")), str(self._remote.getParam("tag"))

    def request(self, method: str, *, sequence: int | None = None) -> Any:
        """Return a request inside the dialog (12.2.1.1), addressed to its first route or its target.

        `sequence` is given for the ACK of a 2xx alone, which has its INVITE's number (13.2.2.4).
        """
        if sequence is None:
            sequence = self.next_sequence()
        target, routes = self._target, self._routes
        first = routes[0].getUrl() if routes else target
        if routes and not first.lr:  # a strict router (RFC 2543): the target goes to the end of the routes
            behind = routes[0].getCopy()
            behind.address.url = target.getCopy()
            target, routes = first, [*routes[1:], behind]
        return SipRequest(
            method=method,
            ruri=target.getCopy(),
            fr0m=SipFrom(address=self._local.getCopy()),
            to=SipTo(address=self._remote.getCopy()),
            callid=self._call_id.getCopy(),
            cseq=sequence,
            routes=[route.getCopy() for route in routes],
            target=(self._address_of(first), self._transport),
        )

    def _address_of(self, uri: Any) -> Any:
        """Return where a URI's requests go. Raises ValueError for one that nothing can be sent to."""
        host, port = uri.getAddr()
        if uri.port is None and self._transport == "tls":
            port = PORTS["tls"]
        if not host or not 0 < int(port) < 65536:
            raise ValueError("a Contact or Record-Route leads nowhere")
        return host, int(port)
