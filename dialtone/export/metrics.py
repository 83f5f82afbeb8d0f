"""The kernel's own metrics: nodes, probes, alerts, SLA, and the service itself.

Ratios (SER, SEER, ISA, IRA, SCR) are no metrics: they are quotients of the counters of requests, over any
time and any set of tenants, also of those folded into `_other`. docs/ratios.md has the PromQL.
"""

from typing import Final

from dialtone.export.sla import SLA_METRICS, SLA_TO_THE_LEAST, SLA_TO_THE_MOST
from dialtone.model.media import MEDIA_BUCKETS, MEDIA_FIGURES
from dialtone.model.metric import Kind, MetricDef, MetricScope
from dialtone.model.probe import COUNTS, TIMING_BUCKETS, TIMINGS

_NODE: Final = ("node", "kind")
_PROBE: Final = ("tenant", "reseller", "flow", "engine", "location")
_UNITS: Final = {"mos": "", "loss_ratio": "ratio", "jitter": "seconds", "rtt": "seconds"}


def timing_metric(timing: str) -> str:
    """Return the name of the histogram of a timing, one of model.probe.TIMINGS."""
    return f"dialtone_probe_{timing}_seconds"


def count_metric(name: str) -> str:
    """Return the name of the counter of requests, one of model.probe.COUNTS.

    One metric each and no label for it: what answers count twice (an INVITE, and its 200) must not add up.
    """
    return f"dialtone_probe_{name}_total"


def media_metric(figure: str) -> str:
    """Return the name of the histogram of a figure of what was heard, one of model.media.MEDIA_FIGURES."""
    return f"dialtone_probe_{figure}" + ("_seconds" if _UNITS[figure] == "seconds" else "")


_NODES: Final = (
    MetricDef(
        name="dialtone_up",
        kind=Kind.GAUGE,
        help="Whether the last poll of the node succeeded and is fresh (1) or not (0)",
        labels=_NODE,
    ),
    MetricDef(
        name="dialtone_collect_duration_seconds",
        kind=Kind.GAUGE,
        help="How long the last poll of the node took",
        labels=_NODE,
        unit="seconds",
    ),
    MetricDef(
        name="dialtone_snapshot_age_seconds",
        kind=Kind.GAUGE,
        help="Time since the node was last read completely",
        labels=_NODE,
        unit="seconds",
    ),
    MetricDef(
        name="dialtone_collect_failing",
        kind=Kind.GAUGE,
        help="Why the node can't be read: 1 for the present reason, absent while it can",
        labels=(*_NODE, "failure"),
    ),
)

_PROBES: Final = (
    MetricDef(
        name="dialtone_probe_outcome_total",
        kind=Kind.COUNTER,
        help="Probes by outcome and failure code; inconclusive means that our own side was broken",
        labels=(*_PROBE, "outcome", "failure"),
        scope=MetricScope.PROBE,
    ),
    MetricDef(
        name="dialtone_probe_success",
        kind=Kind.GAUGE,
        help="Whether the last conclusive result of each probe of the flow is a pass (1) or one failed (0)",
        labels=_PROBE,
        scope=MetricScope.PROBE,
    ),
    MetricDef(
        name="dialtone_probe_certificate_expires_timestamp_seconds",
        kind=Kind.GAUGE,
        help="When the server's TLS certificate ends, in seconds since 1970; of several the first to end",
        labels=_PROBE,
        scope=MetricScope.PROBE,
        unit="seconds",
    ),
    *(
        MetricDef(
            name=count_metric(name),
            kind=Kind.COUNTER,
            help=f"Requests of probes: {meaning}",
            labels=_PROBE,
            scope=MetricScope.PROBE,
        )
        for name, meaning in COUNTS.items()
    ),
    *(
        MetricDef(
            name=timing_metric(timing),
            kind=Kind.HISTOGRAM,
            help=f"{meaning}; probes that passed",
            labels=_PROBE,
            scope=MetricScope.PROBE,
            unit="seconds",
            buckets=TIMING_BUCKETS[timing],
        )
        for timing, meaning in TIMINGS.items()
    ),
    *(
        MetricDef(
            name=media_metric(figure),
            kind=Kind.HISTOGRAM,
            help=f"{meaning}; conclusive probes, by who listened",
            labels=(*_PROBE, "listener"),
            scope=MetricScope.PROBE,
            unit=_UNITS[figure],
            buckets=MEDIA_BUCKETS[figure],
        )
        for figure, meaning in MEDIA_FIGURES.items()
    ),
)

_ALERTS: Final = (
    MetricDef(
        name="dialtone_alerts",
        kind=Kind.GAUGE,
        help="Alerts by rule and state; the tenant is empty for an alert about a server",
        labels=("rule", "severity", "tenant", "state"),
        scope=MetricScope.TENANT,
    ),
)

_SELF: Final = (
    MetricDef(
        name="dialtone_info",
        kind=Kind.GAUGE,
        help="The version that runs, always 1",
        labels=("version",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_scheduler_lateness_seconds",
        kind=Kind.GAUGE,
        help="How late the last runs of this kind of job began, the worst of them",
        labels=("job_kind",),
        scope=MetricScope.SELF,
        unit="seconds",
    ),
    MetricDef(
        name="dialtone_scheduler_skipped_total",
        kind=Kind.COUNTER,
        help="Planned runs skipped because the last one still went, by kind of job",
        labels=("job_kind",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_scheduler_errors_total",
        kind=Kind.COUNTER,
        help="Runs that ended by a mistake of ours, by kind of job",
        labels=("job_kind",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_collect_internal_errors_total",
        kind=Kind.COUNTER,
        help="Polls that failed by a mistake of ours",
        labels=("node",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_canary_success",
        kind=Kind.GAUGE,
        help="Whether the engine's last probe of our own loopback answerer passed (1) or failed (0)",
        labels=("engine",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_results_waiting",
        kind=Kind.GAUGE,
        help="Probe results that wait in memory because the store takes none",
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_results_lost_total",
        kind=Kind.COUNTER,
        help="Probe results that the store never took",
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_evidence_lost_total",
        kind=Kind.COUNTER,
        help="Records of probes that could not be written",
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_alert_messages_total",
        kind=Kind.COUNTER,
        help="Alert messages by receiver and what became of them; failed ones are tried again",
        labels=("receiver", "outcome"),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_alert_messages_waiting",
        kind=Kind.GAUGE,
        help="Alert messages that the receiver has not taken yet",
        labels=("receiver",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_tenants",
        kind=Kind.GAUGE,
        help="Tenants that are known: those of the configuration, the platform included, and others",
        labels=("origin",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_discovery_success",
        kind=Kind.GAUGE,
        help="Whether the last look for tenants gave an answer that was taken (1) or not (0)",
        labels=("source",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_discovery_age_seconds",
        kind=Kind.GAUGE,
        help="Time since the answer that is in use was given",
        labels=("source",),
        scope=MetricScope.SELF,
        unit="seconds",
    ),
    MetricDef(
        name="dialtone_discovery_left_out",
        kind=Kind.GAUGE,
        help="Names of the source that can't be tenants: addresses, and what is no domain",
        labels=("source",),
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_tenants_appeared_total",
        kind=Kind.COUNTER,
        help="Tenants that discovery saw appear, those of the first answer of a source not counted",
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_tenants_disappeared_total",
        kind=Kind.COUNTER,
        help="Tenants that discovery saw disappear",
        scope=MetricScope.SELF,
    ),
    MetricDef(
        name="dialtone_series_folded",
        kind=Kind.GAUGE,
        help="Series of tenants past the series cap that are shown in sum as tenant _other",
        scope=MetricScope.SELF,
    ),
)

EXPOSED_BY_ITSELF: Final = frozenset(definition.name for definition in (*_NODES, *_PROBES)) | {
    "dialtone_series_folded"
}
"""What the Exposition makes from the states and results that it is told; nobody else may give it samples."""

FOLDED_TO_THE_LEAST: Final = SLA_TO_THE_LEAST | {
    "dialtone_probe_success",
    "dialtone_probe_certificate_expires_timestamp_seconds",
}
FOLDED_TO_THE_MOST: Final = SLA_TO_THE_MOST
"""Of tenants past the series cap the least (the most) is shown, because a sum of these means nothing."""

METRICS: Final[tuple[MetricDef, ...]] = (*_NODES, *_PROBES, *_ALERTS, *SLA_METRICS, *_SELF)
"""The table that wiring registers in the Catalog. `job_kind` is a job's name up to its first slash."""
