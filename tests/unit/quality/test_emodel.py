"""The E-model: 200 worked vectors, and what must hold of it whatever the network does."""

import csv
import math
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.quality import (
    CODECS,
    G711,
    G711_PLC,
    G729,
    OPUS,
    Codec,
    burst_ratio,
    delay_impairment,
    delay_of,
    loss_impairment,
    mos,
    mos_of_r,
    r_factor,
)

VECTORS: Final = Path(__file__).parents[2] / "data" / "quality" / "emodel-vectors.tsv"

NOT_FINITE: Final = [math.nan, math.inf, -math.inf]
codecs = st.sampled_from(CODECS)
losses = st.floats(0, 1)
delays = st.floats(0, 1e9)
bursts = st.floats(0.5, 1e6)


def vectors() -> list[dict[str, str]]:
    with VECTORS.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def printed(value: float) -> float:
    """Return a value as the vectors print it."""
    return round(value, 3)


def test_there_are_two_hundred_vectors_of_five_codecs() -> None:
    found = vectors()
    assert len(found) == 200
    assert {row["codec"].replace("G.711 no PLC", "G.711") for row in found} == {
        codec.name for codec in CODECS if codec is not OPUS
    }


@pytest.mark.parametrize("row", vectors(), ids=lambda row: "/".join(row.values()))
def test_every_vector_is_met_to_the_printed_precision(row: dict[str, str]) -> None:
    (codec,) = (one for one in CODECS if one.name == row["codec"].replace("G.711 no PLC", "G.711"))
    assert (codec.ie, codec.bpl) == (float(row["Ie"]), float(row["Bpl"]))
    loss, delay, burst = float(row["loss_percent"]) / 100, float(row["Ta_ms"]) / 1000, float(row["BurstR"])
    assert printed(loss_impairment(codec, loss, burst)) == float(row["Ie_eff"])
    assert printed(delay_impairment(delay)) == float(row["Idd"])
    assert printed(r_factor(codec, loss, delay, burst)) == float(row["R"])
    assert printed(mos(codec, loss, delay, burst)) == float(row["MOS"])


def test_a_loss_is_a_share_and_not_a_percentage() -> None:
    """Five percent lost; taken for 0.05 percent it would be 4.40."""
    assert mos(G711_PLC, 0.05, 0.05) == pytest.approx(3.92, abs=0.005)


def test_r_is_no_whole_number() -> None:
    assert r_factor(G711_PLC, 0.05, 0.05) == pytest.approx(93.2 - 95 * 5 / 30.1)
    assert mos_of_r(77.9) != mos_of_r(77)


@given(codecs, losses, delays, bursts)
def test_every_score_is_between_1_and_what_the_codec_gives_at_best(
    codec: Codec, loss: float, delay: float, burst: float
) -> None:
    score = mos(codec, loss, delay, burst)
    assert 1 <= score <= mos(codec, 0, 0) <= 4.5


@given(codecs, losses, losses, delays, bursts)
def test_more_loss_is_never_better(
    codec: Codec, one: float, other: float, delay: float, burst: float
) -> None:
    less, more = sorted((one, other))
    assert r_factor(codec, less, delay, burst) >= r_factor(codec, more, delay, burst)
    assert mos(codec, less, delay, burst) >= mos(codec, more, delay, burst) - 1e-12


@given(codecs, losses, delays, delays, bursts)
def test_more_delay_is_never_better(
    codec: Codec, loss: float, one: float, other: float, burst: float
) -> None:
    less, more = sorted((one, other))
    assert r_factor(codec, loss, less, burst) >= r_factor(codec, loss, more, burst) - 1e-9
    assert mos(codec, loss, less, burst) >= mos(codec, loss, more, burst) - 1e-9


@given(codecs, losses, delays, bursts, bursts)
def test_the_same_loss_in_bursts_is_never_better(
    codec: Codec, loss: float, delay: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert r_factor(codec, loss, delay, less) >= r_factor(codec, loss, delay, more) - 1e-9


@given(st.floats(allow_nan=False))
def test_whatever_r_is_the_score_stays_between_1_and_4_5(r: float) -> None:
    assert 1 <= mos_of_r(r) <= 4.5


@given(st.floats(-100, 200), st.floats(-100, 200))
def test_a_better_r_never_gives_a_worse_score(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert mos_of_r(less) <= mos_of_r(more) + 1e-12


def test_a_small_r_is_1_and_not_less() -> None:
    """The cubic alone would give 0.99 at an R of 3."""
    assert mos_of_r(3) == 1


def test_a_hundred_milliseconds_cost_nothing_and_half_an_hour_no_more_than_50() -> None:
    assert delay_impairment(0.1) == 0 < delay_impairment(0.11)
    assert 45 < delay_impairment(1800) <= 50


def test_the_longest_delay_that_there_is_stays_finite() -> None:
    assert delay_impairment(1.7e308) == pytest.approx(50)
    assert mos(G711, 1, 1.7e308) == 1


def test_the_delay_is_half_the_round_trip_a_packet_the_lookahead_and_the_buffer() -> None:
    assert delay_of(0.08, 0.015, G711_PLC) == pytest.approx(0.04 + 0.02 + 0.03)
    assert delay_of(0.08, 0.015, G729) == pytest.approx(0.04 + 0.02 + 0.005 + 0.03)


def test_the_buffer_is_20_ms_at_least_and_200_ms_at_most() -> None:
    assert delay_of(0, 0, G711_PLC) == delay_of(0, 0.01, G711_PLC) == pytest.approx(0.04)
    assert delay_of(0, 0.1, G711_PLC) == delay_of(0, 9e9, G711_PLC) == pytest.approx(0.22)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), codecs)
def test_more_jitter_never_shortens_the_delay(rtt: float, one: float, other: float, codec: Codec) -> None:
    less, more = sorted((one, other))
    assert delay_of(rtt, less, codec) <= delay_of(rtt, more, codec)


def test_losses_at_random_have_a_burst_ratio_of_1_and_longer_ones_more() -> None:
    assert burst_ratio(0.05, 0.95) == pytest.approx(1)
    assert burst_ratio(0.02, 0.48) == pytest.approx(2)


@pytest.mark.parametrize(("p", "q"), [(0, 0), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5), (0.5, math.nan)])
def test_what_are_no_chances_make_no_burst_ratio(p: float, q: float) -> None:
    with pytest.raises(ValueError, match="the chances"):
        burst_ratio(p, q)


@pytest.mark.parametrize("loss", [-0.001, 1.001, *NOT_FINITE])
def test_a_loss_that_is_no_share_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="a loss ratio of"):
        mos(G711_PLC, loss, 0.1)


@pytest.mark.parametrize("delay", [-0.001, *NOT_FINITE])
def test_a_delay_that_cannot_be_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="a delay of"):
        mos(G711_PLC, 0, delay)


@pytest.mark.parametrize("burst", [0, 0.49, -1, *NOT_FINITE])
def test_a_burst_ratio_that_cannot_be_is_refused(burst: float) -> None:
    with pytest.raises(ValueError, match="a burst ratio of"):
        mos(G711_PLC, 0.01, 0.1, burst)


@pytest.mark.parametrize("value", [-0.001, *NOT_FINITE])
def test_a_round_trip_or_jitter_that_cannot_be_is_refused(value: float) -> None:
    for rtt, jitter in ((value, 0.0), (0.0, value)):
        with pytest.raises(ValueError, match="a round trip of"):
            delay_of(rtt, jitter, G711_PLC)


def test_an_r_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        mos_of_r(math.nan)
