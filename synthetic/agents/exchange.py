"""One request of a phone to its final response: digest on the way, refusals into failure codes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from dialtone.model import Account, FailureCode
from synthetic.agents.digest import DigestAnswers
from synthetic.agents.forks import PhoneTransactions
from synthetic.probes.base import Exchange, FlowError
from synthetic.probes.refusals import refusal

CHALLENGES: Final = (401, 407)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's final response, as sippy's object; `sent` is when the first of it left."""

    sent: float
    received: float
    response: Any
    authenticated: bool

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.response.getSCode()[0])

    @property
    def times(self) -> Exchange:
        """What a flow is told of it."""
        return Exchange(self.sent, self.received, self.status)

    def accepted(self) -> Self:
        """Return it where it is a 2xx. Raises FlowError with what it means otherwise."""
        status, reason = self.response.getSCode()
        if status in CHALLENGES:
            raise FlowError(
                FailureCode.AUTH,
                f"the platform asks for a password ({status}), and this side has no account:"
                " it must let this machine's address in without one",
                status,
            )
        if status >= 300:
            raise refusal(status, reason, authenticated=self.authenticated)
        return self


class Watch:
    """Told what happens to an INVITE meanwhile, at once; others have nothing to watch."""

    def started(self, pending: "PendingExchange") -> None:
        """Another attempt is out: there are several with authentication."""

    def progress(self, status: int, at: float) -> None:
        """A provisional response came."""

    def accepted(self, response: Any) -> None:
        """A 2xx came; it is told before anything that follows it on the wire, and may not raise."""

    def accepted_again(self, response: Any) -> None:
        """Another 2xx to the same INVITE came: a retransmission, or another branch of a fork."""


class PendingExchange:
    """A transaction under way. It outlives whoever waits for it, so that an INVITE can still be cancelled."""

    def __init__(self, manager: PhoneTransactions, request: Any, watch: Watch) -> None:
        self.ringing = False
        self._manager = manager
        self._watch = watch
        self._done = asyncio.Event()
        self._response: Any | None = None
        self._transaction = manager.newTransaction(request, self._take, cb_ifver=2)
        self.sent = manager.endpoint.sent_at

    @property
    def finished(self) -> bool:
        """Whether the final response, or its timer, has come."""
        return self._done.is_set()

    async def final(self) -> Any:
        """Wait for the final response.

        Raises FlowError where sippy's timer B or F ended the transaction, or the connection was lost.
        Whoever gives up waiting ends its retransmissions too: a REGISTER sent again after the phone has left
        would bind it anew.
        """
        try:
            await self._done.wait()
        except asyncio.CancelledError:
            if self._transaction.teA is not None:
                self._transaction.teA.cancel()
            raise
        response = self._response
        trouble = self._manager.trouble
        if trouble is not None and (response is None or response.getSCode()[0] == 503):
            raise trouble
        if response is None:
            raise FlowError(FailureCode.TIMEOUT, "no final response within 32 s (RFC 3261 timers B and F)")
        return response

    def cancel(self) -> bool:
        """Give up an INVITE (RFC 3261 9.1). Return whether a final response will come soon, or is there.

        The CANCEL of one that was never answered at all has to wait for a provisional response.
        """
        if not self.finished:
            self._manager.cancelTransaction(self._transaction)
        return self.finished or self.ringing

    def _take(self, response: Any, transaction: Any) -> None:
        if self.finished:
            return
        status = response.getSCode()[0]
        if response is transaction.r408:  # made by sippy itself
            self._done.set()
        elif status < 200:
            self.ringing = True
            self._watch.progress(status, response.rtime.monot)
        else:
            if status < 300 and transaction.needack:
                self._manager.keep(transaction.tid, self._watch.accepted_again)
                self._watch.accepted(response)
            self._response = response
            self._done.set()


async def converse(
    manager: PhoneTransactions,
    account: Account | None,
    request: Any,
    *,
    watch: Watch | None = None,
    sequence: Callable[[], int] | None = None,
) -> Answered:
    """Send a request, answer challenges, return the final response, whatever it says.

    `sequence` gives the next number of the request's dialog, where it is in one. Without an account a
    challenge is the final response. Raises FlowError where there is none, with `auth` where a challenge can't
    be answered or an answer was refused.
    """
    answers = DigestAnswers(account) if account is not None else None
    watch = watch or Watch()
    first_sent: float | None = None
    while True:
        await manager.ready()
        pending = PendingExchange(manager, request, watch)
        watch.started(pending)
        first_sent = pending.sent if first_sent is None else first_sent
        response = await pending.final()
        status = response.getSCode()[0]
        if status not in CHALLENGES or answers is None:
            given = answers is not None and answers.given
            return Answered(first_sent, response.rtime.monot, response, given)
        with understood(f"the {status}"):
            answers.answer(request, response)
            request.getHFBody("via").genBranch()
            numbered = request.getHFBody("cseq")
            numbered.cseq = numbered.cseq + 1 if sequence is None else sequence()


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn what sippy's parser raises for a broken header into the failure `unexpected-message`."""
    try:
        yield
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise FlowError(
            FailureCode.UNEXPECTED_MESSAGE, f"{what} can't be understood ({type(error).__name__})"
        ) from None
