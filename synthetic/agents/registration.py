"""A phone's binding at the registrar (RFC 3261 section 10)."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final

from synthetic.address import Address
from synthetic.agents.exchange import Answered
from synthetic.agents.line import Line
from synthetic.agents.siplib import SipCallId
from synthetic.probes.base import Bindings, Exchange, FlowError
from synthetic.target import PORTS, Transport

MAX_CONTACTS: Final = 100
"""Bindings of an address of record that are looked at."""


class Registration:
    """The REGISTERs of one phone: one Call-ID, rising numbers (10.2.4)."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._call_id = SipCallId()
        self._from = line.own_address(tagged=True)
        self._sequence = 0
        self._maybe_bound = False

    async def register(self) -> Exchange:
        """Bind our Contact for EXPIRES seconds, or as long as the probe or the registrar (423) needs it."""
        self._maybe_bound = True  # even if no answer comes: the request may have arrived
        try:
            done = (await self._line.put_up(self._binding, sequence=self._next)).accepted()
        except FlowError as error:
            self._maybe_bound = error.status is None
            raise
        return done.times

    async def bindings(self) -> Bindings:
        """Ask what the address of record is bound to. Raises FlowError."""
        done = await self._send(self._request(contact=()))
        manager = self._line.manager
        ours = _addresses(manager.endpoint.local, done.response)
        contacts = done.response.getHFs("contact")
        bound = any(_is(contact, ours, manager.transport) for contact in contacts[:MAX_CONTACTS])
        return Bindings(done.sent, done.received, bound, len(contacts))

    async def unregister(self) -> Exchange:
        """Remove our own Contact; never `*`: that would take the account's other phones too."""
        request = self._request(contact=self._line.contact(expires=0), expires=0)
        done = await self._send(request)
        self._maybe_bound = False
        return done.times

    def endings(self) -> list[Callable[[], Awaitable[object]]]:
        """Return the step that unregisters, where there may be something to."""
        return [self.unregister] if self._maybe_bound else []

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


def _addresses(local: Address, response: Any) -> set[Address]:
    """Return where we are: our own address, and the one that the front sees us at (Via's received and rport).

    A front before phones behind NAT may bind the latter (RFC 3581).
    """
    seen = {(_written(local[0]), local[1])}
    try:
        host, port = response.getHFBody("via").getTAddr()
        seen.add((_written(str(host)), int(port)))
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        pass  # what can't be read says nothing
    return seen


def _is(contact: Any, ours: set[Address], transport: Transport) -> bool:
    """Whether a Contact of the registrar's answer is our own: by host and port, the rest may be rewritten."""
    try:
        url = contact.getBody().getUrl()
        port = PORTS[transport] if url.port is None else int(url.port)
        return (_written(str(url.host)), port) in ours
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        return False  # one that can't be read is bound, but not ours


def _written(host: str) -> str:
    """Return a host as everything that means the same address is written here (RFC 5952)."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower()
