"""A call whose sides of ours speak, listen and count; then what they heard is judged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import anyio

from dialtone.model import Hears, MediaPlan
from synthetic.media.heard import Heard
from synthetic.probes.base import FlowError, Leg, Phone, Run, Talk
from synthetic.probes.hearing import Side, is_right, sent_to, streams, verdict
from synthetic.probes.waiting import dropped, first_of, held, unless

ON_ITS_WAY: Final = 0.5
"""How long is waited for what was sent and has not come yet, in seconds: the last packets, and digits."""
_LOOK: Final = 0.02

Speaker = tuple[Phone, Leg]
"""A phone of ours, and its end of the call."""


async def converse(run: Run, speakers: Sequence[Speaker], *endings: Callable[[], Awaitable[object]]) -> None:
    """Stay on the line for as long as the plan says, and talk meanwhile where it wants that.

    Raises FlowError when a side is hung up on meanwhile, and for what is not heard as it should be.
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
    talk.conclude()


async def listen_out(run: Run, speaker: Speaker, ended: Callable[[], Awaitable[float]]) -> float:
    """Talk, where the plan wants that, until the platform hangs up when it likes; return when it did.

    Raises FlowError for what is not heard as it should be.
    """
    if run.plan.media is not None:
        talk = _Conversation(run, run.plan.media, (speaker,))
        await talk.take_place(ended)
        talk.conclude()
    return await ended()


class _Conversation:
    """What the sides of ours say and hear, from now on. Raises FlowError where one of them can't."""

    def __init__(self, run: Run, media: MediaPlan, speakers: Sequence[Speaker]) -> None:
        self._run = run
        self._media = media
        self._parties = [phone.party for phone, _ in speakers]
        self._talks: list[Talk] = []
        self._undialled = dict.fromkeys(self._parties, "")
        self._sides: tuple[Side, ...] = ()
        for phone, leg in speakers:
            other = next((each for each, _ in speakers if each is not phone), None)
            with run.step(f"{phone.party} media"):
                self._talks.append(leg.talk(media.hears, other))

    async def take_place(self, *ended: Callable[[], Awaitable[object]]) -> None:
        """Let them speak, then dial; `ended` may end the call before that, and is no failure then."""
        over = anyio.Event()

        async def note(end: Callable[[], Awaitable[object]]) -> None:
            await end()
            over.set()

        clock, media = self._run.clock, self._media
        try:
            async with anyio.create_task_group() as group:
                for end in ended:
                    group.start_soon(note, end)
                await first_of(over.wait, lambda: clock.sleep(media.seconds))
                self._hush()
                await self._soon(lambda: over.is_set() or self._all_came())
                self._sides = self._now(cut=over.is_set())
                if media.dtmf:
                    await first_of(over.wait, self._dial)
                group.cancel_scope.cancel()
        finally:
            self._hush()

    def conclude(self) -> None:
        """Report what was heard. Raises FlowError where that is not as it should be."""
        run, media = self._run, self._media
        run.media.extend(streams(media, self._sides))
        for stream, side in zip(run.media[-len(self._sides) :], self._sides, strict=True):
            if side.heard.first is not None and is_right(media.hears, side.heard):
                whom = "itself" if media.hears is Hears.ECHO else f"the {stream.speaker}"
                run.mark(f"{side.party} hears {whom}", side.heard.first)
        failure = verdict(media, self._sides)
        if failure is not None:
            raise FlowError(failure.code, failure.detail)

    def _hush(self) -> None:
        for talk in self._talks:
            talk.hush()

    async def _dial(self) -> None:
        """Let each side send the digits, and wait until they have come."""
        digits = self._media.dtmf

        async def dial(party: str, talk: Talk) -> None:
            try:
                await talk.dial(digits)
            except FlowError as error:
                self._undialled[party] = error.detail

        async with anyio.create_task_group() as group:
            for party, talk in zip(self._parties, self._talks, strict=True):
                group.start_soon(dial, party, talk)
        if self._media.hears is not Hears.SOUND:  # else nobody is to send any back
            await self._soon(lambda: all(talk.heard().digits == digits for talk in self._talks))
        self._sides = tuple(
            replace(side, heard=_with_digits(side.heard, talk.heard()), undialled=self._undialled[side.party])
            for side, talk in zip(self._sides, self._talks, strict=True)
        )

    async def _soon(self, have_come: Callable[[], bool]) -> None:
        """Wait for what is on its way; what does not come is the verdict's business."""
        clock = self._run.clock
        until = clock.monotonic() + ON_ITS_WAY
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
            sides.append(Side(party, talk.source, None if cut else talk.sent, talk.heard(sent)))
        return tuple(sides)


def _with_digits(heard: Heard, later: Heard) -> Heard:
    """Return what was heard of the voice, with the digits that came after it."""
    return replace(heard, digits=later.digits, remarks=later.remarks)
