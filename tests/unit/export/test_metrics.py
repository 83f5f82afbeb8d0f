"""The kernel's table of metrics fits the catalogue and the types."""

from collectors.asterisk import rtp
from dialtone.export.metrics import (
    FOLDED_TO_THE_LEAST,
    FOLDED_TO_THE_MOST,
    METRICS,
    count_metric,
    media_metric,
    timing_metric,
)
from dialtone.model import MEDIA_FIGURES, Catalog, Kind
from dialtone.model.probe import COUNTS, TIMINGS


def test_the_table_fits_the_catalogue_and_names_nothing_twice() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


def test_every_timing_has_a_histogram_in_seconds() -> None:
    catalog = Catalog(METRICS)
    for timing in TIMINGS:
        assert catalog[timing_metric(timing)].kind is Kind.HISTOGRAM
        assert catalog[timing_metric(timing)].unit == "seconds"


def test_every_figure_of_media_has_a_histogram_by_listener() -> None:
    catalog = Catalog(METRICS)
    names = {figure: media_metric(figure) for figure in MEDIA_FIGURES}
    assert names == {
        "mos": "dialtone_probe_mos",
        "loss_ratio": "dialtone_probe_loss_ratio",
        "jitter": "dialtone_probe_jitter_seconds",
        "rtt": "dialtone_probe_rtt_seconds",
    }
    assert [catalog[name].unit for name in names.values()] == ["", "ratio", "seconds", "seconds"]
    assert {catalog[name].labels for name in names.values()} == {
        ("tenant", "reseller", "flow", "engine", "location", "listener")
    }


def test_what_probes_hear_can_be_laid_beside_what_asterisk_hears() -> None:
    catalog = Catalog(METRICS)
    theirs = {"mos": rtp.MOS, "loss_ratio": rtp.LOSS, "jitter": rtp.JITTER, "rtt": rtp.ROUND_TRIP}
    for figure, metric in theirs.items():
        assert catalog[media_metric(figure)].buckets == metric.buckets


def test_buckets_rise_and_signalling_is_told_apart_from_5_ms_to_10_s() -> None:
    catalog = Catalog(METRICS)
    for definition in catalog:
        assert list(definition.buckets) == sorted(set(definition.buckets))
    assert catalog[timing_metric("srd")].buckets[0] == 0.005
    assert catalog[timing_metric("srd")].buckets[-1] == 10
    assert catalog[timing_metric("sdt")].buckets[-1] >= 4 * 3600


def test_no_label_names_a_call_a_user_or_an_address() -> None:
    known = {
        *("node", "kind", "failure", "tenant", "reseller", "flow", "engine", "location", "outcome"),
        *("rule", "severity", "state", "version", "job_kind", "receiver", "source", "origin", "listener"),
        *("service", "window"),
    }
    assert {label for definition in METRICS for label in definition.labels} == known


def test_every_count_has_a_counter() -> None:
    catalog = Catalog(METRICS)
    assert {catalog[count_metric(name)].kind for name in COUNTS} == {Kind.COUNTER}


def test_only_gauges_fold_to_the_least_or_the_most() -> None:
    catalog = Catalog(METRICS)
    assert {catalog[name].kind for name in FOLDED_TO_THE_LEAST | FOLDED_TO_THE_MOST} == {Kind.GAUGE}
    assert not FOLDED_TO_THE_LEAST & FOLDED_TO_THE_MOST
