"""A probe that was made by runs of SIPp, and what a flow's module says of one: the row of its flow."""

import errno
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from dialtone.model import Mark, Plan
from synthetic.address import Address, hostport
from synthetic.sipp.errand import Errand
from synthetic.sipp.record import Leg, Measured
from synthetic.sipp.threads import in_thread


@dataclass(frozen=True, slots=True)
class Trip:
    """The runs of a probe, by names that are the flow's own affair, in their order.

    A flow that ended early lacks the later ones. `duration` and `timeout` are the probe's, in seconds;
    `leaving` are the runs that took bindings back; `refusing` are addresses that nothing listens on, where
    that is known: a remark for timeouts. `remarks` are for the evidence. `probe` is its id, where the flow
    asks for that.
    """

    runs: Mapping[str, Leg]
    plan: Plan
    timeout: float
    duration: float
    leaving: tuple[Leg, ...] = ()
    refusing: frozenset[Address] = field(default_factory=frozenset)
    remarks: tuple[str, ...] = ()
    probe: str = ""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The runs without those that left."""
        return tuple(self.runs.values())

    @property
    def all(self) -> tuple[Leg, ...]:
        """Every run there was."""
        return (*self.legs, *self.leaving)


@dataclass(frozen=True, slots=True)
class Journey:
    """A flow on SIPp.

    - `travel` makes the runs; it raises FlowError for trouble of ours, and what `running` raises.
    - `judge` returns the SIP status that decided, and raises FlowError for the failure that it was.
    - `timings`, `marks` and `counts` say what was measured: names of TIMINGS, instants in UTC seconds, and
      names of COUNTS.
    """

    travel: Callable[[Errand], Awaitable[Trip]]
    judge: Callable[[Trip], int | None]
    timings: Callable[[Trip], tuple[Measured, ...]]
    marks: Callable[[Trip], list[Mark]]
    counts: Callable[[Trip], Mapping[str, int]]


async def asked_why(trip: Trip) -> Trip:
    """Say where nothing listens: SIPp isn't told of ICMP, so a silent address is asked once more."""
    silent = {
        leg.next_hop
        for leg in trip.legs
        if leg.finished.messages and all(m.direction == "sent" for m in leg.finished.messages)
    }
    closed = [address for address in silent if await in_thread(_is_closed, address)]
    return replace(trip, refusing=frozenset(closed))


def _is_closed(address: Address) -> bool:
    """Whether ICMP says that the port is closed. What is sent is a keep-alive (RFC 5626 3.5.1)."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.settimeout(0.2)
        try:
            trial.connect(address)
            trial.send(b"\r\n\r\n")
            trial.recv(64)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


def refusing(trip: Trip, leg: Leg) -> str | None:
    """Return the address that a run sent to in vain, None where something listens."""
    return hostport(leg.next_hop) if leg.next_hop in trip.refusing else None
