"""Digits as RFC 4733 has them: each counted once, whichever of its packets are lost or come again."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.media.events import FRAMES, KEYS, MAX_DIGITS, Digits, Origin, payloads

Said = tuple[int, bytes]
ONE: Origin = (("192.0.2.1", 4000), 7)
OTHER: Origin = (("192.0.2.1", 4000), 8)


def said(digits: str) -> list[list[Said]]:
    """Return the packets of each digit, with their timestamps."""
    return [
        [(number * FRAMES * 160, payload) for payload in payloads(digit) if payload]
        for number, digit in enumerate(digits)
    ]


def heard(packets: Iterable[Said]) -> str:
    digits = Digits()
    for timestamp, payload in packets:
        digits.take(ONE, timestamp, payload)
    return digits.of(lambda _: True)


def test_a_digit_lasts_100_ms_says_so_each_20_ms_and_ends_thrice() -> None:
    *going_on, first, second, third, pause = payloads("5")
    assert going_on == [bytes((5, 10, 0, 160)), b"\x05\x0a\x01\x40", b"\x05\x0a\x01\xe0", b"\x05\x0a\x02\x80"]
    assert first == second == third == b"\x05\x8a\x03\x20"
    assert pause == b""
    assert FRAMES * 20 - 100 == 60  # the pause between two


def test_all_sixteen_are_made_and_heard() -> None:
    assert heard(packet for digit in said(KEYS) for packet in digit) == KEYS
    assert heard(packet for digit in said("1123abcd") for packet in digit) == "1123ABCD"
    with pytest.raises(ValueError, match="substring not found"):
        payloads("x")


def test_a_digit_is_heard_though_its_start_or_two_of_its_three_ends_are_lost() -> None:
    whole = said("42")
    for lost in ({0}, {0, 1, 2, 3}, {4, 5}, {4, 6}, {5, 6}, {0, 1, 2, 3, 4, 5}):
        assert heard(p for digit in whole for at, p in enumerate(digit) if at not in lost) == "42"


def test_a_digit_without_an_end_is_not_heard() -> None:
    assert heard(packet for digit in said("7") for packet in digit[:4]) == ""


def test_packets_that_come_twice_or_late_make_no_second_digit_and_keep_the_order() -> None:
    one, two = said("12")
    assert heard([*one, *one, *two, *one[4:], *two]) == "12"
    assert heard([*one[:4], *two, *one[4:]]) == "12"


def test_an_event_that_a_server_makes_anew_is_one_whatever_its_durations() -> None:
    made = [(800, bytes((9, 10, 0, 160))), (800, bytes((9, 10, 3, 0))), (800, bytes((9, 0x8A, 9, 9)))] * 3
    assert heard(made) == "9"


def test_the_same_key_again_is_another_digit_by_its_timestamp() -> None:
    assert heard(packet for digit in said("000") for packet in digit) == "000"


def test_digits_are_told_by_their_origin() -> None:
    digits = Digits()
    for origin, digit in ((ONE, "1"), (OTHER, "2"), (ONE, "3")):
        digits.take(origin, int(digit), payloads(digit)[-2])
    assert digits.of(lambda origin: origin == ONE) == "13"
    assert digits.of(lambda origin: origin == OTHER) == "2"


@pytest.mark.parametrize("payload", [b"", b"\x05\x8a\x03", b"\x10\x8a\x03\x20", b"\xff\x8a\x03\x20"])
def test_what_is_no_key_is_passed_over(payload: bytes) -> None:
    assert heard([(0, payload)]) == ""


def test_a_flood_of_digits_is_cut_off() -> None:
    assert len(heard((number, b"\x01\x8a\x03\x20") for number in range(10 * MAX_DIGITS))) == MAX_DIGITS


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=8)), max_size=100))
def test_any_payload_is_taken(packets: list[Said]) -> None:
    assert set(heard(packets)) <= set(KEYS)
