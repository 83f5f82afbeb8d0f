"""Counters and histograms of tenants: what they show, and that what is kept of labels is never another's."""

from datetime import UTC, datetime
from typing import Final

import pytest

from collectors.asterisk.tally import Distribution, Tally
from dialtone.config.tree import TenantTree
from dialtone.model import Kind, Level, MetricDef, Tenant

AT: Final = datetime(2026, 11, 23, tzinfo=UTC)
WHOSE: Final = ("node", "tenant", "reseller")
COUNT: Final = MetricDef("calls_total", Kind.COUNTER, "Calls", (*WHOSE, "cause"))
SECONDS: Final = MetricDef(
    "ring_seconds", Kind.HISTOGRAM, "Ring time", WHOSE, unit="seconds", buckets=(1.0, 5.0)
)


def tree(**resellers: str) -> TenantTree:
    """Return tenants, each below the reseller that is given for it."""
    found = [
        Tenant(domain, "p.example", Level.RESELLER, domain) for domain in sorted(set(resellers.values()))
    ]
    found += [Tenant(name, reseller, Level.CLIENT, name) for name, reseller in resellers.items()]
    return TenantTree(Tenant("p.example", None, Level.PLATFORM, "P"), found)


def counts(tally: Tally, tenants: TenantTree, node: str = "pbx1") -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in tally.samples(node, tenants, AT)}


def spreads(rings: Distribution, tenants: TenantTree) -> dict[str, tuple[tuple[int, ...], float]]:
    return {spread.labels[1]: (spread.counts, spread.total) for spread in rings.spreads("pbx1", tenants, AT)}


def test_whatever_was_counted_is_0_when_it_is_first_shown_and_that_from_then_on() -> None:
    tally, rings = Tally(COUNT, [("busy",), ("other",)]), Distribution(SECONDS)
    tenants = tree(acme="r.example", bolt="r.example")
    for more in (0, 1, 2):
        tally.add("acme", "busy", by=3)
        rings.observe("acme", value=3.0)
        assert list(counts(tally, tenants).values()) == ([3 + 3 * more, 0] if more else [0, 0])
        assert spreads(rings, tenants) == {
            "acme": ((0, 1 + more, 0), 3.0 + 3 * more) if more else ((0, 0, 0), 0.0)
        }
    # Another that comes later begins so as well, and the first goes on meanwhile.
    tally.add("bolt", "other")
    rings.observe("bolt", value=0.5)
    assert list(counts(tally, tenants).values()) == [9, 0, 0, 0]
    assert spreads(rings, tenants) == {"acme": ((0, 3, 0), 9.0), "bolt": ((0, 0, 0), 0.0)}
    assert list(counts(tally, tenants).values()) == [9, 0, 0, 1]
    assert spreads(rings, tenants) == {"acme": ((0, 3, 0), 9.0), "bolt": ((1, 0, 0), 0.5)}


def test_a_tenant_that_has_begun_shows_every_combination() -> None:
    tally = Tally(COUNT, [("busy",), ("other",)])
    tally.add("acme", "busy", by=2)
    tally.begin("bolt")
    tenants = tree(acme="r.example", bolt="r.example")
    assert set(counts(tally, tenants).values()) == {0}
    assert counts(tally, tenants) == {
        ("pbx1", "acme", "r.example", "busy"): 2,
        ("pbx1", "acme", "r.example", "other"): 0,
        ("pbx1", "bolt", "r.example", "busy"): 0,
        ("pbx1", "bolt", "r.example", "other"): 0,
    }


def test_a_tenant_that_moves_to_another_reseller_is_shown_below_that_one_with_its_counts() -> None:
    tally, rings = Tally(COUNT, [("busy",)]), Distribution(SECONDS)
    tally.add("acme", "busy")
    rings.observe("acme", value=3.0)
    assert len(counts(tally, tree(acme="r.example"))) == len(spreads(rings, tree(acme="r.example"))) == 1
    for reseller in ("r.example", "s.example"):
        tenants = tree(acme=reseller)
        assert counts(tally, tenants) == {("pbx1", "acme", reseller, "busy"): 1}
        (spread,) = rings.spreads("pbx1", tenants, AT)
        assert (spread.labels, spread.counts, spread.total) == (("pbx1", "acme", reseller), (0, 1, 0), 3.0)


def test_what_is_shown_for_one_node_is_not_shown_for_another() -> None:
    tally, tenants = Tally(COUNT, [("busy",)]), tree(acme="r.example")
    tally.begin("acme")
    assert set(counts(tally, tenants, "pbx1")) == {("pbx1", "acme", "r.example", "busy")}
    assert set(counts(tally, tenants, "pbx2")) == {("pbx2", "acme", "r.example", "busy")}


def test_a_tenant_that_is_not_kept_is_shown_no_more_and_begins_at_0_when_it_comes_back() -> None:
    tally, rings = Tally(COUNT, [("busy",)]), Distribution(SECONDS)
    tenants = tree(acme="r.example", bolt="r.example")
    for domain in ("acme", "bolt"):
        tally.add(domain, "busy")
        rings.observe(domain, value=0.5)
    assert len(counts(tally, tenants)) == len(spreads(rings, tenants)) == 2
    tally.keep({"bolt"})
    rings.keep({"bolt"})
    assert counts(tally, tenants) == {("pbx1", "bolt", "r.example", "busy"): 1}
    assert spreads(rings, tenants) == {"bolt": ((1, 0, 0), 0.5)}
    for now in (0, 2):
        tally.add("acme", "busy")
        rings.observe("acme", value=0.5)
        assert counts(tally, tenants)["pbx1", "acme", "r.example", "busy"] == now
        assert spreads(rings, tenants) == {"bolt": ((1, 0, 0), 0.5), "acme": ((now, 0, 0), 0.5 * now)}


@pytest.mark.parametrize("combinations", [((),), (("busy", "once"),)])
def test_combinations_that_are_not_the_metrics_further_labels_are_refused(
    combinations: tuple[tuple[str, ...], ...],
) -> None:
    with pytest.raises(ValueError, match="calls_total"):
        Tally(COUNT, combinations)
