"""The reader of PromQL finds every name and label, and refuses what could hide one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.promql import PromqlError, asked, check
from dialtone.model import Catalog, Kind, MetricDef

CATALOG = Catalog(
    [
        MetricDef("dialtone_up", Kind.GAUGE, "Node answers", ("node", "kind")),
        MetricDef("calls_total", Kind.COUNTER, "Calls", ("node", "tenant")),
        MetricDef("delay_seconds", Kind.HISTOGRAM, "Delay", ("tenant",), unit="seconds", buckets=(1.0,)),
        # A gauge whose name looks like a part of a histogram.
        MetricDef("queue_count", Kind.GAUGE, "Queues", ("node",)),
    ]
)


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("up", {"up"}),
        ("up + down", {"up", "down"}),
        ("sum(up)", {"up"}),
        ("sum by (node, job) (up)", {"up"}),
        ("sum(up) by (node)", {"up"}),
        ("SUM BY (node) (up) AND ON (node) down", {"up", "down"}),
        ("topk(3, up)", {"up"}),
        ('rate(calls_total{tenant=~"$tenant", node!="up"}[5m])', {"calls_total"}),
        ("rate(calls_total[$__rate_interval])", {"calls_total"}),
        ("rate(calls_total[${window}])", {"calls_total"}),
        ("max_over_time(rate(calls_total[5m])[1h:1m])", {"calls_total"}),
        ("max_over_time(up[1h30m:])", {"up"}),
        ("up offset 5m == bool 1", {"up"}),
        ("up @ end() > 1e3 or vector(+Inf)", {"up"}),
        ("a / on (node) group_left (version) b", {"a", "b"}),
        ("a * ignoring (node) group_right b", {"a", "b"}),
        ("a unless b # and c\n or d", {"a", "b", "d"}),
        ('{__name__="up", node="a"}', {"up"}),
        ('label_replace(up, "dst", "$1", "src", "(.*)")', {"up"}),
        ("up{node='say \"} + down {\"'}", {"up"}),
        ("up{node=`raw } down`}", {"up"}),
        ('up{node="a\\"b} + c"}', {"up"}),
        ("node:up:sum", {"node:up:sum"}),
        ("sum", {"sum"}),
        ("time() - 0x1F * .5", set()),
    ],
)
def test_names_are_found_whatever_stands_around_them(expr: str, names: set[str]) -> None:
    assert asked(expr).names == names


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ('{__name__=~"up|down"}', "__name__"),
        ('up{__name__="down"}', "__name__"),
        ('{node="a"}', "without a name"),
        ('{"up"}', "a matcher is"),
        ('up{node="a"', "a matcher is"),
        ('up{node="a}', "no PromQL"),
        ("sum(up", "is missing"),
        ("sum up)", "closes nothing"),
        ("sum(up]", "closes nothing"),
        ("sum by (up", "no label"),
        ("sum by node (up)", "lacks its labels"),
        ("up ; down", "no PromQL"),
        ("up : down", "outside a subquery"),
        ("[[tenant]]_up!", "no PromQL"),
        ("5mup", "no PromQL"),
    ],
)
def test_what_could_hide_a_name_is_refused(expr: str, why: str) -> None:
    with pytest.raises(PromqlError, match=why):
        asked(expr)


@pytest.mark.parametrize(
    "expr",
    [
        'sum by (tenant) (rate(calls_total{tenant="a"}[5m]))',
        "histogram_quantile(0.9, sum by (le, tenant) (rate(delay_seconds_bucket[5m])))",
        "delay_seconds_sum / delay_seconds_count",
        "queue_count",
    ],
)
def test_what_the_catalogue_has_passes(expr: str) -> None:
    check(expr, CATALOG)


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("sum(calls)", "no metric is called 'calls'"),
        ('calls_total{reseller="a"}', "calls_total has no label reseller"),
        ("sum by (reseller) (calls_total)", "no metric here has the label reseller"),
        ("sum by (le) (delay_seconds_sum)", "no metric here has the label le"),
        ("delay_seconds", "is a histogram"),
        ("dialtone_up_count", "no metric is called"),
        ("calls_total_bucket", "no metric is called"),
        ("vector(1)", "asks for no metric"),
    ],
)
def test_what_the_catalogue_lacks_is_named(expr: str, why: str) -> None:
    with pytest.raises(PromqlError, match=why):
        check(expr, CATALOG)


_METRICS = st.sampled_from(["dialtone_up", "a:b:c", "x", "rate", "by_node", "or_else", "_hidden", "count_of"])
_LABELS = st.sampled_from(["node", "tenant", "sum", "offset"])


def _grown(inner: st.SearchStrategy[tuple[str, set[str]]]) -> st.SearchStrategy[tuple[str, set[str]]]:
    """Return expressions made of smaller ones, each with the names that it must be found to ask for."""
    operators = st.sampled_from(["+", " and ", " OR ", "> bool ", "/ on (node) group_left (tenant) ", "-"])
    wrappers = st.sampled_from(
        ["sum({})", "max by (node) ({})", "rate({}[5m:$__interval])", "({}) offset 1h", "abs({}) # {{}} up\n"]
    )
    return st.one_of(
        st.tuples(inner, operators, inner).map(
            lambda t: (f"({t[0][0]}){t[1]}({t[2][0]})", t[0][1] | t[2][1])
        ),
        st.tuples(wrappers, inner).map(lambda t: (t[0].format(t[1][0]), t[1][1])),
    )


_TREES = st.recursive(
    st.tuples(_METRICS, st.one_of(st.none(), st.tuples(_LABELS, st.text(max_size=8)))).map(
        lambda t: (
            t[0] if t[1] is None else f"{t[0]}{{{t[1][0]}=~{_quoted(t[1][1])}}}",
            {t[0]},
        )
    ),
    _grown,
    max_leaves=8,
)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@given(_TREES)
def test_exactly_the_names_that_were_put_in_are_found(tree: tuple[str, set[str]]) -> None:
    expr, names = tree

    assert asked(expr).names == names
