"""What Asterisk says of a call's end, as few words."""

import pytest

from collectors.asterisk.causes import CAUSES, cause_word


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("1", "unknown-number"),  # 404, and a phone that isn't registered: 3
        ("3", "unknown-number"),
        ("17", "busy"),  # 486
        ("0", "no-answer"),  # Dial's time was up, and the dialplan ended
        ("16", "no-answer"),  # the same, and Hangup(${HANGUPCAUSE})
        ("19", "no-answer"),  # 480
        ("20", "unreachable"),
        ("21", "rejected"),  # 403, 603
        ("34", "congestion"),  # 503
        ("38", "congestion"),  # 500
        ("58", "media"),  # 488
        ("127", "cancelled"),  # 487: the caller's CANCEL
    ],
)
def test_a_cause_that_was_measured_has_its_word(number: str, word: str) -> None:
    assert cause_word(number) == word


@pytest.mark.parametrize("number", ["", "4", "31", "-1", "016", " 16", "busy", "٣", "9" * 5000])
def test_what_is_no_cause_of_the_list_is_other(number: str) -> None:
    assert cause_word(number) == "other"


def test_there_are_few_words_and_each_is_used() -> None:
    assert len(CAUSES) == len(set(CAUSES)) == 9
    assert {cause_word(str(number)) for number in range(128)} == set(CAUSES)
