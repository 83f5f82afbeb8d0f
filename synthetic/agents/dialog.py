"""The state of a call between two phones (RFC 3261 section 12)."""

from typing import Any, Self

import anyio

from synthetic.agents.siplib import SipAddress, SipFrom, SipRequest, SipTo


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
    ) -> None:
        self.ended = Moment()
        for uri in (target, *(route.getUrl() for route in routes)):
            _check_port(uri)
        self._call_id = call_id
        self._local = local
        self._remote = remote
        self._target = target
        self._routes = routes
        self._sequence = sequence
        self._remote_sequence: int | None = None

    @classmethod
    def of_caller(cls, request: Any, response: Any) -> Self:
        """Return the dialog that a 2xx to our INVITE made (12.1.2). Raises what a broken header raises."""
        return cls(
            call_id=request.getHFBCopy("call-id"),
            local=request.getHFBody("from").address.getCopy(),
            remote=response.getHFBody("to").address.getCopy(),
            target=response.getHFBody("contact").getUrl().getCopy(),
            routes=[route.getCopy() for route in reversed(response.getHFBodys("record-route"))],
            sequence=request.getHFBody("cseq").getCSeqNum(),
        )

    @classmethod
    def of_callee(cls, request: Any, tag: str) -> Self:
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

    def sent(self, request: Any) -> None:
        """Go on from the number that a request ended with: answering a challenge has raised it."""
        self._sequence = request.getHFBody("cseq").getCSeqNum()

    def request(self, method: str) -> Any:
        """Return a request inside the dialog (12.2.1.1), addressed to its first route or its target."""
        self._sequence += 1
        first = self._routes[0].getUrl() if self._routes else self._target
        return SipRequest(
            method=method,
            ruri=self._target.getCopy(),
            fr0m=SipFrom(address=self._local.getCopy()),
            to=SipTo(address=self._remote.getCopy()),
            callid=self._call_id.getCopy(),
            cseq=self._sequence,
            routes=[route.getCopy() for route in self._routes],
            target=(first.getAddr(), "udp"),
        )


def _check_port(uri: Any) -> None:
    """Raise ValueError for a port that no datagram can be sent to."""
    if not 0 < int(uri.getAddr()[1]) < 65536:
        raise ValueError("a Contact or Record-Route has an impossible port")
