"""The beat: whoever speaks does so each 20 ms, few timers are enough for many, and nothing is made up for."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest
from structlog.testing import capture_logs

from synthetic.media.pacing import PHASES, Pacer


class Loop:
    """The clock and the timers of an event loop, which goes when it is told."""

    def __init__(self) -> None:
        self.now = 50.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> "Timer":
        self.timers.append((when, callback))
        return Timer(self, self.timers[-1])

    def go(self, until: float, late: float = 0.0) -> None:
        while self.timers and min(self.timers, key=lambda timer: timer[0])[0] + late <= until:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0] + late)
            timer[1]()
        self.now = until


class Timer:
    def __init__(self, loop: Loop, timer: tuple[float, Callable[[], None]]) -> None:
        self._loop, self._timer = loop, timer

    def cancel(self) -> None:
        self._loop.timers.remove(self._timer)


class Member:
    def __init__(self, loop: Loop) -> None:
        self.said: list[tuple[float, int]] = []
        self.reads = 0
        self._loop = loop

    def frame(self, left_out: int) -> None:
        self.said.append((self._loop.now, left_out))

    def read(self) -> None:
        self.reads += 1


def paced(count: int) -> tuple[Loop, Pacer, list[Member]]:
    loop = Loop()
    pacer = Pacer(cast(asyncio.AbstractEventLoop, loop))
    members = [Member(loop) for _ in range(count)]
    for member in members:
        pacer.join(member)
    return loop, pacer, members


def test_each_speaks_each_20_ms_and_reads_each_100() -> None:
    loop, _, members = paced(13)
    loop.go(52.0)
    for member in members:
        times = [at for at, _ in member.said]
        assert len(times) == pytest.approx(100, abs=1)
        steps = [later - earlier for earlier, later in pairwise(times)]
        assert steps == pytest.approx([0.02] * len(steps))
        assert member.reads == pytest.approx(20, abs=1)


def test_a_hundred_share_a_few_timers_evenly() -> None:
    loop, _, members = paced(100)
    assert len(loop.timers) == PHASES
    loop.go(50.0399)
    at = [member.said[0][0] for member in members]
    assert sorted(at.count(each) for each in set(at)) == [25] * PHASES


def test_a_late_loop_leaves_frames_out_and_sends_none_at_once() -> None:
    loop, _, (member,) = paced(1)
    loop.go(50.095)
    said = len(member.said)
    loop.now = 50.175  # something held it
    loop.go(50.3)
    later = member.said[said:]
    assert later[0] == (50.175, 3)
    assert [left_out for _, left_out in later[1:]] == [0] * (len(later) - 1)
    assert later[1][0] == pytest.approx(50.18)
    assert len(member.said) + sum(left_out for _, left_out in member.said) == pytest.approx(15, abs=1)


class Broken(Member):
    def frame(self, left_out: int) -> None:
        super().frame(left_out)
        raise RuntimeError("nothing to say")

    def read(self) -> None:
        super().read()
        raise RuntimeError("nothing to hear")


def test_one_that_fails_costs_the_others_nothing_and_is_told_of_once() -> None:
    loop, pacer, _ = paced(0)
    members = [Broken(loop), *(Member(loop) for _ in range(8))]
    for member in members:
        pacer.join(member)
    with capture_logs() as said:
        loop.go(51.0)
    for member in members:
        assert len(member.said) == pytest.approx(50, abs=1)
        assert member.reads == pytest.approx(10, abs=1)
    assert [line["event"] for line in said] == ["media frame failed"]


def test_who_leaves_is_called_no_more_and_the_last_one_takes_the_timer_with_it() -> None:
    loop, pacer, (one, other) = paced(2)
    pacer.leave(one)
    loop.go(50.1)
    assert not one.said
    assert other.said
    pacer.leave(other)
    pacer.leave(other)
    assert loop.timers == []


def test_who_joins_after_a_silence_waits_a_frame_at_most() -> None:
    loop, pacer, (member,) = paced(1)
    pacer.leave(member)
    loop.now = 57.0031
    pacer.join(member)
    loop.go(58.0)
    assert 57.0031 <= member.said[0][0] <= 57.0231
    assert member.said[0][1] == 0
