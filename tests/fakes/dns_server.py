"""A name server on a real UDP socket, with the records it is given; or one that never answers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from synthetic.dns import Names


class DnsServer(asyncio.DatagramProtocol):
    """Use as an async context manager.

    `records` are (name, type, text) as a zone file has them; a type in `ignored` is never answered, `silent`
    answers nothing at all, `fails` answers SERVFAIL. `asked` is every question, in order.
    """

    def __init__(
        self,
        *records: tuple[str, str, str],
        ignored: Sequence[str] = (),
        silent: bool = False,
        fails: bool = False,
    ) -> None:
        self.asked: list[tuple[str, str]] = []
        self._records = records
        self._ignored = ignored
        self._silent = silent
        self._fails = fails

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    def names(self) -> Names:
        """Return what asks this server, and has no /etc/hosts."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        return Names(resolver, hosts=None)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take a question."""
        question = dns.message.from_wire(data)
        name, kind = question.question[0].name, question.question[0].rdtype
        self.asked.append((name.to_text(omit_final_dot=True), dns.rdatatype.to_text(kind)))
        if self._silent or dns.rdatatype.to_text(kind) in self._ignored:
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        here = [(t, text) for n, t, text in self._records if n == name.to_text(omit_final_dot=True)]
        if self._fails:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif not here:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        found = [text for written, text in here if written == dns.rdatatype.to_text(kind)]
        if found:
            answer.answer.append(dns.rrset.from_text_list(name, 60, "IN", kind, found))
        self._transport.sendto(answer.to_wire(), addr)
