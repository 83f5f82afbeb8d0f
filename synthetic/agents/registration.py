"""A phone's binding at the registrar (RFC 3261 section 10)."""

from typing import Any, Final

from synthetic.address import Address
from synthetic.agents.exchange import Answered
from synthetic.agents.line import Line
from synthetic.agents.siplib import SipCallId
from synthetic.probes.base import Bindings, Exchange, FlowError

EXPIRES: Final = 60
"""The binding's life in seconds: short, so that one left behind by a crash soon goes."""
MAX_CONTACTS: Final = 100
"""Bindings of an address of record that are looked at."""

_SIP_PORT: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}


class Registration:
    """The REGISTERs of one phone: one Call-ID, rising numbers (10.2.4)."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._call_id = SipCallId()
        self._from = line.own_address(tagged=True)
        self._sequence = 0
        self._maybe_bound = False

    async def register(self) -> Exchange:
        """Bind our Contact for EXPIRES seconds, or for what the registrar wants at least (423)."""
        self._maybe_bound = True  # even if no answer comes: the request may have arrived
        try:
            done = (await self._line.put_up(self._binding, EXPIRES, sequence=self._next)).accepted()
        except FlowError as error:
            self._maybe_bound = error.status is None
            raise
        return done.times

    async def bindings(self) -> Bindings:
        """Ask what the address of record is bound to. Raises FlowError."""
        done = await self._send(self._request(contact=()))
        ours = self._line.manager.endpoint.local
        contacts = done.response.getHFs("contact")
        bound = any(_is(contact, ours, self._line.manager.transport) for contact in contacts[:MAX_CONTACTS])
        return Bindings(done.sent, done.received, bound, len(contacts))

    async def unregister(self) -> Exchange:
        """Remove our own Contact; never `*`: that would take the account's other phones too."""
        self._maybe_bound = False
        request = self._request(contact=self._line.contact(expires=0), expires=0)
        return (await self._send(request)).times

    async def end(self) -> None:
        """Unregister, where there may be something to."""
        if self._maybe_bound:
            await self.unregister()

    def _binding(self, expires: int) -> Any:
        return self._request(contact=self._line.contact(), expires=expires)

    def _request(self, *, contact: Any, expires: int | None = None) -> Any:
        return self._line.request(
            "REGISTER",
            self._line.url(None),
            to=self._line.own_address(tagged=False),
            fr0m=self._from.getCopy(),
            call_id=self._call_id,
            sequence=self._next(),
            contact=contact,
            expires=expires,
        )

    async def _send(self, request: Any) -> Answered:
        return (await self._line.converse(request, sequence=self._next)).accepted()

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _is(contact: Any, ours: Address, transport: str) -> bool:
    """Whether a Contact of the registrar's answer is our own: by host and port, the rest may be rewritten."""
    try:
        url = contact.getBody().getUrl()
        port = _SIP_PORT[transport] if url.port is None else int(url.port)
        return (str(url.host).strip("[]"), port) == ours
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        return False  # one that can't be read is bound, but not ours
