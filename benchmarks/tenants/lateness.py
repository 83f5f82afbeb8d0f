"""When each probe was due, found from the results alone, and how late it began (pure).

The service spreads the starts of all tenants and probes evenly over the interval (synthetic.schedule), from
an instant on that it chooses at random. A result says in which slot its start was planned: a multiple of the
interval since 1970. Where, in the order of the spread, the next slot begins is the only unknown, and the
results show it between two neighbours. The earlier of them is taken: so a lateness is never reckoned too
small, and too great by one step of the spread at most.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dialtone.model import ProbeResult
from synthetic.schedule import phase

Job = tuple[str, str]
"""A tenant and the name of a probe."""


@dataclass(frozen=True, slots=True)
class Start:
    """A job's start: the slot that it was planned in, and when it came, in seconds since 1970."""

    job: Job
    slot: int
    at: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Where each job stands in an interval (both in seconds); the spread itself begins at `begin`."""

    interval: float
    phases: Mapping[Job, float]
    begin: float = 0.0

    @property
    def step(self) -> float:
        """How far apart two starts are, in seconds."""
        return self.interval / len(self.phases)

    def due(self, job: Job, slot: int) -> float:
        """Return when a job was due in a slot, in seconds since 1970."""
        return slot * self.interval + (self.phases[job] + self.begin) % self.interval

    def lateness(self, start: Start) -> float:
        """Return how late it came, in seconds."""
        return start.at - self.due(start.job, start.slot)

    def as_seen(self, starts: Iterable[Start]) -> "Spread":
        """Return this spread, beginning where these starts say that it begins."""
        # From the begin of the slot to the start, less the phase: jobs that, counted from `begin`, stand past
        # the slot's end are due at the begin of the one that follows, and seem early by an interval.
        seen = [(start.at - start.slot * self.interval - self.phases[start.job], start) for start in starts]
        if not seen:
            raise ValueError("without results nobody knows when they were due")
        latest = max(after for after, _ in seen)
        past = [self.phases[start.job] for after, start in seen if after < latest - self.interval / 2]
        begin = self.interval - min(past) if past else 0.0
        return Spread(self.interval, self.phases, begin)


def spread(tenants: Sequence[str], probes: Sequence[str], interval: float) -> Spread:
    """Return the spread of these probes over these tenants, each in the order of the configuration."""
    return Spread(
        interval,
        {
            (tenant, probe): interval * phase(place, len(tenants), number, len(probes), 0.0)
            for number, probe in enumerate(probes)
            for place, tenant in enumerate(tenants)
        },
    )


def starts(results: Iterable[ProbeResult]) -> list[Start]:
    """Return the starts that were planned: a confirmation's was not."""
    return [
        Start((result.tenant, result.probe), result.slot, result.started.timestamp())
        for result in results
        if result.attempt == 1
    ]
