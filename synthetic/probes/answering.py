"""A phone of ours that takes the run's call: it rings, answers, and notes what comes of that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from dialtone.model import FailureCode
from dialtone.runtime.deadline import within
from synthetic.probes.base import Exchange, FlowError, IncomingCall, Phone, Run
from synthetic.probes.waiting import soon


class Answerer:
    """One phone that is called, and what was seen there. `play` runs beside the rest of a flow.

    A call that is cancelled while it rings is let go, and the next one taken: queues and ring groups try
    again. Of several calls only one that takes the first one's place (Replaces, RFC 3891) is answered.
    """

    def __init__(self, run: Run, phone: Phone, *, ring: float = 0.0, hears: Phone | None = None) -> None:
        """`ring` is in seconds; `hears` is whose voice to listen for on every call."""
        self.phone: Final = phone
        self.invited = anyio.Event()
        self.cancelled = anyio.Event()
        self.answered = anyio.Event()
        self.acknowledged = anyio.Event()
        self.heard = anyio.Event()
        self.ended = anyio.Event()
        self.acknowledged_at = 0.0
        self.heard_at = 0.0
        self._run = run
        self._ring = ring
        self._hears = hears
        self._hung_up = False
        self._call: IncomingCall | None = None

    @property
    def call(self) -> IncomingCall:
        """The call that was answered; there is none before `answered`."""
        if self._call is None:
            raise RuntimeError(f"{self.phone.party} has answered no call")
        return self._call

    async def play(self) -> None:
        """Take calls until cancelled. Raises FlowError for one that can't be answered."""
        async with anyio.create_task_group() as group:
            while True:
                call = await self.phone.next_call()
                if self._call is not None and call.replacing is None:
                    self._run.mark(f"{self.phone.party} called again", call.received)
                elif await self._take(call):
                    self._call = call
                    self.answered.set()
                    group.start_soon(self._follow, call)
                    if self._hears is not None:
                        group.start_soon(self._listen, call, self._hears)

    async def reached(self, *, at_once: bool = True) -> None:
        """Wait until our answer was acknowledged, once the caller has its own.

        With `at_once` the caller's answer can only be ours, so that its INVITE must have come; else the
        platform may have answered first (a queue, an announcement), and calls us while the caller listens.
        Raises FlowError.
        """
        with self._run.step(f"{self.phone.party} answer", self._not_ours):
            if at_once:
                await soon(self._run, self.answered.wait, self._not_ours)
            await self.answered.wait()
        with self._run.step(f"{self.phone.party} answer"):
            await soon(self._run, self.acknowledged.wait, _lost("the ACK did not arrive"))

    async def hang_up(self) -> Exchange:
        """End the call. Raises FlowError, with the step."""
        self._hung_up = True
        with self._run.step(f"{self.phone.party} BYE"):
            ended = await self.call.hang_up()
        self._run.mark(f"{self.phone.party} hung up", ended.sent)
        return ended

    async def hung_up_on(self) -> None:
        """Wait for a BYE whose sender has its 2xx. Raises FlowError, with the step."""
        with self._run.step(f"{self.phone.party} BYE"):
            await soon(self._run, self.ended.wait, BYE_LOST)

    @contextmanager
    def excusing(self) -> Iterator[None]:
        """Tell a failure that may be our own phone's doing, which took the call for a stranger's.

        A stranger's call, or ours with nothing left to know it by: neither is the platform's failure.
        """
        run = self._run
        try:
            yield
        except FlowError as error:
            raise self._excused(error) from None
        except anyio.get_cancelled_exc_class():
            late = run.late or FlowError(FailureCode.TIMEOUT, run.interrupted or self.phone.party)
            excused = self._excused(late)
            run.late = run.late if excused is late else excused
            raise

    def _excused(self, error: FlowError) -> FlowError:
        if not self.phone.turned_away or self.invited.is_set():
            return error
        return FlowError(
            FailureCode.ACCOUNT_BUSY,
            f"the {self.phone.party} turned away a call that it could not know for ours, neither by the"
            f" header X-Dialtone-Probe nor by the caller's user in From; {error.detail}",
            error.status,
        )

    def _not_ours(self) -> FlowError:
        said = f"the call was answered, but not by our {self.phone.party}"
        if self.cancelled.is_set():
            said += " (it rang there and was cancelled)"
        return FlowError(FailureCode.UNEXPECTED_MESSAGE, said)

    async def _take(self, call: IncomingCall) -> bool:
        """Ring and answer; False where the call was cancelled before that."""
        run, party = self._run, self.phone.party
        run.mark(f"{party} invited", call.received)
        self.invited.set()
        if call.replacing is None:
            call.ring()
            try:
                run.mark(f"{party} was cancelled", await within(run.clock, self._ring, call.ended))
            except TimeoutError:
                pass
            else:
                self.cancelled.set()
                return False
        with run.step(f"{party} answer"):
            call.answer()
        return True

    async def _follow(self, call: IncomingCall) -> None:
        party = self.phone.party
        self.acknowledged_at = await call.acknowledged()
        self._run.mark(f"{party} acknowledged", self.acknowledged_at)
        self.acknowledged.set()
        at = await call.ended()
        if call is not self._call:
            return  # another call has its place
        if not self._hung_up:
            self._run.mark(f"{party} hung up on", at)
        self.ended.set()

    async def _listen(self, call: IncomingCall, to: Phone) -> None:
        at = await call.hears(to)
        if not self.heard.is_set():
            self.heard_at = at
            self._run.mark(f"{self.phone.party} hears the {to.party}", at)
            self.heard.set()


def _lost(what: str) -> Callable[[], FlowError]:
    return lambda: FlowError(FailureCode.TIMEOUT, what)


BYE_LOST: Final = _lost("the BYE was confirmed, but did not arrive")
