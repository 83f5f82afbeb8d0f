"""What a direction's harm makes of its packets: pure, every instant is given."""

import dataclasses
import struct

import pytest

from lab.faults.media.harm import SECOND, Course, Events, Harm, Spread, rtp
from lab.faults.media.settings import Settings
from lab.faults.media.truth import Noted, Truth, Truths, read, written

FRAME = 20_000_000
MS = 1_000_000


def a_packet(number: int, payload_type: int = 0, payload: bytes = b"\x3f" * 160) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, number & 0xFFFF, number * 160, 77) + payload


def passed(harm: Harm, packets: int = 400, payload_type: int = 0) -> list[tuple[int, int]]:
    """Return (number, nanoseconds that it took) of the packets that one direction lets through, by number."""
    course, found = Course(harm), []
    for number in range(packets):
        for sending in course.take(a_packet(number, payload_type), number * FRAME):
            header = rtp(sending.data)
            assert header is not None
            found.append((header.sequence, sending.due - number * FRAME))
    return found


def numbers(harm: Harm, packets: int = 400) -> list[int]:
    return [number for number, _ in passed(harm, packets)]


def test_without_harm_every_packet_passes_at_once_and_as_it_is() -> None:
    course = Course(Harm())
    packet = a_packet(5)
    assert course.take(packet, 123) == ((123, packet),)


def test_the_same_seed_loses_the_same_packets_and_another_one_others() -> None:
    some = [numbers(Harm(loss=0.1, seed=seed)) for seed in (1, 1, 2)]
    assert some[0] == some[1] != some[2]
    assert 0.05 < 1 - len(some[0]) / 400 < 0.15


def test_the_head_all_after_the_last_and_each_nth_are_lost() -> None:
    assert numbers(Harm(head=3, last=8), 12) == [3, 4, 5, 6, 7]
    assert numbers(Harm(every=4), 9) == [0, 1, 2, 4, 5, 6, 8]


def test_gilberts_losses_come_in_runs_as_long_as_it_says() -> None:
    came = set(numbers(Harm(burst=(0.02, 0.25), seed=4), 20_000))
    lost = [number for number in range(20_000) if number not in came]
    runs = sum(number - 1 in came for number in lost)
    assert 3.5 < len(lost) / runs < 4.5
    assert 0.06 < len(lost) / 20_000 < 0.09


@pytest.mark.parametrize("harm", [Harm(delay=0.1), Harm(delay=0.1, spread=Spread.NORMAL)])
def test_a_delay_is_the_same_for_each(harm: Harm) -> None:
    assert {took for _, took in passed(harm)} == {100 * MS}


def test_uniform_jitter_goes_from_none_to_its_most_and_normal_jitter_around_the_delay() -> None:
    evenly = [took for _, took in passed(Harm(jitter=0.015, seed=1), 2000)]
    assert 0 <= min(evenly) < 1 * MS
    assert 14 * MS < max(evenly) <= 15 * MS
    normally = [took for _, took in passed(Harm(delay=0.05, jitter=0.004, spread=Spread.NORMAL), 2000)]
    assert 49 * MS < sum(normally) / 2000 < 51 * MS
    assert min(normally) < 46 * MS < 54 * MS < max(normally)


def test_packets_keep_their_order_unless_they_may_overtake() -> None:
    def arrivals(harm: Harm) -> list[int]:
        return [number * FRAME + took for number, took in passed(harm)]

    kept = arrivals(Harm(jitter=0.08, seed=1))
    assert kept == sorted(kept)
    mixed = arrivals(Harm(jitter=0.08, seed=1, overtaking=True))
    assert mixed != sorted(mixed)


def test_a_step_begins_so_long_after_the_first_packet_and_a_drift_grows() -> None:
    stepped = dict(passed(Harm(steps=((1.0, 0.03), (2.0, -0.01)))))
    assert [stepped[n] // MS for n in (0, 49, 50, 99, 100)] == [0, 0, 30, 30, 20]
    drifting = dict(passed(Harm(drift=0.01)))
    assert drifting[100] == pytest.approx(20 * MS)


def test_what_is_held_is_overtaken_and_delays_no_other() -> None:
    took = dict(passed(Harm(held=(0.1, 0.03), seed=2)))
    assert set(took.values()) == {0, 30 * MS}
    assert 20 < sum(value > 0 for value in took.values()) < 60


def test_a_twin_is_the_same_packet_a_little_later() -> None:
    first, second = Course(Harm(twice=1.0)).take(a_packet(1), 0)
    assert first.data == second.data
    assert second.due == 5 * MS


@pytest.mark.parametrize(("payload_type", "sample"), [(0, 0xFF), (8, 0xD5)])
def test_silence_is_that_of_the_law_and_leaves_the_header(payload_type: int, sample: int) -> None:
    packet = a_packet(1, payload_type)
    (sending,) = Course(Harm(silent=True)).take(packet, 0)
    assert sending.data == packet[:12] + bytes([sample]) * 160


def test_telephone_events_are_no_voice_and_have_a_rule_of_their_own() -> None:
    event = a_packet(1, 101, bytes([9, 0x8A, 0, 160]))
    assert Course(Harm(silent=True, head=5, burst=(1, 0))).take(event, 0)[0].data == event
    assert Course(Harm(events=Events.LOST)).take(event, 0) == ()
    assert Course(Harm(events=Events.LOST)).take(a_packet(1), 0)
    (other,) = Course(Harm(events=Events.OTHER)).take(event, 0)
    assert other.data == event[:12] + bytes([0, 0x8A, 0, 160])


def test_payload_type_and_source_are_written_over() -> None:
    marked = bytearray(a_packet(1))
    marked[1] |= 0x80
    (sending,) = Course(Harm(payload_type=18, source=0xDEADBEEF)).take(bytes(marked), 0)
    assert rtp(sending.data) == (1, 160, 18, 0xDEADBEEF)
    assert sending.data[1] & 0x80


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x00" * 40, b"\x80\xc8" + b"\x00" * 26, b"\x81\xc9" + b"x" * 30]
)
def test_what_is_no_rtp_is_delayed_alone_and_lost_where_all_is(data: bytes) -> None:
    assert rtp(data) is None
    harm = Harm(delay=0.1, jitter=0.05, burst=(1, 0), twice=1.0, silent=True)
    assert Course(harm).take(data, 0) == ((SECOND // 10, data),)
    assert Course(Harm(loss=1.0)).take(data, 0) == ()


def test_settings_and_truth_come_back_from_their_text_as_they_went() -> None:
    harm = Harm(burst=(0.1, 0.5), steps=((1.0, 0.1),), held=(0.1, 0.2), spread=Spread.NORMAL)
    settings = Settings(Harm(events=Events.LOST, seed=5), harm, calls=2, crossed=True)
    assert Settings.decode(settings.encode()) == settings
    truth = Truth(came=[Noted(1, 2, 0, 3, 0.5)], went=[Noted(1, 2, 0, 3, 0.6, 0.001)], packets=1, behind=0.25)
    assert read(written([Truths(truth, Truth())])) == [Truths(truth, Truth())]
    assert truth.unsure == 0.001


def test_every_kind_of_harm_does_something() -> None:
    """Or a fault of the table would be none."""
    kinds = {
        *(Harm(loss=1.0), Harm(every=2), Harm(burst=(1, 0)), Harm(head=2), Harm(last=1), Harm(delay=0.1)),
        *(Harm(jitter=0.1), Harm(steps=((0, 0.1),)), Harm(drift=1.0), Harm(held=(1, 0.1)), Harm(twice=1.0)),
        *(Harm(silent=True), Harm(payload_type=9), Harm(source=1), Harm(events=Events.LOST)),
    }
    changed = set()
    for harm in kinds:
        course = Course(harm)
        some = [course.take(a_packet(n, kind), n * FRAME) for n in range(1, 4) for kind in (0, 101)]
        plain = [((n * FRAME, a_packet(n, kind)),) for n in range(1, 4) for kind in (0, 101)]
        assert some != plain, harm
        changed |= {
            one.name
            for one in dataclasses.fields(Harm)
            if getattr(harm, one.name) != getattr(Harm(), one.name)
        }
    tuning = {"spread", "overtaking", "seed", "port"}  # the port is the socket's
    assert changed | tuning == {one.name for one in dataclasses.fields(Harm)}
