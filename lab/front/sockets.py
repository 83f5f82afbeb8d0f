"""Where a front listens, and what it says of that: the same for every server that can be the front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.base import LabContext
from lab.ports import LOOPBACK, LOOPBACK6, has_ipv6


@dataclass(frozen=True, slots=True)
class Side:
    """Which of the two fronts: the first one has the plain names. `letter` tells the names of the second."""

    letter: str = ""

    @property
    def part(self) -> str:
        """The name of its part."""
        return self.named("sip")

    @property
    def other(self) -> "Side":
        """The front that it tells its registrations."""
        return Side("" if self.letter else "b")

    def named(self, name: str) -> str:
        """Return a name of the first front's as this one has it."""
        return f"{name}-{self.letter}" if self.letter else name


@dataclass(frozen=True, slots=True)
class Sockets:
    """The ports of a front: `sip` by UDP and TCP, `sips` by TLS, `trunk` for the trunk's side, by UDP alone.

    `peer` is the other front's `sip`, None where this front is alone.
    """

    sip: int
    sips: int
    trunk: int
    peer: int | None
    ipv6: bool

    def listening(self, *, tls: bool) -> Sequence[str]:
        """Return all of them as both servers write them, tcp:127.0.0.1:5060; the first is the front's own."""
        hosts = [LOOPBACK, *([f"[{LOOPBACK6}]"] if self.ipv6 else [])]
        found = [f"{proto}:{host}:{self.sip}" for host in hosts for proto in ("udp", "tcp")]
        if tls:
            found += [f"tls:{host}:{self.sips}" for host in hosts]
        return [*found, f"udp:{LOOPBACK}:{self.trunk}"]

    def addresses(self, side: Side, *, tls: bool) -> Mapping[str, str]:
        """Return them by name, as lab.json has them."""
        found = {"sip": f"{LOOPBACK}:{self.sip}", "trunk": f"{LOOPBACK}:{self.trunk}"}
        if self.ipv6:
            found["sip6"] = f"[{LOOPBACK6}]:{self.sip}"
        if tls:
            found["sip-tls"] = f"{LOOPBACK}:{self.sips}"
            if self.ipv6:
                found["sip6-tls"] = f"[{LOOPBACK6}]:{self.sips}"
        return {side.named(name): where for name, where in found.items()}


def sockets(lab: LabContext, side: Side) -> Sockets:
    """Return where that front of the lab listens."""
    return Sockets(
        sip=lab.ports.take(side.named("sip")),
        sips=lab.ports.take(side.named("sips")),
        trunk=lab.ports.take(side.named("trunk")),
        peer=lab.ports.take(side.other.named("sip")) if side.other.part in lab.parts else None,
        ipv6=has_ipv6(),
    )
