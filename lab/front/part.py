"""The lab's part that starts the SIP front, whichever server it is, and says how to reach it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from lab.base import LabContext, LabError, PartInfo
from lab.certificates import certificates
from lab.front.answers import mi_version, sip_status, until
from lab.front.kamailio import PROFILE, Kamailio
from lab.front.opensips import OpenSips, on_path
from lab.front.sockets import Side, sockets
from lab.ports import LOOPBACK

_LOG_LINES: Final = 12


class Server(Protocol):
    """A SIP server that can be the front. `programs` are the names of the processes it starts.

    `tls`, `replicates` (its registrations, to a second front) and `tells_calls` (dialog-info of calls, to
    whom subscribed) say what this installation of it can do.
    """

    programs: tuple[str, ...]

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""

    @property
    def replicates(self) -> bool:
        """Whether it can tell another front who registered."""

    @property
    def tells_calls(self) -> bool:
        """Whether it publishes the state of calls (RFC 4235)."""

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it, each with how to get it."""

    def start(self, lab: LabContext) -> None:
        """Write its files and start it. Raises LabError."""

    def says(self, version: str) -> str:
        """Return the line for a person, given what MI answers to `version`."""


class SipPart:
    """The SIP front: OpenSIPS when it is on PATH, else Kamailio with the bridge that speaks its MI."""

    def __init__(self, side: Side = Side()) -> None:  # noqa: B008 - a frozen value
        self.name = side.part
        self._side = side
        self._server: Server = OpenSips(side) if on_path() else Kamailio(side)

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it."""
        return self._server.missing()

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once SIP and MI answer. Raises LabError."""
        where = sockets(lab, self._side)
        url = f"http://{LOOPBACK}:{lab.ports.take(self._side.named('mi'))}/mi"
        if where.peer is not None and not self._server.replicates:
            raise LabError(
                "this OpenSIPS can't tell a second front who registered (modules clusterer, proto_bin)"
            )
        await asyncio.to_thread(self._server.start, lab)
        dead = self._dead(lab)
        try:
            await until("SIP", lambda: sip_status(where.sip), dead, lab.answers)
            version = await until("MI", lambda: mi_version(url), dead, lab.answers)
        except LabError as error:
            tails = (lab.processes.log_tail(program, _LOG_LINES) for program in self._server.programs)
            raise LabError("\n".join(filter(None, (str(error), *tails)))) from None
        addresses = {**where.addresses(self._side, tls=self._server.tls), self._side.named("mi"): url}
        if self._server.tls:
            addresses["ca"] = str(certificates(lab).ca)
        can = {
            "TLS": self._server.tls,
            "IPv6": where.ipv6,
            "dialog-info of calls": self._server.tells_calls,
        }
        lacks = [name for name, has in can.items() if not has]
        return PartInfo(
            name=self.name,
            says=self._server.says(version) + (f"; without {', '.join(lacks)} here" if lacks else ""),
            nodes=(
                {
                    "name": f"sip{2 if self._side.letter else 1}",
                    "kind": "opensips",
                    "mi": url,
                    "interval": "5s",
                    "timeout": "2s",
                    "profile": PROFILE,
                },
            ),
            addresses=addresses,
        )

    def _dead(self, lab: LabContext) -> Callable[[], str | None]:
        """Return a question: which of the programs isn't running?"""
        programs = self._server.programs
        return lambda: next((program for program in programs if not lab.processes.alive(program)), None)


class SecondSipPart(SipPart):
    """A second front of the same tenants: each of the two knows who registered at the other."""

    def __init__(self) -> None:
        super().__init__(Side("b"))
