"""What the exposition says of probes: outcomes, requests, how it is now, what was heard, times of passes."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from dialtone.export.blocks import Block
from dialtone.export.metrics import count_metric, media_metric, timing_metric
from dialtone.export.series import Family, Histogram, Labels, Line
from dialtone.model import COUNTS, CatalogError, Engine, Flow, Origin, Outcome, ProbeResult, ProbeTotals

_log = structlog.get_logger(__name__)

_CERTIFICATE: Final = "dialtone_probe_certificate_expires_timestamp_seconds"
_METHOD: Final = {name: "register" if name.startswith("register") else "invite" for name in COUNTS}
"""Which requests a count is of."""


class ProbeFigures:
    """Counts results into a block of series; how many there are depends on tenants and flows alone."""

    def __init__(self, family: Callable[[str], Family], reseller_of: Callable[[str], str]) -> None:
        self._family = family
        self._reseller_of = reseller_of
        self._complained: set[str] = set()
        self._passed: dict[Labels, dict[str, bool]] = {}
        self._expires: dict[Labels, dict[str, float]] = {}
        self.block = Block()

    def take(self, result: ProbeResult) -> None:
        """Count one result of the schedule.

        Somebody trying a wrong password by hand, or a stress run, says nothing of the tenant's day.
        """
        if result.origin is not Origin.SCHEDULE:
            return
        labels = self._labels_of(result)
        failure = str(result.failure.code) if result.failure is not None else ""
        outcomes = self._line("dialtone_probe_outcome_total", (*labels, str(result.outcome), failure))
        outcomes.value += 1
        if result.outcome is not Outcome.INCONCLUSIVE:  # trouble of our own says nothing about the tenant
            self._show(result, labels)
            self._count_requests(labels, result.counts)
            for stream in result.media:
                for figure, value in stream.figures.items():
                    self._observe(media_metric(figure), (*labels, stream.listener), value)
        if result.outcome is Outcome.PASS:  # RFC 6076: times of success and of failure are never mixed
            for timing, seconds in result.timings.items():
                self._observe(timing_metric(timing), labels, seconds)

    def recall(self, totals: ProbeTotals) -> None:
        """Go on counting from what an earlier run of the service had counted; before the first result."""
        labels = self._labels(totals.tenant, totals.flow, totals.engine, totals.location)
        for (outcome, failure), count in totals.outcomes.items():
            self._line("dialtone_probe_outcome_total", (*labels, str(outcome), failure)).value += count
        self._count_requests(labels, totals.counts)
        for timing, kept in totals.timings.items():
            self._histogram(timing_metric(timing), labels).refill(kept.counts, kept.sum)
        for (listener, figure), kept in totals.media.items():
            self._histogram(media_metric(figure), (*labels, listener)).refill(kept.counts, kept.sum)

    def recall_last(self, result: ProbeResult) -> None:
        """Show the last conclusive result of an earlier run, without counting it again."""
        if result.outcome is not Outcome.INCONCLUSIVE and result.origin is Origin.SCHEDULE:
            self._show(result, self._labels_of(result))

    def _show(self, result: ProbeResult, labels: Labels) -> None:
        """Show how it is now: of several probes of a flow the worst, and the certificate that ends first."""
        passed = self._passed.setdefault(labels, {})
        passed[result.probe] = result.outcome is Outcome.PASS
        self._line("dialtone_probe_success", labels).value = float(all(passed.values()))
        if result.certificate_expires is not None:
            expires = self._expires.setdefault(labels, {})
            expires[result.probe] = result.certificate_expires.timestamp()
            self._line(_CERTIFICATE, labels).value = min(expires.values())

    def _count_requests(self, labels: Labels, counts: Mapping[str, int]) -> None:
        """Add to the counters; those of the same method begin at 0 with it.

        A ratio of a counter that is missing would be no ratio where it should be 0.
        """
        known = {name: count for name, count in counts.items() if name in COUNTS and count >= 0}
        methods = {_METHOD[name] for name in known}
        for name in COUNTS:
            if _METHOD[name] in methods:
                self._line(count_metric(name), labels).value += known.get(name, 0)
        for name in counts.keys() - known.keys():
            self._complain("a probe's count makes no sense", name, counts[name])

    def _labels_of(self, result: ProbeResult) -> Labels:
        return self._labels(result.tenant, result.flow, result.engine, result.location)

    def _labels(self, tenant: str, flow: Flow, engine: Engine, location: str) -> Labels:
        return (tenant, self._reseller_of(tenant), str(flow), str(engine), location)

    def _observe(self, metric: str, labels: Labels, value: float) -> None:
        try:
            histogram = self._histogram(metric, labels)
        except CatalogError:
            histogram = None
        if histogram is not None and math.isfinite(value) and value >= 0:
            histogram.observe(value)
        else:
            self._complain("a probe's figure makes no sense", metric, value)

    def _complain(self, what: str, name: str, value: float) -> None:
        if name not in self._complained:
            self._complained.add(name)
            _log.error(what, name=name, value=value)

    def _line(self, name: str, labels: Labels) -> Line:
        point = self.block.get(name, labels)
        if not isinstance(point, Line):
            point = self._family(name).line(labels, 0.0)
            self.block.add(name, point)
        self.block.changed(name)
        return point

    def _histogram(self, name: str, labels: Labels) -> Histogram:
        point = self.block.get(name, labels)
        if not isinstance(point, Histogram):
            point = self._family(name).histogram(labels)
            self.block.add(name, point)
        self.block.changed(name)
        return point
