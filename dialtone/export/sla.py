"""The metrics of SLA: what was promised, what is kept, how fast the budget goes; by tenant and service.

A figure that does not exist (nothing was measured) has no series; it is never 0. All of the period that the
objective has: the calendar month, or its rolling days.
"""

from typing import Final

from dialtone.model.metric import Kind, MetricDef, MetricScope

_SERVICE: Final = ("tenant", "reseller", "service")
_WINDOW: Final = (*_SERVICE, "window")


def _figure(name: str, help_text: str, unit: str = "", labels: tuple[str, ...] = _SERVICE) -> MetricDef:
    return MetricDef(
        name=f"dialtone_sla_{name}",
        kind=Kind.GAUGE,
        help=help_text,
        labels=labels,
        scope=MetricScope.TENANT,
        unit=unit,
    )


AVAILABILITY: Final = _figure(
    "availability_ratio",
    "Good time of that which was measured in the period; corrections are counted in",
    "ratio",
)
TARGET: Final = _figure("target_ratio", "What was promised of dialtone_sla_availability_ratio", "ratio")
COVERAGE: Final = _figure(
    "coverage_ratio",
    "Measured time of that which counts in the period so far; under 0.95 its figures are provisional",
    "ratio",
)
BUDGET: Final = _figure(
    "budget_remaining_ratio",
    "Share of the whole period's error budget that is left; below 0 where it is overspent",
    "ratio",
)
OPEN_INCIDENT: Final = _figure("open_incident", "Whether an incident goes on (1) or not (0)")
BURN_RATE: Final = _figure(
    "burn_rate",
    "How fast the error budget is spent over the window; 1 spends it just within the period",
    labels=_WINDOW,
)
BAD_SLICES: Final = _figure("bad_slices", "Bad slices of the window", labels=_WINDOW)

REFRESH: Final = MetricDef(
    name="dialtone_sla_refresh_seconds",
    kind=Kind.GAUGE,
    help="How long the figures of all services took to compute last, pauses left out",
    scope=MetricScope.SELF,
    unit="seconds",
)
AGE: Final = MetricDef(
    name="dialtone_sla_age_seconds",
    kind=Kind.GAUGE,
    help="Time since figures of a service were computed, the oldest of them",
    scope=MetricScope.SELF,
    unit="seconds",
)
ERRORS: Final = MetricDef(
    name="dialtone_sla_errors_total",
    kind=Kind.COUNTER,
    help="Computations of figures, and preparations of the books, that failed; the log says why",
    scope=MetricScope.SELF,
)


def _of_traffic(name: str, help_text: str) -> MetricDef:
    return MetricDef(
        name=f"dialtone_sla_traffic_{name}_total",
        kind=Kind.COUNTER,
        help=help_text,
        scope=MetricScope.SELF,
    )


TRAFFIC_DROPPED: Final = _of_traffic(
    "dropped", "Growths of a tenant's calls that came too late for their slice, or with a wrong clock"
)
TRAFFIC_LOST: Final = _of_traffic(
    "lost", "Slices of tenants' calls given up because the store was away for too long"
)
TRAFFIC_ERRORS: Final = _of_traffic(
    "store_errors", "Times that slices of tenants' calls could not be judged or written; writes are repeated"
)

SLA_METRICS: Final = (
    AVAILABILITY,
    TARGET,
    COVERAGE,
    BUDGET,
    OPEN_INCIDENT,
    BURN_RATE,
    BAD_SLICES,
    REFRESH,
    AGE,
    ERRORS,
    TRAFFIC_DROPPED,
    TRAFFIC_LOST,
    TRAFFIC_ERRORS,
)
"""Those of services are gauges; a window is written as in PromQL: 5m, 1h, 3d."""

SLA_TO_THE_LEAST: Final = frozenset(one.name for one in (AVAILABILITY, TARGET, COVERAGE, BUDGET))
SLA_TO_THE_MOST: Final = frozenset({BURN_RATE.name, BAD_SLICES.name})
"""Of tenants past the series cap the worst is shown: a sum of these means nothing."""
