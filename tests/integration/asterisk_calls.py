"""Calls of several tenants, placed by SIPp as the front hands them to Asterisk; phones for it to call."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration.asterisk_lab import Pbx
from tests.integration.sipp_process import sipp_process, told_to_end

_DATA: Final = Path(__file__).parents[1] / "data" / "asterisk"
_MOST_SECONDS: Final = 170
_MANY: Final = 1_000_000
_PATIENCE: Final = 20.0
_MOST_SAID: Final = 2000
_PACE: Final = 0.002
"""Seconds between two messages to SIPp, whose socket holds some 180 that it hasn't read."""
_KEPT: Final = ("Via", "From", "To", "Call-ID", "CSeq")
_CALL_ID: Final = "{number}-held"


@dataclass(frozen=True, slots=True)
class Placed:
    """A call to place: the number as Asterisk is given it, whose it is, and the header that says so.

    `caller` is its From user, as it is written in a SIP URI.
    """

    number: str
    tenant: str
    header: str
    caller: str = "101"

    @classmethod
    def by_phone(cls, number: str, tenant: str) -> "Placed":
        """Return a call of one of the tenant's phones."""
        return cls(number, tenant, f"X-Tenant: {tenant}")

    @classmethod
    def by_trunk(cls, did: str, tenant: str) -> "Placed":
        """Return a call from outside to the tenant: its channel begins without account code."""
        return cls(did, tenant, "X-Trunk: did")

    @classmethod
    def of_nobody(cls, number: str) -> "Placed":
        """Return a call from a gateway, which is no tenant's; it is answered with an echo."""
        return cls(number, "127.0.0.1", "X-Peer: gw1")


@dataclass(frozen=True, slots=True)
class Sipp:
    """A SIPp that runs on a port of 127.0.0.1, until `calls` calls have ended."""

    process: asyncio.subprocess.Process
    port: int
    calls: int
    errors: Path

    async def hang_up(self, places: Iterable[int] | None = None) -> None:
        """Tell held calls to end, by their place from 0; all of them where none is named."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for place in range(self.calls) if places is None else places:
                sock.sendto(told_to_end(_CALL_ID.format(number=place + 1)), ("127.0.0.1", self.port))
                await asyncio.sleep(_PACE)

    async def ended(self, patience: float = _PATIENCE) -> int:
        """Return SIPp's exit code when it has ended: 0 where every call did as the scenario says."""
        async with asyncio.timeout(patience):
            return await self.process.wait()

    async def passed(self, patience: float = _PATIENCE) -> None:
        """Return when SIPp has ended; fails unless every call did as the scenario says."""
        code = await self.ended(patience)
        said = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        assert code == 0, f"{code}: {said[:_MOST_SAID]}"


@asynccontextmanager
async def held(
    pbx: Pbx, folder: Path, calls: Sequence[Placed], *, rate: int = 100, port: int | None = None
) -> AsyncIterator[Sipp]:
    """Place these calls, `rate` a second; those that aren't refused are held until `hang_up`.

    `port` is one of those that Asterisk believes; the callers' where none is given.
    """
    async with _placing(pbx, folder, "caller", calls, rate, port or pbx.callers) as sipp:
        yield sipp


@asynccontextmanager
async def short(pbx: Pbx, folder: Path, calls: Sequence[Placed], *, rate: int) -> AsyncIterator[Sipp]:
    """Place these calls, `rate` a second: each is hung up once it is answered, given up as it rings."""
    async with _placing(pbx, folder, "short", calls, rate, pbx.callers) as sipp:
        yield sipp


@asynccontextmanager
async def _placing(
    pbx: Pbx, folder: Path, scenario: str, calls: Sequence[Placed], rate: int, port: int
) -> AsyncIterator[Sipp]:
    name = f"{scenario}-{port}"
    injected = folder / f"{name}.csv"
    rows = [f"{call.number};{call.tenant};{call.header};{call.caller}" for call in calls]
    injected.write_text("\n".join(["SEQUENTIAL", *rows, ""]))
    words = ("-sf", _DATA / f"{scenario}.xml", "-inf", injected, "-cid_str", _CALL_ID.format(number="%u"))
    async with _sipp(folder, name, port, len(calls), rate, *words, f"127.0.0.1:{pbx.sip}") as sipp:
        yield sipp


@asynccontextmanager
async def phones(pbx: Pbx, folder: Path) -> AsyncIterator[None]:
    """Have the tenants' phones and the gateways' far side there; phones.xml says who answers."""
    words = ("-sf", _DATA / "phones.xml")
    async with (
        _sipp(folder, "phones", pbx.phones, _MANY, 10, *words),
        _sipp(folder, "gateways", pbx.far, _MANY, 10, *words, "-t", "t1"),
    ):
        yield


class _Desk(asyncio.DatagramProtocol):
    """A phone that registers at Asterisk itself and answers its OPTIONS."""

    def __init__(self, pbx: Pbx, tenant: str) -> None:
        self._to, self._tenant, self._call = ("127.0.0.1", pbx.sip), tenant, uuid.uuid4().hex
        self._number = 0
        self.transport: asyncio.DatagramTransport
        self.answers: asyncio.Queue[int] = asyncio.Queue()
        self.asked = asyncio.Semaphore(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take in a reply, or answer a request with 200."""
        lines = data.decode().partition("\r\n\r\n")[0].split("\r\n")
        if lines[0].startswith("SIP/2.0 "):
            self.answers.put_nowait(int(lines[0].split()[1]))
            return
        kept = [line for line in lines if line.partition(":")[0] in _KEPT]
        reply = ["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]
        self.transport.sendto("\r\n".join(reply).encode(), addr)
        self.asked.release()

    async def register(self, expires: int) -> None:
        """Register, or unregister with 0."""
        host, port = self.transport.get_extra_info("sockname")
        aor = f"<sip:{self._tenant}-desk@127.0.0.1:{self._to[1]}>"
        self._number += 1
        request = [
            f"REGISTER sip:127.0.0.1:{self._to[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self._call}{self._number}",
            f"From: {aor};tag=d",
            f"To: {aor}",
            f"Call-ID: {self._call}",
            f"CSeq: {self._number} REGISTER",
            f"Contact: <sip:desk@{host}:{port}>;expires={expires}",
            f"X-Desk: {self._tenant}",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        self.transport.sendto("\r\n".join([*request, "", ""]).encode(), self._to)
        async with asyncio.timeout(_PATIENCE):
            assert await self.answers.get() == 200


@asynccontextmanager
async def desk(pbx: Pbx, tenant: str) -> AsyncIterator[None]:
    """Have a desk phone of the tenant registered at Asterisk for the time of the block; at most two are.

    It is asked by OPTIONS for the second time when the block begins, so that the first answer is in.
    """
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(lambda: _Desk(pbx, tenant), ("127.0.0.1", 0))
    phone.transport = transport
    try:
        await phone.register(60)
        async with asyncio.timeout(_PATIENCE):
            await phone.asked.acquire()
            await phone.asked.acquire()
        yield
        await phone.register(0)
    finally:
        transport.close()


@asynccontextmanager
async def _sipp(
    folder: Path, name: str, port: int, calls: int, rate: int, *words: str | Path
) -> AsyncIterator[Sipp]:
    words = (*words, "-l", str(calls), "-r", str(rate))
    async with sipp_process(folder, name, port, *words, calls=calls, seconds=_MOST_SECONDS) as process:
        yield Sipp(process, port, calls, folder / f"{name}.err")
