"""A call whose sides of ours speak, listen and count; then what they heard is judged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import anyio

from dialtone.model import Failure, Hears, MediaPlan
from synthetic.media.heard import Heard
from synthetic.probes.base import FlowError, Leg, Phone, Run, Talk
from synthetic.probes.hearing import Side, is_right, keyed_back, sent_to, streams, verdict
from synthetic.probes.waiting import dropped, first_of, held, unless

ON_ITS_WAY: Final = 0.5
"""How long is waited for what was sent and has not come yet, in seconds: the last packets, and digits."""
DESCRIBED: Final = 1.0
"""How long a description that lets audio through is waited for, in seconds: one that holds a call may be
followed by a re-INVITE at once (third party call control, RFC 3725).
"""
_LOOK: Final = 0.02

Speaker = tuple[Phone, Leg]
"""A phone of ours, and its end of the call."""


async def converse(run: Run, speakers: Sequence[Speaker], *endings: Callable[[], Awaitable[object]]) -> None:
    """Stay on the line for as long as the plan says, and talk meanwhile where it wants that.

    What is not heard as it should be is the run's `misheard`: the call is ended in order first. Raises
    FlowError when a side is hung up on meanwhile.
    """
    media = run.plan.media
    if media is None:
        await held(run, *endings)
        return
    talk = _Conversation(run, media, speakers)
    until = run.clock.monotonic() + run.plan.hold

    async def to_the_end() -> None:
        await talk.take_place()
        await run.clock.sleep(until - run.clock.monotonic())

    with run.step("hold"):
        await unless(dropped, to_the_end, *endings)


async def listen_out(run: Run, speaker: Speaker, ended: Callable[[], Awaitable[float]]) -> float:
    """Talk, where the plan wants that, until the platform hangs up when it likes; return when it did.

    What is not heard as it should be is the run's `misheard`.
    """
    if run.plan.media is not None:
        await _Conversation(run, run.plan.media, (speaker,)).take_place(ended)
    return await ended()


class _Conversation:
    """What the sides of ours say and hear."""

    def __init__(self, run: Run, media: MediaPlan, speakers: Sequence[Speaker]) -> None:
        self._run = run
        self._media = media
        self._speakers = speakers
        self._parties = [phone.party for phone, _ in speakers]
        self._talks: list[Talk] = []
        self._undialled = dict.fromkeys(self._parties, "the platform hung up before" if media.dtmf else "")
        self._sides: tuple[Side, ...] = ()

    async def take_place(self, *ended: Callable[[], Awaitable[object]]) -> None:
        """Let them speak, then dial; `ended` may end the call before that, and is no failure then.

        What was heard is reported in any case, and judged where the talk was not torn down.
        """
        over = anyio.Event()

        async def note(end: Callable[[], Awaitable[object]]) -> None:
            await end()
            over.set()

        try:
            async with anyio.create_task_group() as group:
                for end in ended:
                    group.start_soon(note, end)
                await self._soon(lambda: over.is_set() or not self._mute(), DESCRIBED)
                if self._begin():
                    await self._talk(over)
                group.cancel_scope.cancel()
        finally:
            self._hush()
            self._report()
        if self._sides:
            self._run.misheard = verdict(self._media, self._sides)

    def _mute(self) -> bool:
        return any(leg.mute(self._media.hears) for _, leg in self._speakers)

    def _begin(self) -> bool:
        """Let each side talk; False where one can't, which is the run's `misheard` then."""
        run = self._run
        for phone, leg in self._speakers:
            other = next((each for each, _ in self._speakers if each is not phone), None)
            try:
                with run.step(f"{phone.party} media"):
                    self._talks.append(leg.talk(self._media.hears, other))
            except FlowError as error:
                run.misheard = Failure(error.code, error.detail)
                self._hush()
                self._talks.clear()
                return False
        return True

    async def _talk(self, over: anyio.Event) -> None:
        clock, media = self._run.clock, self._media
        await first_of(over.wait, lambda: clock.sleep(media.seconds))
        self._hush()
        await self._soon(lambda: over.is_set() or self._all_came(), ON_ITS_WAY)
        self._sides = self._now(cut=over.is_set())
        if media.dtmf:
            if not over.is_set():
                await first_of(over.wait, self._dial)
            self._sides = tuple(
                replace(
                    side, heard=_with_digits(side.heard, talk.heard()), undialled=self._undialled[side.party]
                )
                for side, talk in zip(self._sides, self._talks, strict=True)
            )

    def _report(self) -> None:
        """Report what was heard; of what was torn down nobody knows how much should have been."""
        run, media, sides = self._run, self._media, self._sides
        if not sides and self._talks:
            sides = self._now(cut=True)
        for stream, side in zip(streams(media, sides), sides, strict=True):
            run.media.append(stream)
            if side.heard.first is not None and is_right(media.hears, side.heard):
                whom = "itself" if media.hears is Hears.ECHO else f"the {stream.speaker}"
                run.mark(f"{side.party} hears {whom}", side.heard.first)

    def _hush(self) -> None:
        for talk in self._talks:
            talk.hush()

    async def _dial(self) -> None:
        """Let each side send its digits, and wait for what comes of them: one that comes twice, too."""
        keyed = (self._media.dtmf, keyed_back(self._media.dtmf))

        async def dial(party: str, talk: Talk, digits: str) -> None:
            try:
                await talk.dial(digits)
                self._undialled[party] = ""
            except FlowError as error:
                self._undialled[party] = error.detail

        async with anyio.create_task_group() as group:
            for party, talk, digits in zip(self._parties, self._talks, keyed, strict=False):
                group.start_soon(dial, party, talk, digits)
        await self._run.clock.sleep(ON_ITS_WAY)

    async def _soon(self, have_come: Callable[[], bool], limit: float) -> None:
        """Wait so many seconds for what is on its way; what does not come is the verdict's business."""
        clock = self._run.clock
        until = clock.monotonic() + limit
        while not have_come() and (left := until - clock.monotonic()) > 0:
            await clock.sleep(min(left, _LOOK))

    def _all_came(self) -> bool:
        heards = [side.heard for side in self._now(cut=False)]
        return all(is_right(self._media.hears, heard) and not heard.received.lost for heard in heards)

    def _now(self, *, cut: bool) -> tuple[Side, ...]:
        """Return what each side has sent and heard; of one that was cut short nobody knows the former."""
        sides = []
        for party, talk in zip(self._parties, self._talks, strict=True):
            speaker = next((other for other in self._talks if other is not talk), None)
            sent = None if cut else sent_to(self._media.hears, talk, speaker)
            own = None if cut else talk.sent
            sides.append(Side(party, talk.source, own, talk.heard(sent), unsent=talk.unsent))
        return tuple(sides)


def _with_digits(heard: Heard, later: Heard) -> Heard:
    """Return what was heard of the voice, with the digits that came after it."""
    return replace(heard, digits=later.digits, remarks=later.remarks, dropped=later.dropped)
