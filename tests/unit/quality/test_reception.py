"""What became of an RTP stream: figures worked by hand, and what must hold however it comes."""

import random
import time
from dataclasses import replace
from typing import Final

import pytest

from dialtone.quality import G711_PLC, Received, Reception, burst_ratio, mos, score
from dialtone.quality.reception import BESIDE, MAX_DROPOUT, MAX_LEAP, MAX_MISORDER, MAX_STEP, WINDOW
from tests.unit.quality.rtp_streams import FRAME, RATE, STEP, Packet, packets, taken

MS: Final = 0.001


def in_order(count: int) -> list[int]:
    return list(range(count))


def test_a_stream_that_comes_whole_and_on_time_has_nothing_wrong() -> None:
    found = taken(packets(in_order(200))).received(200)
    assert replace(found, jitter=0.0, jitter_max=0.0) == Received(200, 200, 200, buffer=0.02)
    assert found.loss_ratio == 0.0
    assert found.jitter <= found.jitter_max < 1e-9


def test_nothing_that_came_is_nothing_expected_unless_the_sender_says_so() -> None:
    assert Reception().received() == Received(buffer=0.02)
    assert Reception().received().loss_ratio is None
    silent = Reception().received(50)
    assert (silent.unique, silent.expected, silent.lost, silent.loss_ratio) == (0, 50, 50, 1.0)
    assert silent.burst == 1.0


@pytest.mark.parametrize("rate", [0, -8000])
def test_a_clock_without_a_rate_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="Hz"):
        Reception(rate)


def test_gaps_between_the_first_and_the_last_are_lost_packets() -> None:
    came = [n for n in range(100) if n not in (10, 20, 21)]
    found = taken(packets(came)).received()
    assert (found.expected, found.unique, found.lost) == (100, 97, 3)
    assert found.loss_ratio == 0.03


def test_what_is_missing_at_the_ends_is_lost_once_the_sender_tells_how_many_it_sent() -> None:
    came = packets(range(5, 90))
    assert taken(came).received().lost == 0
    assert taken(came).received(100).lost == 15


def test_loss_that_a_bridge_hides_by_new_numbers_is_found_by_the_senders_count() -> None:
    found = taken(packets(in_order(95))).received(100)  # numbered without a gap
    assert (found.expected, found.lost) == (100, 5)


def test_losses_that_only_the_senders_count_tells_of_are_no_burst() -> None:
    head = taken(packets(range(7, 100))).received(100)
    assert (head.lost, head.burst) == (7, 1.0)
    gaps = [n for n in range(100) if n not in (40, 41)]
    whole, cut = taken(packets(gaps)).received(100), taken(packets(gaps[10:90])).received(100)
    assert (whole.lost, cut.lost) == (2, 20)
    assert whole.burst == pytest.approx(burst_ratio(1 / 98, 1 / 2))
    assert cut.burst == pytest.approx(burst_ratio(1 / 80, 1 / 2))


def test_numbers_that_leap_where_little_was_lost_say_nothing_of_bursts() -> None:
    came = [n for n in range(100) if n not in (20, 40, 60)]
    found = taken(
        [Packet(p.sequence + 1500 * (p.sequence >= 50), p.timestamp, p.at) for p in packets(came)]
    ).received(100)
    assert (found.lost, found.burst, found.restarts) == (3, 1.0, 0)


def test_numbers_left_out_by_who_sent_everything_are_no_loss() -> None:
    found = taken(packets(range(0, 200, 2))).received(100)
    assert (found.expected, found.unique, found.lost, found.burst) == (100, 100, 0, 1.0)
    assert taken(packets(range(0, 200, 2))).received().lost == 99


def test_more_than_the_sender_has_told_of_is_no_loss_and_no_negative_one() -> None:
    found = taken(packets(in_order(30))).received(20)
    assert (found.expected, found.lost, found.loss_ratio) == (30, 0, 0.0)


def test_a_packet_twice_is_a_duplicate_and_no_second_one() -> None:
    found = taken(packets([0, 1, 1, 2, 3, 1, 4, 0])).received(5)
    assert (found.packets, found.unique, found.duplicates, found.lost) == (8, 5, 3, 0)
    assert found.reordered == 0


def test_a_packet_out_of_order_is_reordered_and_not_lost() -> None:
    found = taken(packets([0, 2, 1, 3, 6, 5, 4, 7])).received()
    assert (found.reordered, found.lost, found.duplicates) == (3, 0, 0)


def test_a_packet_before_the_first_counts_from_there_on() -> None:
    found = taken(packets([2, 0, 3, 4], sequence=65535)).received()
    assert (found.expected, found.unique, found.lost, found.reordered) == (5, 4, 1, 1)


def test_one_too_far_behind_is_no_part_of_the_stream() -> None:
    inside = taken(packets([0, *range(200, 300), 299 - MAX_MISORDER])).received()
    assert (inside.packets, inside.reordered) == (102, 1)
    outside = taken(packets([0, *range(200, 300), 298 - MAX_MISORDER])).received()
    assert (outside.packets, outside.reordered, outside.unique) == (101, 0, 101)


@pytest.mark.parametrize("first", [65436, 65535, 0, 1])
def test_numbers_and_timestamps_go_on_past_their_edge(first: int) -> None:
    stream = packets(in_order(300), sequence=first, timestamp=2**32 - 50 * STEP)
    found = taken(stream).received()
    assert (found.expected, found.lost, found.restarts, found.reordered) == (300, 0, 0, 0)
    assert found.jitter < 1e-9


def test_a_stream_of_more_numbers_than_there_are_is_counted_on() -> None:
    reception = Reception()
    for number in range(150_000):
        if number % 1000:
            reception.add(number & 0xFFFF, number * STEP & 0xFFFFFFFF, number * FRAME)
    found = reception.received(150_000)
    assert (found.expected, found.lost, found.restarts) == (150_000, 150, 0)


def test_a_gap_wider_than_what_is_remembered_is_all_lost() -> None:
    wide = 10 * WINDOW
    found = taken(packets([*range(10), *range(10 + wide, 20 + wide)])).received()
    assert (found.expected, found.lost) == (20 + wide, wide)
    assert found.burst == pytest.approx(burst_ratio(1 / 20, 1 / wide))


def test_new_numbers_begin_anew_once_a_second_one_follows() -> None:
    old, new = packets(in_order(50), sequence=1000), packets(range(50, 90), sequence=40_000)
    found = taken([*old, *new]).received(90)
    assert (found.unique, found.expected, found.lost, found.restarts) == (90, 90, 0, 1)


def test_a_single_stray_number_changes_nothing() -> None:
    stray = Packet(30_000, 7, 100.5)
    stream = packets(in_order(50))
    found = taken([*stream[:25], stray, *stream[25:]]).received(50)
    assert (found.packets, found.unique, found.lost, found.restarts) == (50, 50, 0, 0)


def test_a_stray_number_and_the_next_one_later_are_two_stray_ones() -> None:
    stream = packets(in_order(50))
    strays = [Packet(30_000, 7, 100.4), Packet(30_001, 8, 100.6)]
    found = taken([*stream[:20], strays[0], *stream[20:30], strays[1], *stream[30:]]).received(50)
    assert (found.packets, found.unique, found.restarts) == (50, 50, 0)


def test_a_new_beginning_of_numbers_is_one_of_the_timestamps_too() -> None:
    old = packets(in_order(50), sequence=1000)
    new = packets(range(50, 90), sequence=40_000, timestamp=3 * RATE)  # 3 s off, were it the same clock
    found = taken([*old, *new]).received(90)
    assert (found.restarts, found.late) == (1, 0)
    assert found.jitter_max < 1e-9


def test_so_many_numbers_ahead_is_still_loss_and_one_more_is_a_new_beginning() -> None:
    ahead = MAX_DROPOUT - 1
    assert taken(packets([0, ahead, ahead + 1])).received().lost == ahead - 1
    found = taken(packets([0, ahead + 1, ahead + 2])).received()
    assert (found.lost, found.restarts, found.unique) == (0, 1, 3)


def test_losses_before_a_new_beginning_stay_lost() -> None:
    old = packets([n for n in range(50) if n != 7], sequence=1000)
    new = packets([n for n in range(50, 100) if n not in (60, 61)], sequence=40_000)
    found = taken([*old, *new]).received()
    assert (found.expected, found.lost, found.restarts) == (100, 3, 1)
    assert found.burst == pytest.approx(burst_ratio(2 / 97, 2 / 3))


def test_jitter_is_what_the_rfc_says_worked_by_hand() -> None:
    # Transits 0, 16, 0, 8 ms: D is 16, 16, 8; J += (D - J) / 16 each time (RFC 3550 A.8).
    stream = packets(in_order(4), delays=[0.0, 16 * MS, 0.0, 8 * MS])
    first = 16 / 16
    second = first + (16 - first) / 16
    third = second + (8 - second) / 16
    found = taken(stream).received()
    assert found.jitter == pytest.approx((first + second + third) / 3 * MS)
    assert found.jitter_max == pytest.approx(third * MS)
    assert (third, third > second) == (2.31640625, True)


def test_jitter_is_the_same_in_any_clocks_rate() -> None:
    fast = Reception(48_000)
    for packet in packets(in_order(100), delays=[0.0, 5 * MS, 2 * MS]):
        fast.add(packet.sequence, packet.timestamp * 6, packet.at)
    slow = taken(packets(in_order(100), delays=[0.0, 5 * MS, 2 * MS]))
    assert fast.received().jitter == pytest.approx(slow.received().jitter)


def test_packets_that_say_nothing_of_when_they_left_count_but_have_no_jitter() -> None:
    reception = taken(packets(in_order(10)))
    for number in range(10, 20):  # one event: the timestamp stays, as RFC 4733 2.5.1.2 wants it
        reception.add(number, 10 * STEP, 100.0 + number * FRAME, timed=False)
    reception.add(20, 20 * STEP, 100.0 + 20 * FRAME)
    found = reception.received(21)
    assert (found.unique, found.lost, found.late) == (21, 0, 0)
    assert found.jitter < 1e-9


def test_a_pause_of_the_speaker_is_no_jitter() -> None:
    stream = packets([*range(50), *range(500, 550)])
    renumbered = [Packet(place, packet.timestamp, packet.at) for place, packet in enumerate(stream)]
    found = taken(renumbered).received(100)
    assert (found.lost, found.late) == (0, 0)
    assert found.jitter < 1e-9


@pytest.mark.parametrize("leap", [2 * MAX_STEP, 3.0, 1.1 * MAX_LEAP, -1.1 * MAX_LEAP, -3.0, -2 * MAX_STEP])
def test_timestamps_that_leap_while_the_numbers_go_on_are_a_new_beginning_of_the_clock(leap: float) -> None:
    jumped = [
        Packet(p.sequence, (p.timestamp + int(leap * RATE) * (p.sequence >= 95)) % 2**32, p.at)
        for p in packets(in_order(100))
    ]
    found = taken(jumped).received()
    assert found.jitter_max < 1e-9
    assert found.late == 0


def test_timestamps_that_stood_still_for_long_are_a_new_beginning_of_the_clock() -> None:
    def jitter_max(hold: float) -> float:
        stream = packets(in_order(100))
        held = [Packet(p.sequence, p.timestamp, p.at + hold * (p.sequence >= 50)) for p in stream]
        return taken(held).received().jitter_max

    assert jitter_max(1.01 * MAX_STEP) < 1e-9
    assert jitter_max(0.99 * MAX_STEP) == pytest.approx(0.99 * MAX_STEP / 16)


def test_a_packet_that_the_way_holds_up_is_jitter_however_long() -> None:
    held = 5 * MAX_LEAP
    found = taken(packets(in_order(100), delays=[held if n == 50 else 0.0 for n in range(100)])).received()
    assert found.jitter_max == pytest.approx(held / 16 + (held - held / 16) / 16)
    assert found.late == 1


@pytest.mark.parametrize("late", [0, 1, 3, 10])
def test_late_packets_of_a_short_stream_are_counted_to_the_packet(late: int) -> None:
    delays = [0.1 if n % 20 == 7 and n // 20 < late else 0.0 for n in range(200)]
    found = taken(packets(in_order(200), delays=delays)).received()
    assert found.buffer == max(0.02, 2 * found.jitter)
    assert found.late == late


@pytest.mark.parametrize("step", [0.03, 0.045, 0.1, 0.19])
@pytest.mark.parametrize("after", [BESIDE + 1, 20, 50, 100 - BESIDE - 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_way_that_grows_longer_or_shorter_in_mid_talk_makes_no_packet_late(
    step: float, after: int, sign: int
) -> None:
    delays = [0.2 + sign * step * (n >= after) for n in range(100)]
    found = taken(packets(in_order(100), delays=delays)).received(100)
    assert found.late == 0
    scored = score(found, G711_PLC, None)
    assert scored is not None
    assert scored.mos > 4.4


@pytest.mark.parametrize("first", [1, 5, 10, 50, 85, 99])
@pytest.mark.parametrize("step", [-0.045, 0.04, 0.1])
def test_a_way_that_changes_for_good_makes_no_packet_late_wherever_that_is(first: int, step: float) -> None:
    delays = [0.0] * first + [step] * (100 - first)
    assert taken(packets(range(100), delays=delays)).received().late == 0


@pytest.mark.parametrize("packets_held", [5, 15, 25, 45])
def test_what_a_stall_holds_up_is_late(packets_held: int) -> None:
    held = [(packets_held - place) * 0.02 for place in range(packets_held)]  # all come when it ends
    delays = [0.0] * 100 + held + [0.0] * 105
    received = taken(packets(range(len(delays)), delays=delays)).received()
    assert received.late == packets_held - round(received.buffer / 0.02)


def test_what_comes_within_the_buffer_is_not_late_and_just_after_it_is() -> None:
    def late(delay: float) -> int:
        delays = [delay if n == 100 else 0.0 for n in range(200)]
        return taken(packets(in_order(200), delays=delays)).received().late

    assert late(19.9 * MS) == 0
    assert late(20.0 * MS) == 0
    assert late(20.1 * MS) == 1


@pytest.mark.parametrize("parts_per_million", [-100, 100])
def test_clocks_that_drift_apart_make_no_packet_late_however_long_it_lasts(parts_per_million: int) -> None:
    reception = Reception()
    for number in range(60_000):  # 20 minutes: 120 ms apart at the end
        reception.add(
            number & 0xFFFF, number * STEP & 0xFFFFFFFF, number * FRAME * (1 + parts_per_million / 1e6)
        )
    found = reception.received(60_000)
    assert (found.late, found.lost) == (0, 0)
    assert found.jitter < 0.01 * MS


@pytest.mark.parametrize(("delay", "share"), [(0.15, 100), (0.03, 100), (0.018, None)])
def test_late_packets_of_a_long_stream_are_counted_too(delay: float, share: int | None) -> None:
    count = 10_000
    delays = [delay if n % 100 == 50 else 0.0 for n in range(count)]
    found = taken(packets(in_order(count), delays=delays)).received()
    assert found.late == (count // share if share else 0)


def test_a_long_stream_of_much_jitter_has_a_bigger_buffer_and_packets_later_than_that() -> None:
    count = 10_000
    delays = [0.2 if n % 100 == 50 else 0.015 * (n % 2) for n in range(count)]
    found = taken(packets(in_order(count), delays=delays)).received()
    assert 0.03 < found.buffer < 0.05
    assert found.late == count // 100


def test_a_long_stream_is_judged_as_a_short_one_is_by_the_buffer_of_all_of_it() -> None:
    count = 2_000
    drawn = random.Random(8)
    delays = [drawn.uniform(0, 0.06) for _ in range(count)]
    found = taken(packets(in_order(count), delays=delays)).received()
    assert found.buffer == pytest.approx(2 * found.jitter)
    # A usual delay of some 30 ms and a buffer of some 40 ms: hardly one is later than both.
    assert found.late < count / 500


def test_burst_is_the_gilbert_models_by_how_losses_follow_each_other() -> None:
    came = [n for n in range(100) if n % 10 not in (4, 5)]  # ten runs of two, after 8 that came
    found = taken(packets(came)).received()
    assert found.burst == pytest.approx(burst_ratio(10 / 80, 10 / 20))


def test_losses_at_random_are_no_burst() -> None:
    drawn = random.Random(20)
    came = [n for n in range(20_000) if drawn.random() >= 0.05]
    assert taken(packets(came)).received().burst == pytest.approx(1.0, abs=0.05)


def test_a_stream_can_be_asked_at_any_time_and_goes_on_as_before() -> None:
    stream = packets([n for n in range(300) if n % 7], delays=[0.0, 3 * MS, 40 * MS])
    asked, left_alone = Reception(), Reception()
    for packet in stream:
        asked.add(packet.sequence, packet.timestamp, packet.at)
        left_alone.add(packet.sequence, packet.timestamp, packet.at)
        asked.received(300)
    assert asked.received(300) == left_alone.received(300)


@pytest.mark.parametrize("step", [MAX_DROPOUT - 1, MAX_DROPOUT, 0x8000, 0x10000 - MAX_MISORDER, 0xFFFF])
def test_numbers_chosen_to_be_dear_cost_little(step: int) -> None:
    reception = Reception()
    began = time.process_time()
    for number in range(20_000):
        reception.add(number * step & 0xFFFF, number * 0x7FFFFFFF & 0xFFFFFFFF, float(number))
        if number % 3 == 0:
            reception.add(number * step + 1 & 0xFFFF, 0, float(number))
    found = reception.received()
    assert time.process_time() - began < 5  # 0.6 s at worst here
    assert found.lost >= 0
    assert found.unique <= found.packets <= 20_000 + 6667


def test_the_score_is_the_e_models_of_loss_lateness_jitter_and_round_trip() -> None:
    received = Received(packets=95, unique=95, expected=100, lost=5, late=5, jitter=0.03, burst=1.5)
    found = score(received, G711_PLC, 0.3)
    assert found is not None
    assert found.delay == pytest.approx(0.15 + 0.02 + 0.06)  # half the round trip, a packet, twice the jitter
    assert found.mos == mos(G711_PLC, 0.1, found.delay, 1.5)


def test_the_best_score_is_that_of_a_call_without_loss_and_delay() -> None:
    found = score(taken(packets(in_order(100))).received(100), G711_PLC, None)
    assert found is not None
    assert (round(found.r, 1), round(found.mos, 2)) == (93.2, 4.41)


def test_nothing_that_came_has_no_score() -> None:
    assert score(Reception().received(100), G711_PLC, 0.1) is None
    assert score(Received(), G711_PLC, None) is None


def test_one_packet_of_many_has_the_worst_score() -> None:
    found = score(taken(packets([0])).received(10_000), G711_PLC, None)
    assert found is not None
    assert found.mos < 1.2
