"""What a flow is written against: phones, and the run that it reports to. No SIP library is known here.

Instants are seconds of the engine's monotonic clock, the same for every phone of a run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import anyio

from dialtone.model import FailureCode, Mark
from dialtone.ports import Clock


class FlowError(Exception):
    """A flow can't go on: a code of the closed list, one line for a person, the SIP status that decided."""

    def __init__(self, code: FailureCode, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status

    def within(self, step: str) -> "FlowError":
        """Return the same failure, with the step it happened in before its detail."""
        return FlowError(self.code, f"{step}: {self.detail}", self.status)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered with a 2xx: when the first of it left, when the answer came in.

    `sent` is the first transmission of the first request: authentication is inside, as RFC 6076 wants it.
    """

    sent: float
    received: float
    status: int


@dataclass(frozen=True, slots=True)
class Setup:
    """An INVITE that was answered with a 2xx.

    `progress` is the first provisional response but 100, `ringing` the first 180 or 183; either is None where
    the 2xx came without one, or overtook it.
    """

    sent: float
    progress: float | None
    ringing: float | None
    answered: float
    status: int


class OutgoingCall(Protocol):
    """A call that we placed and that was answered; its ACK is sent."""

    @property
    def setup(self) -> Setup:
        """How it came about."""

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when."""

    async def hang_up(self) -> Exchange:
        """Send BYE and wait for its answer. Raises FlowError."""


class IncomingCall(Protocol):
    """A call that reached us."""

    received: float

    def ring(self) -> None:
        """Send 180."""

    def answer(self) -> None:
        """Send 200 with our session description. Raises FlowError where the offer has nothing for us."""

    async def acknowledged(self) -> float:
        """Wait for the ACK of our 200; return when it came."""

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when."""


class Phone(Protocol):
    """One endpoint of ours with one account."""

    @property
    def party(self) -> str:
        """What it is called in evidence and in failure details: phone, caller, callee."""

    @property
    def user(self) -> str:
        """The user part of its address of record."""

    @property
    def turned_away(self) -> int:
        """How many calls it has refused because they are none of this run."""

    async def register(self) -> Exchange:
        """Bind it at the registrar. Raises FlowError."""

    async def invite(self, user: str) -> OutgoingCall:
        """Call a user of the same tenant and return once answered. Raises FlowError."""

    async def next_call(self) -> IncomingCall:
        """Wait for an INVITE to arrive."""

    async def leave(self) -> None:
        """Take down what it put up: calls and binding. Raises FlowError where the platform refuses."""


class Run:
    """One run of a flow: what it works with and what it has measured so far."""

    def __init__(self, clock: Clock, phones: tuple[Phone, ...]) -> None:
        self.clock = clock
        self.phones = phones
        self.timings: dict[str, float] = {}
        self.marks: list[Mark] = []
        self.status: int | None = None
        self.interrupted: str | None = None

    def mark(self, name: str, at: float) -> None:
        """Name an instant for the evidence."""
        self.marks.append(Mark(name, at))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name what is being done: in the detail of a failure, and of a deadline that strikes meanwhile."""
        try:
            yield
        except FlowError as error:
            raise error.within(name) from None
        except anyio.get_cancelled_exc_class():
            self.interrupted = self.interrupted or name
            raise
