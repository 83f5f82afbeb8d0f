"""One request of a phone to its final response: digest on the way, refusals into failure codes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dialtone.model import Account, FailureCode
from synthetic.agents.digest import DigestAnswers
from synthetic.agents.transactions import TransactionManager
from synthetic.probes.base import FlowError
from synthetic.probes.refusals import refusal

Progress = Callable[[int, float], None]
"""Told of every provisional response: its status and when it came."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's 2xx, as sippy's object; `sent` is the first transmission of the first attempt."""

    sent: float
    received: float
    response: Any

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.response.getSCode()[0])


class PendingExchange:
    """A transaction under way. It outlives whoever waits for it, so that an INVITE can still be cancelled."""

    def __init__(self, manager: TransactionManager, request: Any, progress: Progress | None) -> None:
        self.ringing = False
        self._manager = manager
        self._progress = progress
        self._done: asyncio.Future[Any | None] = asyncio.get_running_loop().create_future()
        self._transaction = manager.newTransaction(request, self._take, cb_ifver=2)
        self.sent = manager.endpoint.sent_at

    async def final(self) -> Any:
        """Wait for the final response. Raises FlowError where sippy's timer B or F ended the transaction.

        Whoever gives up waiting ends its retransmissions too: a REGISTER sent again after the phone has left
        would bind it anew.
        """
        try:
            await asyncio.wait([self._done])
        except asyncio.CancelledError:
            if self._transaction.teA is not None:
                self._transaction.teA.cancel()
            raise
        response = self._done.result()
        if response is None:
            raise FlowError(FailureCode.TIMEOUT, "no final response within 32 s (RFC 3261 timers B and F)")
        return response

    def cancel(self) -> bool:
        """Send CANCEL (RFC 3261 9.1); False where it is finished, or was never answered at all."""
        if self._done.done() or not self.ringing:
            return False
        self._manager.cancelTransaction(self._transaction)
        return True

    def _take(self, response: Any, transaction: Any) -> None:
        if self._done.done():
            return
        status = response.getSCode()[0]
        if response is transaction.r408:  # made by sippy itself
            self._done.set_result(None)
        elif status >= 200:
            self._done.set_result(response)
        else:
            self.ringing = True
            if self._progress is not None:
                self._progress(status, response.rtime.monot)


async def exchange(
    manager: TransactionManager,
    account: Account,
    request: Any,
    *,
    progress: Progress | None = None,
    started: Callable[[PendingExchange], None] | None = None,
) -> Answered:
    """Send a request, answer challenges, return its 2xx. Raises FlowError for everything else.

    `started` is told of every attempt (there are several with authentication).
    """
    answers = DigestAnswers(account)
    first_sent: float | None = None
    while True:
        pending = PendingExchange(manager, request, progress)
        if started is not None:
            started(pending)
        first_sent = pending.sent if first_sent is None else first_sent
        response = await pending.final()
        status, reason = response.getSCode()
        if status in (401, 407):
            with understood(f"the {status}"):
                answers.answer(request, response)
                request.getHFBody("via").genBranch()
                request.getHFBody("cseq").incCSeqNum()
        elif status < 300:
            return Answered(first_sent, response.rtime.monot, response)
        else:
            raise refusal(status, reason, authenticated=answers.given)


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn what sippy's parser raises for a broken header into the failure `unexpected-message`."""
    try:
        yield
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise FlowError(
            FailureCode.UNEXPECTED_MESSAGE, f"{what} can't be understood ({type(error).__name__})"
        ) from None
