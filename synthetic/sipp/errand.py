"""What the runs of one probe have in common, and where each party's packets go."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dialtone.model import Account, ProbeRequest, Secret
from dialtone.ports import Clock
from synthetic.address import Address, bracketed
from synthetic.probes.parties import Party, parties
from synthetic.sipp.ports import Ports
from synthetic.sipp.program import Sipp

ANONYMOUS: Final = "anonymous"
"""The user of who has no account and no caller_id (RFC 3261 8.1.1.3)."""
EXPIRES: Final = 60
"""The usual life of what we put up, in seconds: short, for what a crash leaves behind. As on sippy."""
MIN_WAIT: Final = 0.05
"""The shortest time that SIPp is given for a step, in seconds."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where packets go, and our own address on the way there."""

    next_hop: Address
    host: str


@dataclass(frozen=True, slots=True)
class Errand:
    """What the runs of one probe have in common; `deadline` is an instant of the clock.

    `way` leads to the target, `callers_way` to the plan's caller_target, which is the same mostly.
    """

    sipp: Sipp
    request: ProbeRequest
    way: Way
    callers_way: Way
    folder: Path
    clock: Clock
    deadline: float
    ports: Ports

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never less than what SIPp takes for a time."""
        return max(self.deadline - self.clock.monotonic(), MIN_WAIT)

    @property
    def life(self) -> int:
        """How long what the probe puts up lives, in seconds: never less than the probe may take."""
        return max(EXPIRES, math.ceil(self.request.timeout))

    @property
    def started(self) -> float:
        """When the probe began, an instant of the clock."""
        return self.deadline - self.request.timeout

    @property
    def parties(self) -> tuple[Party, ...]:
        """The flow's parties (see synthetic/probes/parties.py)."""
        return parties(self.request.flow, self.request.plan)

    def towards(self, party: str) -> Way:
        """Return where a party's packets go."""
        calls = any(one.calls for one in self.parties if one.name == party)
        return self.callers_way if calls else self.way

    def account(self, party: str) -> Account:
        """Return a party's account; who has none speaks from our own address, as the plan's caller_id."""
        waiting = iter(self.request.accounts)
        for one in self.parties:
            account = next(waiting) if one.account else None
            if one.name == party:
                return account or self._nobody(party)
        raise LookupError(f"{self.request.flow} has no {party}")

    def _nobody(self, party: str) -> Account:
        host = bracketed(self.towards(party).host)
        return Account(host, self.request.plan.caller_id or ANONYMOUS, "", Secret(""))
