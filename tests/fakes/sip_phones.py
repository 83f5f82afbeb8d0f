"""Phones without SIP: they do what a test tells them, on its clock, through a platform that it shapes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from dialtone.model import EventPackage, Failure, FailureCode, Flow, Found, Hears, Plan
from dialtone.ports import Clock
from dialtone.quality import Received
from synthetic.media.heard import Heard
from synthetic.probes.base import (
    Bindings,
    Exchange,
    FlowError,
    IncomingCall,
    Leg,
    Notification,
    OutgoingCall,
    Phone,
    Setup,
    Verdict,
)
from synthetic.probes.runner import Report, run_flow
from tests.fakes.clock import FakeClock

T = TypeVar("T")


class Moment:
    """Something that happens once, when a test says; `happens` may be told before it does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = 0.0
        self._known = anyio.Event()

    def happens(self, after: float | None = 0.0) -> None:
        """Let it happen that many seconds from now; None is never."""
        if after is not None and not self._known.is_set():
            self._due = self._clock.monotonic() + after
            self._known.set()

    async def wait(self) -> float:
        """Return when it happened, once it has."""
        await self._known.wait()
        await self._clock.sleep(self._due - self._clock.monotonic())
        return self._due


class Inbox(Generic[T]):
    """Things that come in their order, each at its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: list[tuple[Moment, T]] = []
        self._more = anyio.Event()

    def put(self, item: T, after: float = 0.0) -> None:
        """Let one come that many seconds from now."""
        moment = Moment(self._clock)
        moment.happens(after)
        self._items.append((moment, item))
        self._more.set()

    async def get(self) -> T:
        """Wait for the next one."""
        while not self._items:
            self._more = anyio.Event()
            await self._more.wait()
        await self._items[0][0].wait()
        return self._items.pop(0)[1]


class FakeLeg:
    """One end of a call; `other` is where its BYE goes to."""

    def __init__(self, phone: "FakePhone") -> None:
        self.phone = phone
        self.other: FakeLeg | None = None
        self.over = Moment(phone.clock)
        self.heard = Moment(phone.clock)
        self.speaks = False
        self.is_replaced = False

    @property
    def replaced(self) -> bool:
        """Whether another call has its place."""
        return self.is_replaced

    async def ended(self) -> float:
        """Wait for the BYE, or the CANCEL."""
        return await self.over.wait()

    async def hang_up(self) -> Exchange:
        """End it, as told."""
        clock = self.phone.clock
        sent = clock.monotonic()
        await self.phone.obey("BYE")
        self.over.happens()
        if self.phone.bye_arrives and self.other is not None:
            self.other.over.happens()
        if self.phone.board is not None:
            self.phone.board.show(self.phone.board.idle)
        return Exchange(sent, clock.monotonic(), 200)

    async def refer(self, number: str, *, replaces: Leg | None = None) -> "FakeReferral":
        """Ask for a transfer, which goes as the phone's `transfer` says."""
        clock = self.phone.clock
        sent = clock.monotonic()
        await self.phone.obey("REFER")
        self.phone.dialled.append(number)
        self.phone.transfer.begin(self, replaces)
        return FakeReferral(self.phone, Exchange(sent, clock.monotonic(), 202))

    def speak(self) -> None:
        """Note that it is done."""
        self.speaks = True

    async def hears(self, phone: Phone) -> float:
        """Wait for the voice."""
        assert phone.party == "transferee"
        return await self.heard.wait()

    def mute(self, hears: Hears) -> str:
        """Return why nothing can be said, until it is described."""
        if self.phone.clock.monotonic() < self.phone.described_at:
            return "it is on hold"
        return self.phone.errors["talk"].detail if "talk" in self.phone.errors else ""

    def talk(self, hears: Hears, other: Phone | None = None) -> "FakeTalk":
        """Begin to talk, as the phone is told to hear."""
        if "talk" in self.phone.errors:
            raise self.phone.errors["talk"]
        talk = FakeTalk(self.phone, hears, other)
        self.phone.talks.append(talk)
        return talk


class FakeTalk:
    """Speaks every 20 ms of the clock, and hears what its phone's `ear` makes of what should come."""

    def __init__(self, phone: "FakePhone", hears: Hears, other: Phone | None) -> None:
        self.hears = hears
        self.other = None if other is None else other.party
        self.dialled = ""
        self.source = len(phone.party)
        self.hushed = False
        self._phone = phone
        self._began = phone.clock.monotonic()
        self._until: float | None = None

    @property
    def sent(self) -> int:
        """Packets until now."""
        until = self._phone.clock.monotonic() if self._until is None else self._until
        return round((until - self._began) * 50)

    @property
    def unsent(self) -> int:
        """Frames that had nowhere to go, as told."""
        return self._phone.unsent

    def hush(self) -> None:
        """Say no more."""
        self.hushed = True
        if self._until is None:
            self._until = self._phone.clock.monotonic()

    async def dial(self, digits: str) -> None:
        """Send digits as told."""
        await self._phone.obey("dial")
        self.dialled += digits

    def heard(self, sent: int | None = None) -> Heard:
        """Return what the phone is told to have heard."""
        return self._phone.ear(self, sent)


def hears_all(talk: FakeTalk, sent: int | None) -> Heard:
    """Hear everything that should come, since 50 ms after the beginning."""
    found = Found(talk.hears.value)
    came = talk.sent if sent is None else sent
    received = Received(packets=came, unique=came, expected=came)
    digits = "" if talk.hears is Hears.SOUND else talk._phone.keyed
    return Heard(found, received, "PCMU", digits=digits, first=talk._began + 0.05, packets=came)


class FakeOutgoing(FakeLeg):
    """The caller's end."""

    def __init__(self, phone: "FakePhone", setup: Setup) -> None:
        super().__init__(phone)
        self._setup = setup

    @property
    def setup(self) -> Setup:
        """How it came about."""
        return self._setup


class FakeIncoming(FakeLeg):
    """The called end."""

    def __init__(self, phone: "FakePhone", received: float, replacing: FakeLeg | None = None) -> None:
        super().__init__(phone)
        self._received = received
        self._replacing = replacing
        self.ringing: float | None = None
        self.answered = anyio.Event()
        self.acked = Moment(phone.clock)
        self.ack_follows = False

    @property
    def received(self) -> float:
        """When it came."""
        return self._received

    @property
    def replacing(self) -> FakeLeg | None:
        """Whose place it takes."""
        return self._replacing

    def ring(self) -> None:
        """Note the ringing."""
        self.ringing = self.phone.clock.monotonic()

    def answer(self) -> None:
        """Let the caller go on."""
        self.phone.done.append("answer")
        if "answer" in self.phone.errors:
            raise self.phone.errors["answer"]
        self.answered.set()
        self.over.happens(self.phone.dropped_after)
        if self.ack_follows:
            self.acked.happens()
        if self._replacing is not None:
            self._replacing.is_replaced = True
            self._replacing.over.happens()
            if self._replacing.other is not None:
                self._replacing.other.over.happens()

    async def acknowledged(self) -> float:
        """Wait for the ACK."""
        return await self.acked.wait()


class FakeReferral:
    """A REFER that was accepted."""

    def __init__(self, phone: "FakePhone", accepted: Exchange) -> None:
        self._transfer = phone.transfer
        self._accepted = accepted
        self._told = Moment(phone.clock)
        self._told.happens(self._transfer.told)

    @property
    def accepted(self) -> Exchange:
        """The REFER and its 202."""
        return self._accepted

    async def final(self) -> Verdict:
        """Wait for the final NOTIFY."""
        at = await self._told.wait()
        if self._transfer.broken is not None:
            raise self._transfer.broken
        return Verdict(at, self._transfer.status, self._transfer.terminated)


@dataclass
class FakeTransfer:
    """What the platform does after a REFER: seconds after its 202, None for never.

    `told` is the NOTIFY with `status`; `reached` the INVITE to the target of a blind transfer; `left` the
    BYE on the consultation's leg, `heard` the voice at the target.
    `by_invite`: the target of an attended transfer gets an INVITE with Replaces, as without a server.
    """

    told: float | None = 0.05
    status: int = 200
    terminated: bool = True
    broken: FlowError | None = None
    reached: float | None = 0.1
    acknowledged: bool = True
    left: float | None = 0.02
    heard: float | None = 0.04
    by_invite: bool = False
    transferor_dropped: float | None = None
    transferee_dropped: float | None = None
    target_dropped: float | None = None

    def begin(self, leg: FakeLeg, replaces: Leg | None) -> None:
        """Connect the transferee with the target."""
        transferee = leg.other
        assert transferee is not None
        leg.other = None  # the server is between them
        leg.over.happens(self.transferor_dropped)
        transferee.over.happens(self.transferee_dropped)
        if replaces is None:
            self._call(leg.phone, transferee)
        else:
            assert isinstance(replaces, FakeLeg)
            self._connect(replaces, transferee)

    def _call(self, transferor: "FakePhone", transferee: FakeLeg) -> None:
        target = transferor.reaches
        if self.reached is None or target is None:
            return
        incoming = FakeIncoming(target, transferor.clock.monotonic() + self.reached)
        incoming.ack_follows = self.acknowledged
        _join(incoming, transferee)
        incoming.over.happens(self.target_dropped)
        target.calls.put(incoming, self.reached)

    def _connect(self, consultation: FakeLeg, transferee: FakeLeg) -> None:
        target = consultation.other
        assert target is not None
        if self.by_invite:
            incoming = FakeIncoming(target.phone, transferee.phone.clock.monotonic(), replacing=target)
            incoming.ack_follows = True
            target.phone.calls.put(incoming)
            target = incoming
        else:
            consultation.over.happens(self.left)
        _join(target, transferee)
        target.over.happens(self.target_dropped)
        if transferee.speaks:
            target.heard.happens(self.heard)


class FakeBoard:
    """A presence server: who watches is told what is shown, `lag` seconds later.

    `says` replaces states by what watchers are told, None for nothing; `first` and `then` are told before and
    after the state that a subscription finds, with their delays; `busy` and `idle` are shown for calls.
    """

    def __init__(self, clock: Clock, *, busy: str = "confirmed", idle: str = "terminated") -> None:
        self.clock = clock
        self.busy = busy
        self.idle = idle
        self.shown: str | None = idle
        self.lag = 0.1
        self.says: dict[str, str | None] = {}
        self.problem = ""
        self.first: list[tuple[float, str | None]] = []
        self.then: list[tuple[float, str | None]] = []
        self.ends_after: float | None = None
        self.says_goodbye = True
        self.watchers: list[FakeSubscription] = []

    def show(self, state: str | None) -> None:
        """Change the state."""
        self.shown = state
        for watcher in self.watchers:
            watcher.tell(state, self.lag)


class FakeSubscription:
    """One watcher's."""

    def __init__(self, phone: "FakePhone", board: FakeBoard, accepted: Exchange) -> None:
        self._phone = phone
        self._board = board
        self._accepted = accepted
        self._notified = Inbox[Notification](board.clock)
        board.watchers.append(self)
        for after, state in board.first:
            self._put(Notification(board.clock.monotonic() + after, state, True), after)
        self.tell(board.shown, 0.0)
        for after, state in board.then:
            self._put(Notification(board.clock.monotonic() + after, state, True), after)
        if board.ends_after is not None:
            at = board.clock.monotonic() + board.ends_after
            self._put(Notification(at, None, False, "deactivated"), board.ends_after)

    @property
    def accepted(self) -> Exchange:
        """The SUBSCRIBE and its 200."""
        return self._accepted

    def tell(self, state: str | None, after: float) -> None:
        """Send a NOTIFY, unless that state's are lost."""
        told = state if state is None else self._board.says.get(state, state)
        if state is not None and told is None:
            return
        readable = None if self._board.problem else told
        at = self._board.clock.monotonic() + after
        self._put(Notification(at, readable, True, problem=self._board.problem), after)

    async def notified(self) -> Notification:
        """Wait for the next NOTIFY."""
        return await self._notified.get()

    async def unsubscribe(self) -> Exchange:
        """End it as told."""
        sent = self._board.clock.monotonic()
        await self._phone.obey("unsubscribe")
        if self._board.says_goodbye:
            self._put(Notification(sent, self._board.shown, False, "timeout"), 0.0)
        return Exchange(sent, self._board.clock.monotonic(), 200)

    def _put(self, notification: Notification, after: float) -> None:
        self._notified.put(notification, after)


class FakePhone:
    """Each step takes `delays` seconds and fails where `errors` says so; its calls get to `reaches`.

    Without that the platform answers them itself. `pauses` are seconds before a step begins.
    """

    def __init__(self, clock: Clock, party: str = "phone", user: str = "100") -> None:
        self.clock = clock
        self.party = party
        self.user = user
        self.pauses: dict[str, float] = {}
        self.delays: dict[str, float] = {}
        self.errors: dict[str, FlowError] = {}
        self.done: list[str] = []
        self.dialled: list[str] = []
        self.calls = Inbox[FakeIncoming](clock)
        self.reaches: FakePhone | None = None
        self.turned_away = 0
        self.progressed = False
        self.status = 200
        self.bound_after: float | None = 0.0
        self.others_bound = 0
        self.ack_arrives = True
        self.bye_arrives = True
        self.rings = True
        self.tried: tuple[float, ...] = ()
        """How long calls ring at the called phone that are cancelled before the one that is answered."""
        self.platform_answers: float | None = None
        """Seconds until the platform answers a call of this phone itself, where it does so first."""
        self.passed_on_after: float | None = None
        """Seconds from then on until it calls the called phone."""
        self.dropped_after: float | None = None
        """Seconds after which a call of this phone that was answered is ended by the platform."""
        self.transfer = FakeTransfer()
        self.board: FakeBoard | None = None
        self.ear: Callable[[FakeTalk, int | None], Heard] = hears_all
        """What is heard in a talk of so many packets, where that is known."""
        self.keyed = ""
        """The digits that it hears."""
        self.unsent = 0
        """Frames of its voice that have nowhere to go."""
        self.described_at = 0.0
        """When its calls let audio through, by the clock."""
        self.talks: list[FakeTalk] = []
        self._registered = 0.0

    async def obey(self, step: str) -> None:
        """Take a step as told."""
        await self.clock.sleep(self.delays.get(step, 0.0))
        self.done.append(step)
        if step in self.errors:
            raise self.errors[step]

    async def options(self) -> Exchange:
        """Ask as told."""
        return await self._exchange("OPTIONS", self.status)

    async def register(self) -> Exchange:
        """Register as told."""
        done = await self._exchange("REGISTER")
        self._registered = done.received
        return done

    async def bindings(self) -> Bindings:
        """Show our own contact once it is time."""
        done = await self._exchange("bindings")
        ours = self.bound_after is not None and done.received - self._registered >= self.bound_after
        return Bindings(done.sent, done.received, ours, self.others_bound + ours)

    async def unregister(self) -> Exchange:
        """Leave the registrar as told."""
        return await self._exchange("unregister")

    async def invite(self, number: str) -> OutgoingCall:
        """Call whom it reaches."""
        self.dialled.append(number)
        sent = self.clock.monotonic()
        await self.obey("INVITE")
        incoming: FakeIncoming | None = None
        for ringing in self.tried if self.reaches is not None else ():
            self._ring(self.reaches, ringing)
            await self.clock.sleep(ringing)
        if self.reaches is not None and self.platform_answers is None:
            incoming = self._ring(self.reaches)
            await incoming.answered.wait()
        elif self.reaches is not None and self.platform_answers is not None:
            await self.clock.sleep(self.platform_answers)
            incoming = self._call_later(self.reaches)
        rang = incoming.ringing if incoming is not None and self.rings else None
        outgoing = FakeOutgoing(self, Setup(sent, rang, rang, self.clock.monotonic(), 200))
        if incoming is not None:
            _join(incoming, outgoing)
            if self.ack_arrives and incoming.answered.is_set():
                incoming.acked.happens()
        outgoing.over.happens(self.dropped_after)
        if self.board is not None:
            self.board.show(self.board.busy)
        return outgoing

    async def next_call(self) -> IncomingCall:
        """Wait to be called."""
        return await self.calls.get()

    async def publish(self, state: str) -> Exchange:
        """Publish as told."""
        done = await self._exchange(f"PUBLISH {state}")
        if self.board is not None:
            self.board.show(state)
        return done

    async def subscribe(self, user: str, event: EventPackage) -> FakeSubscription:
        """Watch the board."""
        self.dialled.append(f"{event}:{user}")
        accepted = await self._exchange("SUBSCRIBE")
        assert self.board is not None
        return FakeSubscription(self, self.board, accepted)

    async def leave(self) -> None:
        """Leave as told."""
        await self.obey("leave")

    async def _exchange(self, step: str, status: int = 200) -> Exchange:
        await self.clock.sleep(self.pauses.get(step, 0.0))
        sent = self.clock.monotonic()
        await self.obey(step)
        return Exchange(sent, self.clock.monotonic(), status)

    def _call_later(self, phone: "FakePhone") -> FakeIncoming | None:
        if self.passed_on_after is None:
            return None
        incoming = FakeIncoming(phone, self.clock.monotonic() + self.passed_on_after)
        incoming.ack_follows = True
        phone.calls.put(incoming, self.passed_on_after)
        return incoming

    def _ring(self, phone: "FakePhone | None", cancelled: float | None = None) -> FakeIncoming:
        assert phone is not None
        incoming = FakeIncoming(phone, self.clock.monotonic())
        incoming.over.happens(cancelled)
        phone.calls.put(incoming)
        return incoming


def _join(one: FakeLeg, other: FakeLeg) -> None:
    one.other, other.other = other, one


async def play(
    flow: Flow, clock: FakeClock, *phones: FakePhone, plan: Plan | None = None, timeout: float = 10.0
) -> Report:
    """Run a flow to its end, and half a minute of the clock at least."""
    work = run_flow(flow, plan or Plan(), clock, phones, timeout, clock.monotonic())
    running = asyncio.create_task(work)
    await clock.advance(30)
    return await running


def failure_of(report: Report) -> Failure:
    """Return why a flow failed. Raises AssertionError where it has passed."""
    assert report.failure is not None, "it has passed"
    return report.failure


def refused(status: int, code: FailureCode = FailureCode.SIP_4XX, reason: str = "Not Found") -> FlowError:
    """Return what a phone raises for a final response that refuses."""
    return FlowError(code, f"{status} {reason}", status)


Three = tuple[FakePhone, FakePhone, FakePhone]
"""The phones of a transfer: transferor, transferee, target."""


def phones_of_a_transfer(clock: FakeClock) -> Three:
    """Return them: the transferee's call reaches the transferor, and the transferor's the target."""
    transferor = FakePhone(clock, "transferor", "100")
    transferee = FakePhone(clock, "transferee", "101")
    target = FakePhone(clock, "target", "102")
    transferee.reaches, transferor.reaches = transferor, target
    return transferor, transferee, target
