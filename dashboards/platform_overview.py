"""The platform at one glance: nodes, tenants by flows, calls, timings, replication, alerts."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import dashboard as building
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import (
    DATASOURCE,
    Colour,
    Query,
    State,
    Steps,
    Unit,
    lines,
    matrix,
    number,
    rows,
    states,
)

UID: Final = "dialtone-platform-overview"
"""The dashboard's address in Grafana (/d/UID) and, without `dialtone-`, the name of its file."""

_WHOSE: Final = 'reseller=~"$reseller", tenant=~"$tenant"'
# Alerts about nodes have an empty tenant; choosing a tenant must not hide the platform's own trouble.
_ALERTS: Final = 'state="firing", tenant=~"$tenant|"'

_NONE_IS_GOOD: Final = Steps(Colour.GOOD, ((1, Colour.BAD),))
_UP: Final = (State(1, "up", Colour.GOOD), State(0, "down", Colour.BAD))
_PASSES: Final = (State(1, "pass", Colour.GOOD), State(0, "fail", Colour.BAD))
_RUNS: Final = (State(1, "running", Colour.GOOD), State(0, "stopped", Colour.BAD))

_TIMINGS: Final = (
    (
        "rrd",
        "Registration request delay (RRD)",
        "RFC 6076, 4.1: from the first REGISTER to its 200, authentication included; successes only.",
    ),
    (
        "srd",
        "Session request delay (SRD)",
        "RFC 6076, 4.3: from the INVITE to the first provisional over 100, or to the 200; successes only.",
    ),
    ("sdd", "Session disconnect delay (SDD)", "RFC 6076, 4.4: from the BYE to its 2xx."),
    (
        "pdd",
        "Post-dial delay (PDD)",
        "From the INVITE to the first 180, 183 or 200: what a caller waits for.",
    ),
    (
        "binding_delay",
        "Binding delay",
        "From the 200 to a REGISTER until the registrar shows the binding: when the phone can be called.",
    ),
    (
        "presence_delay",
        "Presence delay",
        "From the change of a state to the NOTIFY with it: how late a lamp lights up.",
    ),
    (
        "transfer_delay",
        "Transfer delay",
        "From the REFER to the proof at the transfer's own target, of blind and attended transfers.",
    ),
    (
        "http_duration",
        "Web request duration",
        "From the beginning of a GET, name and connection included, to the last byte of the answer.",
    ),
)

_MEDIA: Final = (
    (
        "mos",
        "Opinion score (MOS)",
        "By the E-model (ITU-T G.107), 4.41 at best: under 4.03 some users are dissatisfied, under 3.6 many.",
        Unit.NONE,
    ),
    (
        "loss_ratio",
        "Packets lost",
        "From the speaker to the listener, the first and the last packets included.",
        Unit.SHARE,
    ),
    (
        "jitter_seconds",
        "Jitter",
        "How unevenly packets arrive (RFC 3550).",
        Unit.SECONDS,
    ),
    (
        "rtt_seconds",
        "Round trip",
        "From speaker to listener and back, by RTCP.",
        Unit.SECONDS,
    ),
)
"""What is in the metric's name, title, meaning, unit."""

_INVITES: Final = ("invite",)
_NOT_REDIRECTED: Final = ("invite", "invite_3xx")
_RATIOS: Final = (
    (
        "Session establishment ratio (SER)",
        "RFC 6076, 4.6: INVITEs of test calls answered by 200, of those that were not redirected.",
        ("invite_200",),
        _NOT_REDIRECTED,
    ),
    (
        "Session establishment effectiveness ratio (SEER)",
        "RFC 6076, 4.7: as SER; busy, declined and unavailable (480, 486, 600, 603) count as success.",
        ("invite_200", "invite_end_user"),
        _NOT_REDIRECTED,
    ),
    (
        "Session completion ratio (SCR)",
        "RFC 6076, 4.9: sessions from setup to teardown with no response missing, of all INVITEs.",
        ("session_complete",),
        _INVITES,
    ),
    (
        "Ineffective session attempts (ISA)",
        "RFC 6076, 4.8: INVITEs that ended by 408, 500, 503, 504 or without an answer.",
        ("invite_ineffective",),
        _INVITES,
    ),
    (
        "Ineffective registration attempts (IRA)",
        "RFC 6076, 4.2: REGISTERs that failed otherwise than by 401, 402 or 407.",
        ("register_failed",),
        ("register",),
    ),
)
"""Title, meaning, the counters that are added up above the line, and below: the first less the others."""


def platform_overview() -> building.Dashboard:
    """Return the dashboard, ready to be built."""
    overview = (
        building.Dashboard("Dialtone: platform overview")
        .uid(UID)
        .description(
            "Nodes, tenants by flows, live calls, timings, replication and alerts of the whole platform."
        )
        .tags(["dialtone", "voip"])
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .readonly()
        .variables([_prometheus(), _label("reseller", ""), _label("tenant", '{reseller=~"$reseller"}')])
    )
    for title, panels in (
        ("Now", _now()),
        ("Tenants", _tenants()),
        ("Calls", _calls()),
        ("Timings", _timings()),
        ("What test calls hear", _media()),
        ("Ratios and certificates", _ratios()),
        ("Nodes", _nodes()),
        ("Replication", _replication()),
        ("Alerts", _alerts()),
    ):
        overview.with_row(building.Row(title))
        for panel in panels:
            overview.with_panel(panel)
    return overview


def _prometheus() -> building.DatasourceVariable:
    return building.DatasourceVariable(DATASOURCE).label("Prometheus").type("prometheus")


def _label(name: str, among: str) -> building.QueryVariable:
    """Return a variable over the values of a label, of the tenants that are probed; all at first."""
    return (
        building.QueryVariable(name)
        .label(name.capitalize())
        .datasource(dashboard.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE}}}"))
        .query(f"label_values(dialtone_probe_success{among}, {name})")
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def _now() -> Iterator[Builder[Panel]]:
    yield number(
        "Nodes down",
        "Servers whose last poll failed. A server that is unknown to the configuration is not counted.",
        Query("count(dialtone_up == 0) or vector(0)"),
        steps=_NONE_IS_GOOD,
        width=4,
    )
    yield number(
        "Nodes up",
        "Servers whose last poll succeeded.",
        Query("count(dialtone_up == 1) or vector(0)"),
        steps=Steps(Colour.PLAIN),
        width=4,
    )
    yield number(
        "Tenants failing",
        "Tenants of which at least one flow failed in its last conclusive probe.",
        Query(f"count(min by (tenant) (dialtone_probe_success{{{_WHOSE}}}) == 0) or vector(0)"),
        steps=_NONE_IS_GOOD,
        width=4,
    )
    yield number(
        "Alerts firing",
        "Alerts that are firing now, of the chosen tenants and of the nodes.",
        Query(f"sum(dialtone_alerts{{{_ALERTS}}}) or vector(0)"),
        steps=_NONE_IS_GOOD,
        width=4,
    )
    yield number(
        "Live calls at the front",
        "Dialogs on the SIP front, by the profile that its script sets for the tenant.",
        Query(f"sum(opensips_tenant_dialogs{{{_WHOSE}}})"),
        steps=Steps(Colour.PLAIN),
        width=4,
    )
    yield number(
        "Worst replication lag",
        "Largest age of a heartbeat row on any database server: the true lag, also while the link is dead.",
        Query("max(mysql_replication_heartbeat_lag_seconds)"),
        unit=Unit.SECONDS,
        steps=Steps(Colour.GOOD, ((10, Colour.WARNING), (60, Colour.BAD))),
        width=4,
    )


def _tenants() -> Iterator[Builder[Panel]]:
    yield matrix(
        "Tenants by flows: success now",
        "How the last conclusive probe of each flow ended. Fails if any engine or location fails.",
        Query(f"min by (tenant, flow) (dialtone_probe_success{{{_WHOSE}}})"),
        row="tenant",
        column="flow",
        known=_PASSES,
        width=12,
        height=10,
    )
    yield lines(
        "Failures of the last 5 minutes, by code",
        "Failed probes by failure code. Inconclusive ones (our own side was broken) are not failures.",
        [Query(f"sum by (flow, failure) ({_failed('5m')})", "{{flow}}: {{failure}}")],
        width=12,
        height=10,
    )
    yield rows(
        "Failures in the time range",
        "Failed probes in the time range of the dashboard, by tenant, flow and failure code.",
        Query(f"round(sum by (tenant, flow, failure) ({_failed('$__range')})) > 0"),
        columns=("tenant", "flow", "failure"),
        value="failures",
        width=24,
        height=7,
    )


def _failed(window: str) -> str:
    """Return PromQL for the failures within a window.

    increase() alone misses the first failure of each kind, because its series begins at 1. So a series
    that did not exist at the window's beginning counts with its whole value, provided that something was
    scraped then: after a gap of Prometheus's own nobody knows when the series began.
    """
    series = f'dialtone_probe_outcome_total{{outcome="fail", {_WHOSE}}}'
    began = f"({series} unless {series} offset {window}) and on () (dialtone_up offset {window})"
    return f"({began}) or increase({series}[{window}])"


def _calls() -> Iterator[Builder[Panel]]:
    yield lines(
        "Live calls at the SIP front",
        "Dialogs of each tenant, by the profile that the script of the SIP front sets. "
        "_unknown: traffic of no configured tenant.",
        [Query(f"sum by (tenant) (opensips_tenant_dialogs{{{_WHOSE}}})", "{{tenant}}")],
        width=12,
    )
    yield lines(
        "Live calls at the PBX",
        "Calls of each tenant in Asterisk: channels that share a Linkedid are one call.",
        [Query(f"sum by (tenant) (asterisk_tenant_calls{{{_WHOSE}}})", "{{tenant}}")],
        width=12,
    )


def _timings() -> Iterator[Builder[Panel]]:
    for name, title, meaning in _TIMINGS:
        buckets = f"sum by (le, tenant) (rate(dialtone_probe_{name}_seconds_bucket{{{_WHOSE}}}[10m]))"
        yield lines(
            f"{title}, p95 of 10 minutes",
            f"{meaning} From a histogram: as fine as its buckets.",
            [Query(f"histogram_quantile(0.95, {buckets})", "{{tenant}}")],
            unit=Unit.SECONDS,
            width=6,
        )


def _media() -> Iterator[Builder[Panel]]:
    for name, title, meaning, unit in _MEDIA:
        total, count = (
            f"sum by (tenant, listener) (rate(dialtone_probe_{name}_{part}{{{_WHOSE}}}[10m]))"
            for part in ("sum", "count")
        )
        yield lines(
            f"{title}, mean of 10 minutes",
            f"{meaning} Test calls with media, passed or failed, by who listened.",
            [Query(f"{total} / (({count}) > 0)", "{{tenant}} {{listener}}")],
            unit=unit,
            width=6,
        )


def _ratios() -> Iterator[Builder[Panel]]:
    for title, meaning, above, below in _RATIOS:
        part = " + ".join(_counted(name) for name in above)
        whole = " - ".join(_counted(name) for name in below)
        yield lines(
            f"{title}, 1 hour",
            f"{meaning} Test calls of the last hour; a gap where there was none.",
            # The filter leaves out what has no denominator: that is no ratio of 0.
            [Query(f"({part}) / (({whole}) > 0)", "{{tenant}}")],
            unit=Unit.SHARE,
            width=8,
        )
    expires = f"dialtone_probe_certificate_expires_timestamp_seconds{{{_WHOSE}}}"
    yield lines(
        "Time left of certificates",
        "How long the TLS certificates that probes have met are still valid; of several the first to end.",
        [Query(f"min by (tenant, flow) ({expires}) - time()", "{{tenant}} {{flow}}")],
        unit=Unit.SECONDS,
        width=8,
    )


def _counted(name: str) -> str:
    return f"sum by (tenant) (increase(dialtone_probe_{name}_total{{{_WHOSE}}}[1h]))"


def _nodes() -> Iterator[Builder[Panel]]:
    yield states(
        "Nodes",
        "Whether the last poll of each server succeeded.",
        [Query("dialtone_up", "{{kind}} {{node}}")],
        known=_UP,
        width=12,
    )
    yield lines(
        "Age of the figures",
        "Time since the last complete reading of each server. Past three intervals its series are withdrawn.",
        [Query("dialtone_snapshot_age_seconds", "{{node}}")],
        unit=Unit.SECONDS,
        width=6,
    )
    yield lines(
        "Time a poll takes",
        "How long the last poll of each server took.",
        [Query("dialtone_collect_duration_seconds", "{{node}}")],
        unit=Unit.SECONDS,
        width=6,
    )


def _replication() -> Iterator[Builder[Panel]]:
    yield states(
        "Replication threads",
        "The two threads of each replica: the receiver reads the source's log, the applier executes it.",
        [
            Query("mysql_replication_io_running", "{{node}} {{channel}} receiver"),
            Query("mysql_replication_sql_running", "{{node}} {{channel}} applier"),
        ],
        known=_RUNS,
        width=12,
    )
    yield lines(
        "Replication lag by heartbeat",
        "Age of the newest heartbeat that each server has of the one that wrote it. Unlike "
        "Seconds_Behind_Master it also grows while the link is dead, and when nobody writes any more.",
        [Query("mysql_replication_heartbeat_lag_seconds", "{{node}} of server {{source}}")],
        unit=Unit.SECONDS,
        width=12,
    )


def _alerts() -> Iterator[Builder[Panel]]:
    yield rows(
        "Firing now",
        "Alerts that are firing; those without a tenant are about a node.",
        Query(f"sum by (severity, rule, tenant) (dialtone_alerts{{{_ALERTS}}}) > 0"),
        columns=("severity", "rule", "tenant"),
        value="alerts",
        width=12,
    )
    yield lines(
        "Firing, by rule",
        "How many alerts were firing at a time.",
        [Query(f"sum by (rule, severity) (dialtone_alerts{{{_ALERTS}}})", "{{rule}} ({{severity}})")],
        width=12,
    )
