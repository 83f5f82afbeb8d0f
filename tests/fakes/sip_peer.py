"""The other side of one phone on a UDP socket: it says what a test tells it to, right or wrong."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from dialtone.model import Account, Plan
from lab.faults.message import SipText
from synthetic.agents.ours import Ours
from synthetic.agents.phone import SipPhone
from synthetic.agents.wirelog import WireLog
from synthetic.target import Hop
from tests.fakes.sip_probes import TENANT, an_account

PROBE = "r1"
DESCRIPTION = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n"
)
SDP = DESCRIPTION.format(9)
_PATIENCE = 4.0


class SipPeer(asyncio.DatagramProtocol):
    """Use as an async context manager. `all` is what came; what it does not wait for it passes over."""

    def __init__(self) -> None:
        self.all: list[SipText] = []
        self._inbox: asyncio.Queue[tuple[SipText, tuple[str, int]]] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._phone: tuple[str, int] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    @property
    def contact(self) -> tuple[str, str]:
        """Its Contact."""
        return "Contact", f"<sip:peer@127.0.0.1:{self.port}>"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a message."""
        message = SipText.parse(data)
        self._phone = addr
        self.all.append(message)
        self._inbox.put_nowait((message, addr))

    async def request(self, method: str) -> SipText:
        """Return the next request of that method; others are passed over."""
        return await self._next(lambda m: not m.is_response and m.method == method)

    async def response(self, to: SipText, least: int = 200) -> SipText:
        """Return the final response to a request of its own, or the next from that status on."""
        wanted = (to.get("call-id"), to.get("cseq"))
        return await self._next(
            lambda m: m.is_response and m.status >= least and (m.get("call-id"), m.get("cseq")) == wanted
        )

    async def silence(self, method: str) -> None:
        """Make sure that no such request has come by the time that the phone has taken what was sent."""
        await self.until_taken()
        assert method not in [m.method for m in self.all if not m.is_response]

    async def until_taken(self) -> None:
        """Wait until the phone has taken all that was sent: it answers an OPTIONS that came behind it."""
        await self.response(self.begin("OPTIONS", body=""))

    def answer(self, request: SipText, status: int, *headers: tuple[str, str], **more: Any) -> None:
        """Answer a request of the phone's."""
        own = () if any(name == "Contact" for name, _ in headers) else (self.contact,)
        self.send(request.reply(status, "Said", *own, *headers, **more))

    async def accept(self, invite: SipText, tag: str = "far") -> SipText:
        """Answer an INVITE with 200 and return its ACK."""
        self.answer(invite, 200, body=SDP, tag=tag)
        return await self.request("ACK")

    def send(self, message: SipText) -> None:
        """Send a message to where the phone was heard last."""
        self.throw(message.encode())

    def throw(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self._phone is not None
        self._transport.sendto(data, self._phone)

    def aim(self, phone: SipPhone) -> None:
        """Send to a phone that has not been heard yet."""
        self._phone = phone.manager.endpoint.local

    def begin(
        self,
        method: str,
        *headers: tuple[str, str],
        call_id: str = "",
        body: str = SDP,
        mark: bool = True,
        sender: str = "",
        contact: str = "",
    ) -> SipText:
        """Send a request outside any dialog, and return it. `sender` is its From."""
        number = next(self._numbers)
        named = [("X-Dialtone-Probe", PROBE)] if mark else []
        request = self._made(
            method,
            number,
            [
                ("From", sender or f"<sip:peer@127.0.0.1>;tag=p{number}"),
                ("To", "<sip:100@acme.example>"),
                ("Call-ID", call_id or f"peer-{number}"),
                *named,
                *headers,
            ],
            body,
            contact,
        )
        self.send(request)
        return request

    def inside(
        self,
        about: SipText,
        method: str,
        *headers: tuple[str, str],
        body: str = "",
        number: int = 0,
        tag: str = "far",
    ) -> SipText:
        """Send a request in a dialog, and return it.

        `about` is the phone's request that began it (then `tag` is our own), or the phone's answer to ours.
        """
        ours, theirs = about.get("from"), about.get("to")
        if not about.is_response:
            ours, theirs = f"{about.get('to')};tag={tag}", about.get("from")
        identity = [("From", ours), ("To", theirs), ("Call-ID", about.get("call-id"))]
        request = self._made(method, number or next(self._numbers) + 100, [*identity, *headers], body)
        self.send(request)
        return request

    def acknowledge(self, answer: SipText) -> None:
        """Send the ACK of a 2xx that the phone gave."""
        number = int(answer.get("cseq").split()[0])
        self.inside(answer, "ACK", number=number)

    def _made(
        self, method: str, number: int, headers: list[tuple[str, str]], body: str, contact: str = ""
    ) -> SipText:
        assert self._phone is not None
        host, port = self._phone
        branch = f"z9hG4bK-{self.port}-{next(self._numbers)}"
        lines = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}"),
            ("Max-Forwards", "70"),
            *headers,
            ("CSeq", f"{number} {method}"),
            ("Contact", contact) if contact else self.contact,
        ]
        if body and not any(name == "Content-Type" for name, _ in headers):
            lines.append(("Content-Type", "application/sdp"))
        return SipText(f"{method} sip:100@{host}:{port} SIP/2.0", lines, body)

    async def _next(self, wanted: Any) -> SipText:
        async with asyncio.timeout(_PATIENCE):
            while True:
                message, _ = await self._inbox.get()
                if wanted(message):
                    return message


def tag_of(value: str) -> str:
    """Return the tag of a From or To."""
    found = re.search(r";tag=([^;>\s]+)", value)
    assert found is not None
    return found[1]


@asynccontextmanager
async def peer_and_phone(
    account: Account | None = None,
    *,
    plan: Plan | None = None,
    target: str = "",
    trunk: bool = False,
    lasts: float = 0.0,
) -> AsyncIterator[tuple[SipPeer, SipPhone]]:
    """Give a peer and a phone of the tenant whose hop it is; `trunk` is a phone without account."""
    async with SipPeer() as peer:
        phone = SipPhone(
            "phone",
            None if trunk else account or an_account(),
            Hop(("127.0.0.1", peer.port)),
            plan or Plan(),
            WireLog(),
            Ours(PROBE, frozenset({"101"})),
            domain=TENANT,
            target=target,
            lasts=lasts,
        )
        try:
            peer.aim(phone)
            yield peer, phone
        finally:
            phone.close()
            await phone.manager.gone()
