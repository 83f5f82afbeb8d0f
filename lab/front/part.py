"""The lab's part that starts the SIP front, whichever server it is, and says how to reach it."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from lab.base import LabContext, LabError, PartInfo
from lab.front.answers import mi_version, sip_status, until
from lab.front.kamailio import PROFILE, Kamailio
from lab.front.opensips import OpenSips, on_path
from lab.ports import LOOPBACK

_LOG_LINES: Final = 12


class Server(Protocol):
    """A SIP server that can be the front. `programs` are the names of the processes it starts."""

    programs: tuple[str, ...]

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it, each with how to get it."""

    def start(self, lab: LabContext) -> None:
        """Write its files and start it. Raises LabError."""

    def says(self, version: str) -> str:
        """Return the line for a person, given what MI answers to `version`."""


class SipPart:
    """The SIP front: OpenSIPS when it is on PATH, else Kamailio with the bridge that speaks its MI."""

    name = "sip"

    def __init__(self) -> None:
        self._server: Server = OpenSips() if on_path() else Kamailio()

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it."""
        return self._server.missing()

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once SIP and MI answer. Raises LabError."""
        sip, mi = lab.ports.take("sip"), lab.ports.take("mi")
        url = f"http://{LOOPBACK}:{mi}/mi"
        self._server.start(lab)
        dead = self._dead(lab)
        try:
            await until("SIP", lambda: sip_status(sip), dead, lab.answers)
            version = await until("MI", lambda: mi_version(url), dead, lab.answers)
        except LabError as error:
            tails = (lab.processes.log_tail(program, _LOG_LINES) for program in self._server.programs)
            raise LabError("\n".join(filter(None, (str(error), *tails)))) from None
        return PartInfo(
            name=self.name,
            says=self._server.says(version),
            nodes=(
                {
                    "name": "sip1",
                    "kind": "opensips",
                    "mi": url,
                    "interval": "5s",
                    "timeout": "2s",
                    "profile": PROFILE,
                },
            ),
            addresses={"sip": f"{LOOPBACK}:{sip}", "mi": url},
        )

    def _dead(self, lab: LabContext) -> Callable[[], str | None]:
        """Return a question: which of the programs isn't running?"""
        programs = self._server.programs
        return lambda: next((program for program in programs if not lab.processes.alive(program)), None)
