"""Exit codes: every one that SIPp documents, with and without our doing."""

import signal

import pytest

from synthetic.sipp.exits import classify
from synthetic.sipp.run import Ending


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        (0, Ending.PASSED),
        (1, Ending.CALL_FAILED),
        (97, Ending.STOPPED),
        (98, Ending.MEDIA_FAILED),
        (99, Ending.NO_CALL),
        (126, Ending.FATAL),
        (127, Ending.FATAL),
        (253, Ending.MEDIA_FAILED),
        (254, Ending.FATAL),
        (255, Ending.FATAL),
        (42, Ending.UNKNOWN),
        (-9, Ending.KILLED),
        (-11, Ending.KILLED),
        (-25, Ending.KILLED),
        (-40, Ending.KILLED),
    ],
)
def test_an_unasked_end_is_told_by_its_code(code: int, ending: Ending) -> None:
    assert classify(code, began=True).ending is ending


def test_a_failure_before_any_traffic_is_no_failed_call() -> None:
    assert classify(1, began=False).ending is Ending.FATAL
    assert "scenario" in classify(1, began=False).meaning


@pytest.mark.parametrize("code", [0, 1, 97, 99, -signal.SIGUSR1, -signal.SIGTERM])
@pytest.mark.parametrize("began", [True, False])
def test_what_ends_when_we_stop_it_has_been_stopped(code: int, began: bool) -> None:
    assert classify(code, began=began, asked=True).ending is Ending.STOPPED


@pytest.mark.parametrize(
    ("code", "ending"),
    [(255, Ending.FATAL), (253, Ending.MEDIA_FAILED), (-11, Ending.KILLED), (-9, Ending.KILLED)],
)
def test_a_stop_does_not_hide_what_went_wrong(code: int, ending: Ending) -> None:
    assert classify(code, began=True, asked=True).ending is ending


def test_what_had_to_be_killed_has_hung_whatever_its_code() -> None:
    assert classify(-9, began=True, asked=True, forced=True).ending is Ending.HUNG


def test_the_meaning_names_the_signal_and_the_unknown_code() -> None:
    assert "SIGXFSZ (one of its files reached the limit)" in classify(-25, began=True).meaning
    assert "SIGUSR1" in classify(-10, began=True).meaning
    assert "signal 40" in classify(-40, began=True).meaning
    assert "42" in classify(42, began=True).meaning
