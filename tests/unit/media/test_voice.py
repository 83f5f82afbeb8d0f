"""A voice is known for ours whatever a platform does to it; no tone, noise or silence is taken for one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.media.voice import CODE, SAMPLES, is_silent, says, spoken, voice, whose
from tests.unit.media.g711 import PCMA, PCMU, decoded, encoded, tone

LAWS = [PCMU, PCMA]
OURS, OTHERS = voice("r1", "caller"), voice("r2", "callee")


def stream(code: bytes, law: int, packets: int = 4) -> bytes:
    return spoken(code, law) * packets


def test_a_voice_is_its_partys_and_its_probes_alone() -> None:
    voices = {voice(probe, party) for probe in ("r1", "r2") for party in ("caller", "callee", "target")}
    assert len(voices) == 6
    assert {len(code) for code in voices} == {CODE}


@pytest.mark.parametrize("law", LAWS)
def test_a_packet_in_a_voice_is_20_ms_of_that_and_of_no_other(law: int) -> None:
    samples = spoken(OURS, law)
    assert len(samples) == SAMPLES
    assert says(samples, OURS)
    assert not says(samples, OTHERS)
    assert whose(samples, law) == OURS


def test_anybodys_voice_is_known_for_one_and_there_is_one_way_alone_to_read_it() -> None:
    for number in range(300):
        code = voice(str(number), "callee")
        turned = code[number % CODE :] + code[: number % CODE]
        assert whose(spoken(turned, PCMU), PCMU) == code


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("frame", [80, 160, 240, 320, 480])
def test_a_voice_is_heard_in_frames_of_any_length_wherever_they_begin(law: int, frame: int) -> None:
    said = stream(OURS, law)
    for begins in range(CODE):
        payload = said[begins : begins + frame]
        assert len(payload) == frame
        assert says(payload, OURS)
        assert whose(payload, law) == OURS


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("into", LAWS)
@pytest.mark.parametrize("gain", [0.02, 0.25, 1.0, 3.0, 20.0])
def test_a_voice_comes_through_a_change_of_law_and_of_volume(law: int, into: int, gain: float) -> None:
    payload = encoded((gain * sample for sample in decoded(spoken(OURS, law), law)), into)
    assert says(payload, OURS)
    assert whose(payload, into) == OURS
    assert not is_silent(payload, into)


@pytest.mark.parametrize("law", LAWS)
def test_a_voice_is_heard_over_noise_that_is_lower(law: int) -> None:
    noise = random.Random(4)
    payload = encoded((s + noise.uniform(-1500, 1500) for s in decoded(spoken(OURS, law), law)), law)
    assert says(payload, OURS)
    assert whose(payload, law) == OURS


@pytest.mark.parametrize("law", LAWS)
def test_half_a_frame_of_a_voice_is_enough_beside_a_gap_in_a_long_one(law: int) -> None:
    gap = encoded([0] * SAMPLES, law)
    assert whose(gap + spoken(OURS, law), law) == OURS
    assert whose(spoken(OURS, law) + gap, law) == OURS


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("hertz", [100, 200, 400, 440, 480, 500, 800, 1000, 1004, 2000])
def test_no_tone_is_a_voice_and_none_is_silence(law: int, hertz: float) -> None:
    for phase in (0.0, 0.3, 1.0, 2.5):
        for level in (300, 8000, 30_000):
            payload = encoded(tone(hertz, level, SAMPLES, phase), law)
            assert whose(payload, law) is None
            assert not says(payload, OURS)
            assert not is_silent(payload, law)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("level", [0, 8, 30])
def test_what_nobody_can_hear_is_silence_and_no_voice(law: int, level: int) -> None:
    noise = random.Random(level)
    for payload in (
        encoded((noise.uniform(-level, level) for _ in range(SAMPLES)), law),
        encoded([level] * SAMPLES, law),
        encoded([-level] * SAMPLES, law),
    ):
        assert is_silent(payload, law)
        assert whose(payload, law) is None


def test_the_silences_of_both_laws_are_silent_each_in_its_own_alone() -> None:
    for law, silences in ((PCMU, b"\xff\x7f"), (PCMA, b"\xd5\x55")):
        assert is_silent(silences * 80, law)
        assert not is_silent(silences * 80, PCMA if law == PCMU else PCMU)


@pytest.mark.parametrize("law", LAWS)
def test_noise_that_can_be_heard_is_neither(law: int) -> None:
    noise = random.Random(9)
    for frame in (CODE, SAMPLES):
        for _ in range(50):
            payload = encoded((noise.gauss(0, 500) for _ in range(frame)), law)
            assert not is_silent(payload, law)
            assert whose(payload, law) is None


def test_two_voices_at_once_are_neither() -> None:
    mixed = zip(decoded(spoken(OURS, PCMU), PCMU), decoded(spoken(OTHERS, PCMU), PCMU), strict=True)
    payload = encoded((one + other for one, other in mixed), PCMU)
    assert whose(payload, PCMU) is None


@given(st.binary(max_size=500), st.integers(0, 127))
def test_any_payload_is_read(payload: bytes, payload_type: int) -> None:
    assert whose(payload, payload_type) is None
    assert not says(payload, OURS)


@pytest.mark.parametrize("payload_type", [1, 3, 13, 18, 101])
def test_what_is_no_g711_is_no_voice(payload_type: int) -> None:
    assert whose(spoken(OURS, PCMU), payload_type) is None
    assert whose(spoken(OURS, PCMU)[: CODE - 1], PCMU) is None
