"""What is counted of calls by tenant: the metrics, their counts, and peaks between two polls; pure."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from collectors.asterisk.causes import CAUSES
from collectors.asterisk.tally import Distribution, Tally
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample, Spread
from dialtone.ports import TenantLookup

_TENANT: Final = ("node", "tenant", "reseller")


def _counter(name: str, text: str, *labels: str) -> MetricDef:
    name = f"asterisk_tenant_calls_{name}_total"
    return MetricDef(name, Kind.COUNTER, text, (*_TENANT, *labels), scope=MetricScope.TENANT)


def _histogram(name: str, text: str, *buckets: float) -> MetricDef:
    name = f"asterisk_tenant_{name}_seconds"
    return MetricDef(
        name, Kind.HISTOGRAM, text, _TENANT, scope=MetricScope.TENANT, unit="seconds", buckets=buckets
    )


STARTED: Final = _counter("started", "Calls of the tenant that began, or were found begun")
ANSWERED: Final = _counter("answered", "Calls of the tenant of which a leg was answered")
FAILED: Final = _counter(
    "failed",
    "Calls of the tenant that ended unanswered, by the Q.850 cause of the leg that began them",
    "cause",
)
UNSEEN: Final = _counter(
    "unseen",
    "Calls of the tenant whose end was missed, and no answer was seen before: neither answered nor failed",
)
PEAK: Final = MetricDef(
    "asterisk_peak_calls", Kind.GAUGE, "Most calls alive at once since the poll before", ("node",)
)
TENANT_PEAK: Final = MetricDef(
    "asterisk_tenant_peak_calls",
    Kind.GAUGE,
    "Most calls of the tenant alive at once since the poll before",
    _TENANT,
    scope=MetricScope.TENANT,
)
DURATION: Final = _histogram(
    "call_duration",
    "From a call's answer to the end of its last leg; calls that were joined to others have none, nor have "
    "those of which either was missed",
    *(5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200),
)
RING: Final = _histogram(
    "ring", "How long called phones rang that answered", *(1, 2, 5, 10, 15, 20, 30, 45, 60, 120)
)

METRICS: Final = (STARTED, ANSWERED, FAILED, UNSEEN, PEAK, TENANT_PEAK, DURATION, RING)


class Ledger:
    """The counts of one node. A tenant begins with all of them at 0 as soon as it has a call there.

    Where calls aren't `timed` there are no histograms.
    """

    def __init__(self, timed: bool) -> None:
        self._started, self._answered = Tally(STARTED), Tally(ANSWERED)
        self._failed = Tally(FAILED, [(cause,) for cause in CAUSES])
        self._unseen = Tally(UNSEEN)
        self._tallies = (self._started, self._answered, self._failed, self._unseen)
        self._durations, self._rings = Distribution(DURATION), Distribution(RING)
        self._histograms = (self._durations, self._rings) if timed else ()
        self._begun: dict[str, None] = {}
        self._alive = self._peak = 0
        self._now: dict[str, int] = {}
        self._peaks: dict[str, int] = {}
        self._shown: tuple[int, dict[str, int]] | None = None

    def started(self, domain: str) -> None:
        """Count a call that began."""
        self._begin(domain)
        self._started.add(domain)

    def answered(self, domain: str) -> None:
        """Count a call that was answered."""
        self._answered.add(domain)

    def failed(self, domain: str, cause: str) -> None:
        """Count a call that ended unanswered, by a word of CAUSES."""
        self._failed.add(domain, cause)

    def unseen(self, domain: str) -> None:
        """Count a call whose end was missed, and that nobody had seen answered."""
        self._unseen.add(domain)

    def lasted(self, domain: str, seconds: float) -> None:
        """Take in the duration of an answered call that has ended."""
        if self._histograms:
            self._durations.observe(domain, value=seconds)

    def rang(self, domain: str, seconds: float) -> None:
        """Take in how long a phone rang that answered."""
        self._begin(domain)
        if self._histograms:
            self._rings.observe(domain, value=seconds)

    def enter(self, domain: str) -> None:
        """Have one call more alive of a tenant."""
        self._begin(domain)
        count = self._now[domain] = self._now.get(domain, 0) + 1
        if count > self._peaks.get(domain, 0):
            self._peaks[domain] = count

    def leave(self, domain: str) -> None:
        """Have one call less alive of a tenant."""
        count = self._now[domain] - 1
        if count:
            self._now[domain] = count
        else:
            del self._now[domain]

    def enter_node(self) -> None:
        """Have one call more alive on the node."""
        self._alive += 1
        self._peak = max(self._peak, self._alive)

    def leave_node(self) -> None:
        """Have one call less alive on the node."""
        self._alive -= 1

    @property
    def alive(self) -> int:
        """How many calls are alive, and one for each tenant that is in one."""
        return self._alive + sum(self._now.values())

    def take_peaks(self) -> tuple[int, dict[str, int]]:
        """Return the node's peak and the tenants' since they were last taken; they begin anew from now on.

        Until the next time these are what `samples` shows.
        """
        self._shown = self._peak, self._peaks
        self._peak, self._peaks = self._alive, self._now.copy()
        return self._shown

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these; `_unknown` stays."""
        kept = {*domains, UNKNOWN_TENANT}
        for part in (*self._tallies, *self._histograms):
            part.keep(kept)
        for gone in self._begun.keys() - kept:
            del self._begun[gone]
            self._peaks.pop(gone, None)

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the counters, and the peaks that were last taken."""
        for tally in self._tallies:
            yield from tally.samples(node, tenants, at)
        if self._shown is not None:
            peak, peaks = self._shown
            yield PEAK.sample(node, value=peak, at=at)
            for domain in self._begun:
                whose = (node, domain, tenants.reseller(domain))
                yield TENANT_PEAK.sample(*whose, value=peaks.get(domain, 0), at=at)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms."""
        for histogram in self._histograms:
            yield from histogram.spreads(node, tenants, at)

    def _begin(self, domain: str) -> None:
        if domain not in self._begun:
            self._begun[domain] = None
            for part in (*self._tallies, *self._histograms):
                part.begin(domain)
