"""What both transfers have in common: the call that is transferred, the REFER, what came of it, and the end.

A server says 200 to a transfer that went wrong too: Asterisk does so before a ringing target answers, and to
a busy one. So neither the 202 to REFER nor the NOTIFY with the final status proves anything: both must come,
and the target, a phone of ours, must show that it was reached.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from dialtone.model import FailureCode
from dialtone.runtime.deadline import within
from synthetic.probes.answering import BYE_LOST, Answerer
from synthetic.probes.attempts import dialled, place, register
from synthetic.probes.base import FlowError, Leg, OutgoingCall, Referral, Run, Verdict
from synthetic.probes.waiting import PROOF, first_of, held, soon, unless

ACCEPTED: Final = 5.0
"""How long the answer to REFER may take, in seconds."""
FINAL: Final = 10.0
"""How long after it the NOTIFY with the final status may take, in seconds."""
PROVEN: Final = 5.0
"""How long after that the proof at the target may take, in seconds."""
_GRACE: Final = 0.2
"""How far a BYE may be behind the failure that it belongs to, in seconds."""
_GONE: Final = 481
"""The answer to a BYE that crossed the platform's own."""

T = TypeVar("T")


class Transfer:
    """One transfer: its three phones, and how far it has come."""

    def __init__(self, run: Run, *, heard: bool = False) -> None:
        """With `heard` the target listens for the transferee."""
        transferor, transferee, target = run.phones
        self.transferor: Final = Answerer(run, transferor)
        self.transferee: Final = transferee
        self.target: Final = Answerer(run, target, hears=transferee if heard else None)
        self.sent = 0.0
        self._run = run
        self._outgoing: OutgoingCall | None = None
        self._dropped = anyio.Event()
        self._said = ""

    @property
    def outgoing(self) -> OutgoingCall:
        """The transferee's call; there is none before `call`."""
        if self._outgoing is None:
            raise RuntimeError("the transferee has not called yet")
        return self._outgoing

    async def register(self) -> None:
        """Bind the three phones. Raises FlowError."""
        for phone in self._run.phones:
            registered = await register(self._run, phone)
            self._run.mark(f"{phone.party} registered", registered.received)

    async def call(self) -> None:
        """Let the transferee call the transferor, and talk for a moment. Raises FlowError."""
        run = self._run
        with self.transferor.excusing():
            number = dialled(run, self.transferor.phone)
            self._outgoing = await place(run, self.transferee, number, through=run.plan.caller_target)
            run.mark(f"{self.transferee.party} answered", self._outgoing.setup.answered)
            await self.transferor.reached()
        await held(run, self._outgoing.ended, self.transferor.ended.wait)

    async def follow(self) -> None:
        """Note it when the transferee is hung up on; to be run beside the rest, from `call` on."""
        at = await self.outgoing.ended()
        if not self.outgoing.replaced:
            self._run.mark(f"{self.transferee.party} hung up on", at)
            self._dropped.set()

    async def refer(self, number: str, replaces: Leg | None = None) -> Referral:
        """Let the transferor ask for the transfer. Raises FlowError, `transfer-refused` for a refusal."""
        run, leg = self._run, self.transferor.call
        with run.step(f"{self.transferor.phone.party} REFER"):
            try:
                referral = await soon(
                    run, lambda: leg.refer(number, replaces=replaces), _unanswered, ACCEPTED
                )
            except FlowError as error:
                if error.code is FailureCode.TRANSFER_REFUSED:
                    raise await self._with_what_followed(error) from None
                raise
        self.sent = referral.accepted.sent
        run.status = referral.accepted.status
        run.mark("referred", self.sent)
        run.mark(f"transfer accepted ({run.status})", referral.accepted.received)
        return referral

    async def concluded(self, referral: Referral) -> None:
        """Wait for the NOTIFY that says how the transfer ended. Raises FlowError unless it says 2xx."""
        run = self._run
        with run.step(f"{self.transferor.phone.party} NOTIFY", self._unsaid):
            verdict = await unless(
                self._unsaid,
                lambda: soon(run, referral.final, self._unsaid, FINAL),
                self._dropped_for_long,
            )
            run.mark(f"final NOTIFY ({verdict.status})", verdict.at)
            await self._check(verdict)
        run.timings["notify_delay"] = verdict.at - self.sent

    async def proven(self, step: str, wait: Callable[[], Awaitable[T]], otherwise: Callable[[], str]) -> T:
        """Return a part of the proof. Raises FlowError with `transfer-failed`, which says what there is."""
        run = self._run

        def unproven() -> FlowError:
            detail = f"{self._said}, but {otherwise()}{self._remarks()}"
            return FlowError(FailureCode.TRANSFER_FAILED, detail)

        with run.step(step, unproven):
            return await unless(unproven, lambda: soon(run, wait, unproven, PROVEN), self._broken)

    async def reached(self) -> None:
        """Wait for the proof that the target took a call of its own, as `proven` does."""
        target = self.target
        await self.proven(f"{target.phone.party} answer", target.acknowledged.wait, self._not_reached)

    async def take_down(self) -> None:
        """End the transferor's call, then the one that the transfer has made. Raises FlowError.

        The platform may have ended the first one itself. The other one must outlive it, is hung up by the
        target, and must end at the transferee.
        """
        run = self._run
        if not self.transferor.ended.is_set():
            try:
                await self.transferor.hang_up()
            except FlowError as error:
                if error.status != _GONE:
                    raise
        with run.step("hold"):
            await unless(_torn_down, lambda: run.clock.sleep(run.plan.hold), self.target.ended.wait)
        await self.target.hang_up()
        with run.step(f"{self.transferee.party} BYE"):
            await soon(run, self.outgoing.ended, BYE_LOST)
        run.counts["session_complete"] += run.counts["invite_200"]

    async def _check(self, verdict: Verdict) -> None:
        status = verdict.status
        if not 200 <= status < 300:
            error = FlowError(FailureCode.TRANSFER_FAILED, f"the transfer ended with {status}", status)
            raise await self._with_what_followed(error)
        if not verdict.terminated:
            what = "leaves the subscription active (RFC 3515 2.4.7 has it terminated)"
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, f"the NOTIFY with the final {status} {what}", status
            )
        self._said = f"the NOTIFY said {status}"

    async def _with_what_followed(self, error: FlowError) -> FlowError:
        """Return the failure with what it did to the others, which may be told a little later."""
        try:
            await within(self._run.clock, _GRACE, self._broken)
        except TimeoutError:
            return FlowError(error.code, f"{error.detail}; the transferee's call stays up", error.status)
        return FlowError(error.code, f"{error.detail}{self._remarks()}", error.status)

    async def _broken(self) -> None:
        await first_of(self._dropped.wait, self.target.ended.wait)

    async def _dropped_for_long(self) -> None:
        await self._broken()
        await self._run.clock.sleep(PROOF)

    def _unsaid(self) -> FlowError:
        """Return what it is that no final NOTIFY came: what became of the phones outweighs that."""
        if self._dropped.is_set() or self.target.ended.is_set():
            detail = f"accepted, but it came to nothing and no NOTIFY says so{self._remarks()}"
            return FlowError(FailureCode.TRANSFER_FAILED, detail)
        reached = "reached" if self.target.acknowledged.is_set() else "not reached"
        what = f"accepted, the target was {reached}, but no NOTIFY with a final status came"
        return FlowError(FailureCode.NO_NOTIFY, what)

    def _not_reached(self) -> str:
        if self.target.invited.is_set():
            return "the target was called and answered, and the ACK did not arrive"
        return "the target was not called (it is busy, or the call went elsewhere)"

    def _remarks(self) -> str:
        ended = {"transferee": self._dropped, "target": self.target.ended}
        return "".join(f"; the {party} was hung up on" for party, event in ended.items() if event.is_set())


def _unanswered() -> FlowError:
    return FlowError(FailureCode.TIMEOUT, "not answered")


def _torn_down() -> FlowError:
    return FlowError(FailureCode.TRANSFER_FAILED, "the target was hung up on when the transferor had left")
