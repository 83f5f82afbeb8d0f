"""What a flow is written against: phones, and the run that it reports to. No SIP library is known here.

Instants are seconds of the engine's monotonic clock, the same for every phone of a run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import anyio

from dialtone.model import EventPackage, Failure, FailureCode, Hears, Mark, MediaStream, Plan
from dialtone.ports import Clock
from synthetic.media.heard import Heard


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


@dataclass(frozen=True, slots=True)
class Bindings:
    """What a registrar says an address of record is bound to (RFC 3261 10.2.3).

    `ours` whether our own Contact is among the `count`; `sent` and `received` as in Exchange.
    """

    sent: float
    received: float
    ours: bool
    count: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFY of a subscription, in the order in which they came.

    `state` is what its document says. Of PIDF that is open or closed: of what this run has published, where
    the document tells that apart, else open where any tuple is. Of dialog-info it is the furthest state of
    any dialog in it (trying, proceeding, early, confirmed, terminated); one that lists none is terminated,
    and so is a NOTIFY of dialogs without a document: servers that know of none leave it out. None is presence
    without a document, or a document that can't be read, which `problem` says. `active` is False once the
    subscription is over (Subscription-State: terminated), with its `reason`.
    """

    at: float
    state: str | None
    active: bool
    reason: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The NOTIFY that ended a transfer: the final status of its sipfrag, and whether it said terminated."""

    at: float
    status: int
    terminated: bool


class Referral(Protocol):
    """A REFER that was accepted (RFC 3515); what comes of it is told by NOTIFY."""

    @property
    def accepted(self) -> Exchange:
        """The REFER and its 2xx."""

    async def final(self) -> Verdict:
        """Wait for the NOTIFY with a final status.

        Raises FlowError with unexpected-message where the subscription ends without one.
        """


class Talk(Protocol):
    """A phone that speaks and listens in a call, counted from when it began."""

    @property
    def source(self) -> int:
        """The SSRC of what it sends."""

    @property
    def sent(self) -> int:
        """Packets of its voice that it has sent."""

    @property
    def unsent(self) -> int:
        """Frames of its voice that had nowhere to go: the call is on hold, or there is no route."""

    def hush(self) -> None:
        """Say no more; listen on."""

    async def dial(self, digits: str) -> None:
        """Send telephone events (RFC 4733), one after the other; return when the last has ended.

        Raises FlowError with no-dtmf where the other side takes none.
        """

    def heard(self, sent: int | None = None) -> Heard:
        """Return what has come until now; `sent` is how many packets should have, where that is known."""


class Leg(Protocol):
    """A call that is up, as one of our phones has it."""

    @property
    def replaced(self) -> bool:
        """Whether another call of the same phone took its place (RFC 3891); it is over then."""

    async def ended(self) -> float:
        """Wait until the other side hangs up; return when its BYE came.

        So too when it gives up a call that was not answered yet: its CANCEL.
        """

    async def hang_up(self) -> Exchange:
        """Send BYE and wait for its answer. Raises FlowError."""

    async def refer(self, number: str, *, replaces: "Leg | None" = None) -> Referral:
        """Ask the other side to call `number` of the tenant instead (RFC 3515).

        With `replaces`, a leg of the same phone, to take that leg's place (RFC 3891, RFC 5589 7).
        Raises FlowError: `transfer-refused` for a final status that refuses, as any request otherwise.
        """

    def speak(self) -> None:
        """Send RTP in this phone's own voice until the leg is over: 20 ms packets of G.711.

        The voice is a payload that no other phone of the run sends, so that who hears it knows who speaks.
        """

    async def hears(self, phone: "Phone") -> float:
        """Wait for RTP in the voice of that phone of the run; return when the first packet of it came."""

    def mute(self, hears: Hears) -> str:
        """Return why no talk is possible as the call is described now, "" where one is."""

    def talk(self, hears: Hears, other: "Phone | None" = None) -> Talk:
        """Begin to speak in this phone's own voice, and to listen and count.

        `hears` is what should come; of a voice it is that of `other`, a phone of the run. Raises FlowError:
        `no-media` where the description of the other side names nowhere to send to, or refuses the audio.
        """


class OutgoingCall(Leg, Protocol):
    """A call that we placed and that was answered; its ACK is sent."""

    @property
    def setup(self) -> Setup:
        """How it came about."""


class IncomingCall(Leg, Protocol):
    """A call that reached us."""

    @property
    def received(self) -> float:
        """When its INVITE came."""

    @property
    def replacing(self) -> Leg | None:
        """The leg of this phone that it is to take the place of (Replaces, RFC 3891), if any.

        Answering it ends that leg with BYE. One that names no leg of this phone never gets here: it is
        refused with 481.
        """

    def ring(self) -> None:
        """Send 180."""

    def answer(self) -> None:
        """Send 200 with our session description. Raises FlowError where the offer has nothing for us."""

    async def acknowledged(self) -> float:
        """Wait for the ACK of our 200; return when it came."""


class Subscription(Protocol):
    """A subscription that was accepted (RFC 6665)."""

    @property
    def accepted(self) -> Exchange:
        """The SUBSCRIBE and its 2xx."""

    async def notified(self) -> Notification:
        """Wait for the next NOTIFY; one that came before this was asked is given first."""

    async def unsubscribe(self) -> Exchange:
        """End it: SUBSCRIBE with Expires 0. Raises FlowError."""


class Phone(Protocol):
    """One endpoint of ours: with one account, or with none (a pinger of servers, the trunk's side)."""

    @property
    def party(self) -> str:
        """What it is called in evidence and in failure details: phone, caller, callee, transferor ..."""

    @property
    def user(self) -> str:
        """The user part of its address of record."""

    @property
    def turned_away(self) -> int:
        """How many calls it has refused because they are none of this run."""

    @property
    def progressed(self) -> bool:
        """Whether its last INVITE has had a provisional response but 100; stays so once it was given up."""

    async def options(self) -> Exchange:
        """Ask the server itself for its capabilities (RFC 3261 11); any final status is an answer.

        Raises FlowError where there is none.
        """

    async def register(self) -> Exchange:
        """Bind it at the registrar. Raises FlowError."""

    async def bindings(self) -> Bindings:
        """Ask the registrar what is bound: a REGISTER without Contact. Raises FlowError."""

    async def unregister(self) -> Exchange:
        """Take its own binding back, and no other's. Raises FlowError."""

    async def invite(self, number: str) -> OutgoingCall:
        """Call a number or user of the tenant and return once answered. Raises FlowError."""

    async def next_call(self) -> IncomingCall:
        """Wait for an INVITE of this run to arrive; one that came before this was asked is given first."""

    async def publish(self, state: str) -> Exchange:
        """Publish a presence state, open or closed (RFC 3903, PIDF); again changes what was published.

        Raises FlowError.
        """

    async def subscribe(self, user: str, event: EventPackage) -> Subscription:
        """Watch a user of the tenant. Raises FlowError."""

    async def leave(self) -> None:
        """Take down what it put up: calls, subscriptions, publication and binding.

        Raises FlowError where the platform refuses.
        """


class Run:
    """One run of a flow: what it works with and what it has measured so far."""

    def __init__(self, clock: Clock, phones: tuple[Phone, ...], plan: Plan) -> None:
        self.clock = clock
        self.phones = phones
        self.plan = plan
        self.timings: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.marks: list[Mark] = []
        self.media: list[MediaStream] = []
        self.status: int | None = None
        self.misheard: Failure | None = None
        """What was not heard as it should be; the call is ended in order all the same."""
        self.callers: list[Phone] = []
        """Phones that have placed a call, in that order: they leave before those that they called."""
        self.unanswered = 0
        """INVITEs that were given up without any answer but 100; by the deadline, that is a failure."""
        self.interrupted: str | None = None
        """The step that was interrupted first."""
        self.late: FlowError | None = None
        """What the probe's deadline means there, where that is not a timeout."""

    def mark(self, name: str, at: float) -> None:
        """Name an instant for the evidence."""
        self.marks.append(Mark(name, at))

    @contextmanager
    def step(self, name: str, late: Callable[[], FlowError] | None = None) -> Iterator[None]:
        """Name what is being done: in the detail of a failure, and of a deadline that strikes meanwhile.

        `late` says what the probe's own deadline means then; without it that is a timeout.
        """
        try:
            yield
        except FlowError as error:
            raise error.within(name) from None
        except anyio.get_cancelled_exc_class():
            if self.interrupted is None:
                self.interrupted = name
                self.late = None if late is None else late().within(name)
            raise
