"""Every panel's PromQL runs on a real Prometheus and finds the metrics that the catalogue promises."""

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from dashboards.build import build, expressions
from dialtone.model import Catalog, Kind, MetricDef
from tests.integration.prometheus_server import Prometheus, Series, missing_programs, prometheus_with
from tests.unit.dashboards.catalogue import whole_catalogue

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason="prometheus and promtool are not installed"),
]

CATALOG: Final = whole_catalogue()
PANELS: Final = [panel for dashboard in build(CATALOG).values() for panel in expressions(dashboard)]

NOW: Final = float(int(time.time()) - 60)
STEP: Final = 15
TIMES: Final = [NOW - STEP * back for back in range(80, -1, -1)]
"""Twenty minutes, as if scraped every 15 s."""

ACME: Final = "acme.ntek.clusterpbx.example"
GLOBEX: Final = "globex.modulis.clusterpbx.example"
NEWLY: Final = "newly.ntek.clusterpbx.example"
STEADY: Final = "steady.ntek.clusterpbx.example"

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "node": ("one", "two"),
    "tenant": (ACME, GLOBEX),
    "flow": ("register", "call"),
    "outcome": ("pass", "fail"),
    "failure": ("timeout", "auth"),
    "state": ("firing", "up"),
    "severity": ("critical",),
}
"""Values to be had of each label; `reseller` follows from the tenant, others have one that is their name."""

OUTCOMES: Final = "dialtone_probe_outcome_total"


def sample_series(catalog: Catalog) -> Iterator[Series]:
    """Yield series for every metric; of two nodes and of two flows the second is down and failing."""
    for metric in catalog:
        names = [name for name in metric.labels if name != "reseller"]
        for values in itertools.product(*(LABELS.get(name, (name,)) for name in names)):
            labels = dict(zip(names, values, strict=True))
            labels["reseller"] = labels.get("tenant", "").partition(".")[2]
            yield Series(metric, tuple(labels[name] for name in metric.labels), _points(metric, labels))


def _points(metric: MetricDef, labels: Mapping[str, str]) -> tuple[tuple[float, float], ...]:
    if metric.kind is Kind.GAUGE:
        bad = labels.get("node") == "two" or labels.get("flow") == "call"
        return tuple((at, 0.0 if bad and metric.name.endswith(("_up", "_success")) else 1.0) for at in TIMES)
    # Not every INVITE was redirected, or the ratios had no denominator.
    growth = 1.0 if metric.name == "dialtone_probe_invite_3xx_total" else 4.0
    return tuple((at, growth * number) for number, at in enumerate(TIMES))


def outcome(tenant: str, counts: Mapping[float, float]) -> Series:
    """Return the series of a tenant's timed-out calls."""
    metric = CATALOG[OUTCOMES]
    values = {
        "tenant": tenant,
        "reseller": "ntek.clusterpbx.example",
        "flow": "call",
        "engine": "sippy",
        "location": "here",
        "outcome": "fail",
        "failure": "timeout",
    }
    return Series(metric, tuple(values[name] for name in metric.labels), tuple(counts.items()))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a server with the sample series, and two tenants of whom one began to fail 2 minutes ago."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    series = [
        *sample_series(CATALOG),
        outcome(NEWLY, {at: 1.0 if at < NOW - 60 else 2.0 for at in TIMES if at >= NOW - 120}),
        outcome(STEADY, dict.fromkeys(TIMES, 7.0)),
    ]
    with prometheus_with(series, folder) as server:
        yield server


def filled(expr: str, *, tenant: str = ".*") -> str:
    """Return an expression as Grafana sends it: its variables filled in."""
    expr = expr.replace("$tenant", tenant).replace("$reseller", ".*").replace("$__range", "15m")
    assert "$" not in expr
    return expr


@pytest.mark.parametrize(("title", "expr"), PANELS)
def test_every_panel_shows_data(prometheus: Prometheus, title: str, expr: str) -> None:
    # What a panel falls back to when there is nothing would hide that nothing was found.
    found = prometheus.query(filled(expr).replace(" or vector(0)", ""), NOW)

    assert found, title
    assert any(math.isfinite(value) for _, value in found), title


@pytest.mark.parametrize(("title", "expr"), [panel for panel in PANELS if "$tenant" in panel[1]])
def test_a_panel_narrowed_to_one_tenant_shows_no_other(prometheus: Prometheus, title: str, expr: str) -> None:
    tenants = {labels.get("tenant", ACME) for labels, _ in prometheus.query(filled(expr, tenant=ACME), NOW)}

    assert tenants == {ACME}, title
    nobody = prometheus.query(filled(expr, tenant="nobody.example"), NOW)
    assert all(value == 0 for _, value in nobody), title


@pytest.mark.parametrize("title", ["Nodes down", "Nodes up", "Tenants failing", "Alerts firing"])
def test_a_quiet_platform_shows_zero_and_not_nothing(prometheus: Prometheus, title: str) -> None:
    long_ago = NOW - 86400

    assert prometheus.query(filled(dict(PANELS)[title]), long_ago) == [({}, 0.0)]


def test_the_figures_of_now_are_right(prometheus: Prometheus) -> None:
    shown = {
        title: prometheus.query(filled(dict(PANELS)[title]), NOW)[0][1]
        for title in ("Nodes down", "Nodes up", "Tenants failing")
    }

    assert shown == {"Nodes down": 1.0, "Nodes up": 1.0, "Tenants failing": 2.0}


def failures(prometheus: Prometheus, tenant: str, at: float) -> float:
    found = prometheus.query(
        filled(dict(PANELS)["Failures of the last 5 minutes, by code"], tenant=tenant), at
    )
    return sum(value for _, value in found)


def test_the_first_failure_of_its_kind_is_counted(prometheus: Prometheus) -> None:
    assert failures(prometheus, NEWLY, NOW - 90) == 1
    assert failures(prometheus, NEWLY, NOW) == 2


def test_failures_of_before_are_not_counted_again(prometheus: Prometheus) -> None:
    assert failures(prometheus, STEADY, NOW) == 0


def test_after_a_gap_old_failures_are_not_taken_for_new_ones(prometheus: Prometheus) -> None:
    # Two minutes after the samples begin nobody knows what was five minutes ago.
    assert failures(prometheus, STEADY, TIMES[0] + 120) == 0


def test_the_failures_of_the_range_are_named_by_code(prometheus: Prometheus) -> None:
    expr = dict(PANELS)["Failures in the time range"]
    codes = {labels["failure"] for labels, _ in prometheus.query(filled(expr, tenant=ACME), NOW)}

    assert codes == {"timeout", "auth"}
