"""Reception against a reference that looks at the whole stream twice; scores against the worked vectors."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.quality import CODECS, Received, buffer_of, score
from tests.unit.quality.rtp_streams import FRAME, STEP, Packet, packets, reference, taken

VECTORS: Final = Path(__file__).parents[2] / "data" / "quality" / "emodel-vectors.tsv"
FURTHEST: Final = 99
"""Places that a packet comes after its own: of more, RFC 3550 says that it is none of the stream."""

sequences = st.integers(0, 2**16 - 1) | st.sampled_from([65_530, 65_535, 0])
timestamps = st.integers(0, 2**32 - 1) | st.sampled_from([2**32 - STEP, 2**31 - 1])
steps = st.sampled_from([1, 1, 1, 2, 0, -1, -100, -101, 127, 128, 129, 2999, 3000]) | st.integers(0, 2**16)


@st.composite
def places(draw: st.DrawFn) -> tuple[list[int], int]:
    """Draw in which order the packets of a stream come, some of them never and some twice; and how many."""
    fates = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, FURTHEST)), min_size=1, max_size=150))
    orderly = draw(st.booleans())
    arrivals = [
        (place + (0 if orderly else behind * (1 + copy) % (FURTHEST + 1)), place)
        for place, (copies, behind) in enumerate(fates)
        for copy in range(copies if copies <= 2 else 1)
    ]
    return [place for _, place in sorted(arrivals)], len(fates)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Packet], int]:
    """Draw a stream as it comes from a network, and how many packets were sent."""
    came, sent = draw(places())
    delays = draw(st.lists(st.floats(0, 0.3), min_size=1, max_size=20))
    first, clock = draw(sequences), draw(timestamps)
    return packets(came, sequence=first, timestamp=clock, delays=delays), sent


def same(found: Received, wanted: Received) -> bool:
    """Whether all figures are the same, but for what adding up in another order does to a float."""
    return asdict(found) == pytest.approx(asdict(wanted), abs=1e-9)


@given(streams(), st.booleans())
def test_whatever_a_network_does_the_figures_are_the_references(
    drawn: tuple[list[Packet], int], told: bool
) -> None:
    stream, sent = drawn
    assert same(taken(stream).received(sent if told else None), reference(stream, sent if told else None))


@given(streams())
def test_every_packet_that_was_sent_is_received_or_lost(drawn: tuple[list[Packet], int]) -> None:
    stream, sent = drawn
    found = taken(stream).received(sent)
    assert found.unique + found.lost == sent == found.expected
    assert found.packets == found.unique + found.duplicates == len(stream)
    assert found.late <= found.unique
    assert found.restarts == 0


@given(sequences, st.lists(steps, max_size=100), st.none() | st.integers(0, 300))
def test_whatever_numbers_come_the_figures_are_the_references(
    first: int, by: list[int], sent: int | None
) -> None:
    number, stream = first, []
    for place, step in enumerate(by):
        number = (number + step) % 2**16
        stream.append(Packet(number, place * STEP, place * FRAME))
    found = taken(stream).received(sent)
    assert same(found, reference(stream, sent))
    assert found.lost == max(0, found.expected - found.unique)
    assert score(found, CODECS[0], None) is None or found.unique


@given(places(), st.sets(st.integers(0, 149)))
def test_telephone_events_are_counted_and_are_no_jitter(
    drawn: tuple[list[int], int], events: set[int]
) -> None:
    came, sent = drawn
    stream = [
        Packet(p.sequence, 5 if n in events else p.timestamp, p.at, timed=n not in events)
        for n, p in zip(came, packets(came, delays=[0.0, 0.004]), strict=True)
    ]
    assert same(taken(stream).received(sent), reference(stream, sent))


@given(st.lists(st.tuples(st.integers(-40_000, 40_000), st.floats(0, 12)), min_size=1, max_size=100))
def test_however_timestamps_and_instants_leap_the_figures_are_the_references(
    leaps: list[tuple[int, float]],
) -> None:
    clock, at, stream = 0, 0.0, []
    for number, (ticks, pause) in enumerate(leaps):
        leaping = number % 5 == 0
        clock += STEP + ticks * leaping
        at += FRAME + pause * leaping
        stream.append(Packet(number, clock % 2**32, at))
    assert same(taken(stream).received(), reference(stream))


@pytest.mark.parametrize("length", [1, 2, 12, 13, 14, 24, 100, 101, 102, 400])
def test_losses_order_and_jitter_of_a_stream_are_no_matter_of_its_length(length: int) -> None:
    came = [n for n in range(2 * length) if n % 9 != 1][:length]
    stream = packets(came, delays=[0.0] * 5 + [0.1])
    found, wanted = taken(stream).received(), reference(stream)
    assert same(found, wanted)
    assert (found.lost > 0) == (length > 1)
    assert found.late == length // 6 - (length % 6 == 0)  # the last one has nobody beside it


def vectors() -> list[dict[str, str]]:
    with VECTORS.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.mark.parametrize("row", vectors(), ids=lambda row: "/".join(row.values()))
def test_a_stream_of_that_loss_delay_and_burst_has_the_vectors_score(row: dict[str, str]) -> None:
    (codec,) = (one for one in CODECS if one.name == row["codec"].replace("G.711 no PLC", "G.711"))
    lost = round(float(row["loss_percent"]) * 1000)
    received = Received(
        unique=100_000 - lost,
        expected=100_000,
        lost=lost // 2,
        late=lost - lost // 2,  # which counts as much
        burst=float(row["BurstR"]),
    )
    waits = codec.frame + codec.lookahead + buffer_of(0)
    rtt = 2 * (float(row["Ta_ms"]) / 1000 - waits)
    found = score(received, codec, max(0.0, rtt))
    assert found is not None
    if rtt < 0:  # less than a packet and a buffer need: on both sides of it nothing is heard of the delay
        assert float(row["Idd"]) == 0
        assert waits < 0.1
    assert (round(found.r, 3), round(found.mos, 3)) == (float(row["R"]), float(row["MOS"]))
