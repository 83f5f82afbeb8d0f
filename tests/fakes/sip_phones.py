"""Phones without SIP: they do what a test tells them, on the test's clock."""

import anyio

from dialtone.ports import Clock
from synthetic.probes.base import Exchange, FlowError, Setup


class FakeCall:
    """Both ends of one call between two fake phones."""

    def __init__(self, clock: Clock) -> None:
        self.received = clock.monotonic()
        self.clock = clock
        self.ringing: float | None = None
        self.answered = anyio.Event()
        self.acked = anyio.Event()
        self.over = anyio.Event()

    def ring(self) -> None:
        """Note the ringing."""
        self.ringing = self.clock.monotonic()

    def answer(self) -> None:
        """Let the caller go on."""
        self.answered.set()

    async def acknowledged(self) -> float:
        """Wait for the ACK."""
        await self.acked.wait()
        return self.clock.monotonic()

    async def ended(self) -> float:
        """Wait for the BYE."""
        await self.over.wait()
        return self.clock.monotonic()


class FakeOutgoing:
    """The caller's view."""

    def __init__(self, phone: "FakePhone", call: FakeCall, setup: Setup) -> None:
        self._phone = phone
        self._call = call
        self._setup = setup
        self.dropped = anyio.Event()

    @property
    def setup(self) -> Setup:
        """How it came about."""
        return self._setup

    async def ended(self) -> float:
        """Wait until the platform drops it."""
        await self._phone.platform_drops.wait()
        return self._call.clock.monotonic()

    async def hang_up(self) -> Exchange:
        """End it, as told."""
        sent = self._call.clock.monotonic()
        await self._phone.obey("BYE")
        if self._phone.bye_arrives:
            self._call.over.set()
        return Exchange(sent, self._call.clock.monotonic(), 200)


class FakePhone:
    """Each step takes `delays` seconds and fails where `errors` says so; its calls get to `reaches`."""

    def __init__(self, clock: Clock, party: str = "phone", user: str = "100") -> None:
        self.clock = clock
        self.party = party
        self.user = user
        self.errors: dict[str, FlowError] = {}
        self.delays: dict[str, float] = {}
        self.done: list[str] = []
        self.reaches: FakePhone | None = None
        self.turned_away = 0
        self.ack_arrives = True
        self.bye_arrives = True
        self.rings = True
        self.platform_drops = anyio.Event()
        self._arrived = anyio.Event()
        self._call = FakeCall(clock)

    async def obey(self, step: str) -> None:
        """Take a step as told."""
        await self.clock.sleep(self.delays.get(step, 0.0))
        self.done.append(step)
        if step in self.errors:
            raise self.errors[step]

    async def register(self) -> Exchange:
        """Register as told."""
        sent = self.clock.monotonic()
        await self.obey("REGISTER")
        return Exchange(sent, self.clock.monotonic(), 200)

    async def invite(self, user: str) -> FakeOutgoing:
        """Call whom it reaches."""
        sent = self.clock.monotonic()
        await self.obey("INVITE")
        call = self.reaches._call if self.reaches else FakeCall(self.clock)
        if self.reaches:
            self.reaches._arrived.set()
            await call.answered.wait()
        ringing = call.ringing if self.rings else None
        setup = Setup(sent, ringing, ringing, self.clock.monotonic(), 200)
        if self.ack_arrives:
            call.acked.set()
        return FakeOutgoing(self, call, setup)

    async def next_call(self) -> FakeCall:
        """Wait to be called."""
        await self._arrived.wait()
        return self._call

    async def leave(self) -> None:
        """Leave as told."""
        await self.obey("leave")
