"""What a phone makes of RTP: whose voice came, what became of its packets, and what was odd."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import Found, Hears
from dialtone.quality import Received
from synthetic.media.events import payloads
from synthetic.media.heard import Heard
from synthetic.media.listening import LEAST_SOUND, MAX_SOURCES, STRAY, Ear
from synthetic.media.voice import spoken, voice
from tests.unit.media.g711 import PCMA, PCMU, encoded, tone

OWN, PARTNER, THIRD, STRANGER = (
    voice(*who) for who in (("r1", "caller"), ("r1", "callee"), ("r1", "target"), ("r2", "callee"))
)
SILENCE = b"\xff" * 160
TONE = encoded(tone(440, 8000, 160), PCMU)
THERE = ("127.0.0.1", 4000)


def rtp(payload: bytes, number: int, *, payload_type: int = PCMU, source: int = 7, stamp: int = -1) -> bytes:
    stamp = number * 160 if stamp < 0 else stamp
    return struct.pack("!BBHII", 0x80, payload_type, number & 0xFFFF, stamp & 0xFFFFFFFF, source) + payload


def ear(hears: Hears = Hears.VOICE, began: float = 0.0) -> Ear:
    return Ear(OWN, hears, PARTNER if hears is Hears.VOICE else None, began)


def take(
    by: Ear, datagrams: Iterable[bytes], *, begins: float = 1.0, sender: tuple[str, int] = THERE
) -> None:
    for number, datagram in enumerate(datagrams):
        at = begins + 0.02 * number
        by.take(datagram, at, sender, expected=THERE, payloads=(PCMU,), events=(101, None))


def say(payload: bytes, count: int, *, first: int = 0, source: int = 7) -> list[bytes]:
    return [rtp(payload, number, source=source) for number in range(first, first + count)]


def of(datagrams: Iterable[bytes], hears: Hears = Hears.VOICE, sent: int | None = None) -> Heard:
    by = ear(hears)
    take(by, datagrams)
    return by.heard(sent, None)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (spoken(PARTNER, PCMU), Found.VOICE),
        (spoken(OWN, PCMU), Found.ECHO),
        (spoken(THIRD, PCMU), Found.OTHER),
        (spoken(STRANGER, PCMU), Found.OTHER),
        (TONE, Found.SOUND),
        (SILENCE, Found.SILENCE),
    ],
    ids=["partner", "own", "of the run", "stranger", "tone", "silence"],
)
def test_what_comes_is_told_apart(payload: bytes, found: Found) -> None:
    heard = of(say(payload, 50))
    assert heard.found is found
    assert heard.received.unique == heard.received.expected == 50
    assert heard.codec == "PCMU"
    assert heard.source == 7
    assert heard.others == (50 if found is Found.OTHER else 0)
    assert heard.first == 1.0
    assert heard.remarks == ()
    assert heard.packets == 50


def test_what_a_mixer_filled_with_silence_is_lost_and_taken_for_loss_at_random() -> None:
    filled = [rtp(SILENCE if n % 10 == 4 else spoken(PARTNER, PCMU), n) for n in range(100)]
    received = of(filled, sent=100).received
    assert (received.unique, received.lost, received.expected, received.burst) == (90, 10, 100, 1.0)
    cut = of([datagram for n, datagram in enumerate(filled) if n % 10 != 4], sent=100).received
    assert cut.lost == 10
    assert cut.burst == pytest.approx(0.9)


def test_where_nothing_comes_nothing_is_heard() -> None:
    assert of([]) == Heard(Found.NOTHING)


@pytest.mark.parametrize(
    ("payload", "hears", "found"),
    [
        (spoken(OWN, PCMU), Hears.ECHO, Found.ECHO),
        (TONE, Hears.ECHO, Found.SOUND),
        (spoken(THIRD, PCMU), Hears.ECHO, Found.OTHER),
        (TONE, Hears.SOUND, Found.SOUND),
        (spoken(OWN, PCMU), Hears.SOUND, Found.ECHO),
        (spoken(OWN, PCMA), Hears.ECHO, Found.SOUND),
        (SILENCE, Hears.SOUND, Found.SILENCE),
        (spoken(STRANGER, PCMU), Hears.SOUND, Found.OTHER),
    ],
)
def test_what_should_come_decides_what_is_the_best(payload: bytes, hears: Hears, found: Found) -> None:
    assert of(say(payload, 20), hears).found is found


@pytest.mark.parametrize("payload", [TONE, TONE + TONE[:80], TONE[:80]], ids=["20 ms", "30 ms", "10 ms"])
def test_less_than_a_fifth_of_a_second_of_sound_is_not_yet_heard(payload: bytes) -> None:
    enough = -(-LEAST_SOUND // len(payload))
    silence = say(SILENCE, 90, first=enough)
    heard = of([*say(payload, enough - 1), *say(payload, 1, first=enough - 2), *silence], Hears.SOUND)
    assert heard.found is Found.SILENCE
    assert any("too little to say that any is heard" in line for line in heard.remarks)
    heard = of([*say(payload, enough), *silence], Hears.SOUND)
    assert heard.found is Found.SOUND
    assert not any("too little" in line for line in heard.remarks)
    assert of(say(TONE, 1)).found is Found.SOUND  # says what came instead of a voice


@pytest.mark.parametrize("payload", [spoken(OWN, PCMU), spoken(STRANGER, PCMU), TONE, SILENCE])
def test_where_not_the_right_thing_is_heard_all_that_was_sent_is_lost(payload: bytes) -> None:
    heard = of(say(payload, 40), sent=50)
    assert heard.received == Received(expected=50, lost=50)
    assert heard.packets == 40


@pytest.mark.parametrize("count", [1, STRAY - 1, STRAY])
def test_a_few_packets_of_a_strangers_voice_are_not_yet_another_call(count: int) -> None:
    heard = of([*say(spoken(PARTNER, PCMU), 50), *say(spoken(STRANGER, PCMU), count, source=8)])
    assert heard.found is Found.VOICE
    assert heard.received.unique == 50
    assert heard.others == (count if count >= STRAY else 0)
    assert any("too few" in line for line in heard.remarks) is (count < STRAY)
    alone = of(say(spoken(STRANGER, PCMU), count)).found
    assert alone is (Found.OTHER if count >= STRAY else Found.NOTHING)


def key(digit: str, number: int, source: int) -> list[bytes]:
    return [
        rtp(payload, number + n, payload_type=101, source=source, stamp=number * 160)
        for n, payload in enumerate(payloads(digit))
        if payload
    ]


ELSEWHERE = ("192.0.2.9", 5)


def test_other_voices_and_digits_from_elsewhere_are_not_of_the_call_where_the_right_voice_is_heard() -> None:
    by = ear()
    take(by, [*say(spoken(PARTNER, PCMU), 50), *key("1", 50, 7)])
    take(by, [*say(spoken(STRANGER, PCMU), 9, source=8), *key("5", 9, 8)], sender=ELSEWHERE)
    heard = by.heard(50, None)
    assert (heard.found, heard.others, heard.digits) == (Found.VOICE, 0, "1")
    assert heard.remarks[-2:] == (
        "9 packets in another call's voice came from 192.0.2.9:5, which is not of this call",
        "the digits 5 came from an address that is not of this call",
    )


@pytest.mark.parametrize(
    ("sender", "source"), [(THERE, 8), (ELSEWHERE, 7)], ids=["its address", "its source"]
)
def test_other_voices_and_digits_of_the_call_itself_count(sender: tuple[str, int], source: int) -> None:
    by = ear()
    take(by, say(spoken(PARTNER, PCMU), 50))
    take(by, [*say(spoken(STRANGER, PCMU), 9, first=50, source=source), *key("5", 59, source)], sender=sender)
    heard = by.heard(50, None)
    assert (heard.others, heard.digits) == (9, "5")


def test_who_sends_the_right_voice_from_elsewhere_is_of_the_call() -> None:
    by = ear()
    datagrams = [*say(spoken(STRANGER, PCMU), 9, source=8), *say(spoken(PARTNER, PCMU), 50), *key("5", 60, 9)]
    take(by, datagrams, sender=ELSEWHERE)
    heard = by.heard(50, None)
    assert (heard.others, heard.digits) == (9, "5")


def test_another_voice_from_the_described_address_counts_though_the_right_one_comes_from_elsewhere() -> None:
    by = ear()
    take(by, say(spoken(PARTNER, PCMU), 50), sender=ELSEWHERE)
    take(by, [*say(spoken(STRANGER, PCMU), 9, source=8), *key("5", 9, 8)])
    heard = by.heard(50, None)
    assert (heard.others, heard.digits) == (9, "5")


def test_where_only_another_voice_is_heard_it_counts_wherever_it_is_from() -> None:
    by = ear()
    take(by, say(spoken(STRANGER, PCMU), 9, source=8), sender=ELSEWHERE)
    heard = by.heard(50, None)
    assert (heard.found, heard.others) == (Found.OTHER, 9)


def test_a_flood_of_other_voices_takes_no_more_memory_and_hides_no_crossed_audio() -> None:
    by = ear()
    for number in range(500):
        voice_of_another = rtp(spoken(STRANGER, PCMU), 1, source=1000 + number)
        take(by, [voice_of_another], sender=("192.0.2.1", number))
    take(by, say(spoken(PARTNER, PCMU), 50))
    take(by, say(spoken(STRANGER, PCMU), 9, source=8))
    assert by.heard(50, None).others == 9


def test_silence_before_the_voice_and_after_it_is_not_of_it_nor_lost() -> None:
    said = spoken(PARTNER, PCMU)
    datagrams = [*say(SILENCE, 20), *say(said, 50, first=20), *say(SILENCE, 9, first=70)]
    del datagrams[30], datagrams[5]
    heard = of(datagrams, sent=50)
    assert (heard.received.unique, heard.received.expected, heard.received.lost) == (49, 50, 1)
    assert heard.first == pytest.approx(1.0 + 19 * 0.02)


def test_what_the_speaker_sent_and_nobody_got_is_lost_at_either_end() -> None:
    heard = of(say(spoken(PARTNER, PCMU), 40, first=5), sent=50)
    assert (heard.received.unique, heard.received.lost) == (40, 10)
    assert of(say(spoken(PARTNER, PCMU), 40, first=5)).received.lost == 0


def test_packets_twice_are_counted_once() -> None:
    datagrams = [each for each in say(spoken(PARTNER, PCMU), 30) for _ in range(2)]
    heard = of(datagrams, sent=30)
    assert (heard.received.unique, heard.received.duplicates, heard.received.lost) == (30, 30, 0)


def test_twins_that_were_numbered_anew_are_one_and_hide_no_loss() -> None:
    said = spoken(PARTNER, PCMU)
    stamps = [n for n in range(100) if n % 10 != 3 for _ in range(2 if n % 10 == 7 else 1)]
    twins = [rtp(said, number, stamp=160 * n) for number, n in enumerate(stamps)]
    received = of(twins, sent=100).received
    assert (received.packets, received.unique, received.duplicates, received.lost) == (100, 90, 10, 10)
    received = of(twins).received
    assert (received.packets, received.unique, received.duplicates, received.lost) == (100, 90, 10, 0)


@pytest.mark.parametrize("back", [6, 15, 1000])
def test_a_clock_that_is_set_back_makes_no_twins(back: int) -> None:
    said = spoken(PARTNER, PCMU)
    heard = of((rtp(said, n, stamp=160 * (n if n < 50 else n - back)) for n in range(100)), sent=100)
    assert (heard.received.unique, heard.received.duplicates, heard.received.lost) == (100, 0, 0)


def test_telephone_events_amid_a_voice_are_digits_and_no_part_of_it_nor_a_gap() -> None:
    said = spoken(PARTNER, PCMU)
    events = [payload for payload in payloads("5") if payload]
    digit = [rtp(each, 20 + n, payload_type=101, stamp=20 * 160) for n, each in enumerate(events)]
    after = [rtp(said, 20 + len(events) + n, stamp=(28 + n) * 160) for n in range(20)]
    for sent in (40, None):
        heard = of([*say(said, 20), *digit, *after], sent=sent)
        assert heard.digits == "5"
        assert (heard.received.unique, heard.received.expected, heard.received.lost) == (40, 40, 0)
    assert of([*say(said, 20), *digit, *after[1:]], sent=40).received.lost == 1


def test_the_sums_go_on_where_the_source_changes() -> None:
    said = spoken(PARTNER, PCMU)
    heard = of([*say(said, 30), *say(said, 20, first=900, source=8)], sent=52)
    assert (heard.received.unique, heard.received.expected, heard.received.lost) == (50, 52, 2)
    assert heard.source == 8
    assert heard.remarks == ("2 sources (SSRC) sent one after the other or at once",)


def test_longer_packets_carry_as_many_of_the_speakers_as_they_last() -> None:
    said = spoken(PARTNER, PCMU)
    datagrams = [rtp(said[:] + said[:80], number, stamp=240 * number) for number in range(33)]
    heard = of(datagrams, sent=50)
    assert heard.found is Found.VOICE
    assert (heard.received.unique, heard.received.lost) == (33, 0)
    assert heard.remarks == ("33 packets of 30 ms instead of 20",)


def test_longer_packets_of_another_source_hide_no_loss() -> None:
    music = [rtp(bytes(range(240)) * 2, number, source=8) for number in range(80)]
    heard = of([*say(spoken(PARTNER, PCMU), 50), *music], sent=100)
    assert (heard.received.unique, heard.received.lost) == (50, 50)


def test_loss_of_longer_packets_is_counted_in_them() -> None:
    said = spoken(PARTNER, PCMU) + spoken(PARTNER, PCMU)[:80]
    datagrams = [rtp(said, number, stamp=240 * number) for number in range(40) if number % 4]
    heard = of(datagrams, sent=60)
    assert (heard.received.unique, heard.received.lost) == (30, 10)


def test_comfort_noise_is_silence() -> None:
    heard = of(rtp(b"\x40", number, payload_type=13) for number in range(3))
    assert heard.found is Found.SILENCE
    assert heard.remarks == ()


def test_what_came_before_the_talk_began_counts_only_in_the_voice_that_should_be_heard() -> None:
    by = ear(began=5.0)
    take(by, [b"no RTP", *say(TONE, 10), *say(spoken(STRANGER, PCMU), 10, first=10)])
    take(by, say(SILENCE, 10, first=20))
    assert by.heard(None, None) == Heard(Found.NOTHING)
    take(by, say(spoken(PARTNER, PCMU), 10, first=30), begins=4.8)
    assert by.heard(10, None).received.unique == 10


def test_what_is_odd_is_said() -> None:
    by = ear()
    take(by, [*say(spoken(PARTNER, PCMU), 2), b"no RTP", rtp(b"\x00" * 20, 3, payload_type=96)])
    take(by, [rtp(spoken(PARTNER, PCMA), 4, payload_type=PCMA)], sender=("192.0.2.9", 5))
    heard = by.heard(None, None, ["and more"])
    assert heard.codec == "PCMA"
    assert heard.remarks == (
        "a packet came from 192.0.2.9:5, which the session description does not name",
        "a packet of payload type 96, which was not agreed",
        "a packet of PCMA, which was not agreed",
        "1 of the datagrams that came were no RTP",
        "and more",
    )


def test_a_flood_of_sources_takes_no_more_memory_and_the_voice_is_heard_through_it() -> None:
    by = ear()
    noise = [rtp(SILENCE, number, source=1000 + number) for number in range(500)]
    voices = say(spoken(PARTNER, PCMU), 500)
    take(by, (each for pair in zip(noise, voices, strict=True) for each in pair))
    for number in range(50):
        take(by, [b"\x80"], sender=("192.0.2.1", number))
        take(by, [rtp(b"", 1, payload_type=30 + number)], sender=("192.0.2.1", 1 + number))
        take(by, [rtp(b"\x10" * number, 1)])
    assert len(by.sources) == MAX_SOURCES
    heard = by.heard(500, None)
    assert (heard.found, heard.received.unique, heard.received.lost) == (Found.VOICE, 500, 0)
    assert len(heard.remarks) < 16


def test_sources_that_all_say_what_should_be_heard_are_bounded_too() -> None:
    by = ear()
    take(by, [rtp(spoken(PARTNER, PCMU), number, source=number) for number in range(100)])
    assert len(by.sources) == MAX_SOURCES
    assert any("too many sources" in line for line in by.heard(None, None).remarks)


@given(st.lists(st.tuples(st.sampled_from([0, 8, 13, 101, 96]), st.binary(max_size=200)), max_size=30))
def test_any_packets_are_taken(packets: list[tuple[int, bytes]]) -> None:
    by = ear()
    for number, (payload_type, payload) in enumerate(packets):
        take(by, [payload, rtp(payload, number * 977, payload_type=payload_type, source=number % 3)])
    heard = by.heard(7, None)
    assert heard.found in (Found.NOTHING, Found.SILENCE, Found.SOUND)
    assert 0 <= heard.received.lost <= heard.received.expected
