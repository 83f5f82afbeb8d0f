"""What is read of an Asterisk besides its channels, and when each list is asked for.

A poll has one deadline for everything. Some lists are short and asked for at each poll; the slow ones once a
minute at most, and one a poll, but for the first poll, which asks for all. The one that has waited longest
goes first, and none is begun once half of the poll's time has gone: what is left out has its turn in the
next poll.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from collectors.asterisk import conferences, endpoints, parking, processors, queues, voicemail
from collectors.asterisk.level import Scene
from collectors.asterisk.manager import (
    EVENT_CLASSES,
    HOLDING,
    TASK_PROCESSORS,
    AmiRefusedError,
    Manager,
)
from collectors.asterisk.parse import Channel
from collectors.asterisk.rights import Commands
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure, Sample, Spread
from dialtone.ports import Clock, TenantLookup

METRICS: Final = (
    *queues.METRICS,
    *conferences.METRICS,
    *parking.METRICS,
    *voicemail.METRICS,
    *endpoints.METRICS,
    *processors.METRICS,
)
"""What these modules publish, for the catalogue."""

SLOW: Final = 60.0
"""Seconds between two readings of a slow list, at least."""
HOLD: Final = 600.0
"""Seconds for which a list isn't asked for that has cost polls."""
SHARE: Final = 0.5
"""Of a poll's time, after which no list is begun."""
STRIKES: Final = 2
"""Times in a row that a list has cost the poll or the connection: once may be the server's own trouble."""
PERIODS: Final = 3
"""Of a list, for which its last figures are shown."""

_OWN_TROUBLE: Final = frozenset({CollectFailure.PROTOCOL, CollectFailure.SERVER, CollectFailure.DENIED})
"""What is wrong with one list, while the rest can be read."""
_AT_ONCE: Final = frozenset({CollectFailure.TOO_LARGE, CollectFailure.DENIED})
"""What will be so the next time as well."""
_MAX_DETAIL: Final = 200
_HEAR: Final = f"set read = {EVENT_CLASSES} in manager.conf"

Figures = TypeVar("Figures")
Taken = TypeVar("Taken", contravariant=True)


class _Shown(Protocol[Taken]):
    """What shows a list's figures."""

    def take(self, read: Taken, /) -> None:
        """Take what was read in place of all that was."""

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""


class _UselessError(Exception):
    """An answer out of which nothing can be made; the connection is fine, and it cost nothing."""


class _List(Generic[Figures]):
    """One list: how it is asked for, what makes figures of it, and how it has fared. Times are monotonic.

    `ends_with` is "" where the answer is lines. `idle` begins the words by which the server refuses an empty
    list.
    """

    def __init__(
        self,
        name: str,
        action: str,
        ends_with: str,
        parse: Callable[[Sequence[Any], Scene], Figures],
        shown: _Shown[Figures],
        *,
        headers: Mapping[str, str] | None = None,
        idle: str = "",
        slow: bool = False,
    ) -> None:
        self.name, self.action, self.slow = name, action, slow
        self._end, self._headers, self._idle = ends_with, headers, idle
        self._parse, self._shown = parse, shown
        self.asked_at = self.read_at = self.hold_until = -math.inf
        self.strikes = 0

    async def read(self, manager: Manager, scene: Scene) -> Figures:
        """Ask for the list and return what it says. Raises CollectError, and _UselessError."""
        try:
            items = await self._fetch(manager)
        except AmiRefusedError as refused:
            if not (self._idle and str(refused).startswith(self._idle)):
                raise _UselessError(f"{self.action}: {refused}") from None
            items = ()
        try:
            # 50,000 devices take a while: not on the loop that schedules the probes. It changes nothing, so
            # events are heard meanwhile, and a poll that is called off needn't wait for it.
            return await asyncio.to_thread(self._parse, items, scene)
        except CollectError as error:
            raise _UselessError(error.detail) from None

    async def _fetch(self, manager: Manager) -> Sequence[Any]:
        if self._end:
            return await manager.list(self.action, self._end, self._headers)
        return await manager.lines(self.action, self._headers)

    def show(self, figures: Figures) -> None:
        """Show these in place of all that were."""
        self._shown.take(figures)

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""
        self._shown.withdraw()


class Parts:
    """The lists of one node. `timeout` and `interval` are the node's, in seconds.

    `troubles` says why a list could not be read, by its name; those that the login may not ask for are
    told by rights.missing().
    """

    def __init__(self, node: str, clock: Clock, *, timeout: float, interval: float) -> None:
        self._node = node
        self._clock = clock
        self._timeout, self._interval = timeout, interval
        self._queues = queues.Queues()
        rooms, lots, times = conferences.levels(), parking.lots(), parking.times()
        boxes, devices, contacts = voicemail.levels(), endpoints.devices(), endpoints.contacts()
        self._levels = (rooms, lots, times, boxes, devices, contacts)
        self._processors = processors.ProcessorsShown()
        self._lists: Sequence[_List[Any]] = (
            _List("queues", queues.ACTION, queues.ENDS_WITH, queues.parse, self._queues),
            _List(
                "conferences",
                conferences.ACTION,
                conferences.ENDS_WITH,
                conferences.parse,
                rooms,
                idle=conferences.IDLE,
            ),
            _List(
                "parked-calls",
                parking.LOTS,
                parking.LOTS_END,
                parking.parse_lots,
                lots,
                headers=HOLDING,
            ),
            _List("parked-times", parking.TIMES, parking.TIMES_END, parking.parse_times, times),
            _List(
                "endpoints",
                endpoints.DEVICES,
                endpoints.DEVICES_END,
                endpoints.parse_devices,
                devices,
                slow=True,
            ),
            _List("voicemail", voicemail.ACTION, voicemail.ENDS_WITH, voicemail.parse, boxes, slow=True),
            _List(
                "contacts",
                endpoints.CONTACTS,
                endpoints.CONTACTS_END,
                endpoints.parse_contacts,
                contacts,
                idle=endpoints.NO_CONTACTS,
                slow=True,
            ),
            _List(
                "task-processors",
                processors.ACTION,
                "",
                lambda lines, _: processors.parse(lines),
                self._processors,
                headers={"Command": TASK_PROCESSORS},
                slow=True,
            ),
        )
        # Where polls are seldom, one slow list a poll makes a round of them longer than a minute.
        self._round = max(SLOW, interval * sum(listed.slow for listed in self._lists))
        self._troubles: dict[str, str] = {}
        self._connection = 0

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why a list could not be read, by its name."""
        return dict(self._troubles)

    @property
    def unheard(self) -> str:
        """Which events the login isn't sent, though lists show that there were some; "" where none is missed.

        Of queues alone: tracker.missing tells of calls. For RTCP (class `reporting`) nothing does: a server
        on which all media go past Asterisk has none either.
        """
        if not self._queues.deaf:
            return ""
        return f"no events of queues: waits and answers are not counted; {_HEAR}"

    def hear(self, event: Block, whose: Whose) -> None:
        """Count an event, if it is one of these parts'. Never raises."""
        self._queues.hear(event, whose)

    async def read(
        self,
        manager: Manager,
        whose: Whose,
        owners: Mapping[str, str],
        channels: Collection[Channel],
        commands: Commands,
        began: float,
    ) -> None:
        """Ask for what is due, in a poll that began at that (monotonic) moment.

        `owners` are the domains of the snapshot's channels by Uniqueid, `commands` what the login may ask.
        Raises CollectError where the server can't be asked any more.
        """
        scene = Scene(whose, owners, channels)
        now = self._clock.monotonic()
        asked_slow = False
        for listed in sorted(self._lists, key=lambda listed: self._turn(listed, now)):
            if listed.action not in commands:
                self._troubles.pop(listed.name, None)
            elif now < listed.hold_until or (listed.slow and self._can_wait(listed, now, asked_slow)):
                continue
            elif self._clock.monotonic() - began >= SHARE * self._timeout:
                self._leave_out(listed, now)
            else:
                asked_slow = asked_slow or listed.slow
                await self._ask(listed, manager, scene)

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these."""
        self._queues.keep(domains)
        for levels in self._levels:
            levels.keep(domains)

    def samples(self, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the figures of all lists, without those that are too old."""
        now = self._clock.monotonic()
        for listed in self._lists:
            if self._is_stale(listed, now):
                listed.withdraw()
        yield from self._queues.samples(self._node, tenants, at)
        for levels in self._levels:
            yield from levels.samples(self._node, tenants, at)
        yield from self._processors.samples(self._node, at)

    def spreads(self, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms."""
        return self._queues.spreads(self._node, tenants, at)

    def _turn(self, listed: _List[Any], now: float) -> float:
        """Return what sorts the lists: the one that has waited for the most of its periods comes first."""
        return (listed.asked_at - now) / (SLOW if listed.slow else self._interval)

    @staticmethod
    def _can_wait(listed: _List[Any], now: float, asked_slow: bool) -> bool:
        """Whether a slow list has been asked for within a minute, or at all where another was just now."""
        return listed.asked_at > -math.inf and (asked_slow or now - listed.asked_at < SLOW)

    def _is_stale(self, listed: _List[Any], now: float) -> bool:
        return now - listed.read_at > PERIODS * (self._round if listed.slow else self._interval)

    def _leave_out(self, listed: _List[Any], now: float) -> None:
        if self._is_stale(listed, now):
            self._troubles.setdefault(
                listed.name, "the polls have no time left for it: give the node a longer timeout"
            )

    async def _ask(self, listed: _List[Any], manager: Manager, scene: Scene) -> None:
        listed.asked_at = self._clock.monotonic()
        try:
            figures = await listed.read(manager, scene)
        except _UselessError as useless:
            listed.strikes = 0
            self._troubles[listed.name] = str(useless)[:_MAX_DETAIL]
            return
        except CollectError as error:
            self._strike(listed, error.detail, at_once=error.failure in _AT_ONCE)
            if error.failure in _OWN_TROUBLE:
                return
            raise
        except asyncio.CancelledError:
            self._strike(listed, f"{listed.action}: not read within the poll's {self._timeout:g} s")
            raise
        # From here to the end nothing waits: what was read is taken as a whole, or not at all.
        if manager.connections != self._connection:
            self._connection = manager.connections
            self._queues.connected()
        listed.show(figures)
        listed.strikes = 0
        listed.read_at = self._clock.monotonic()
        self._troubles.pop(listed.name, None)

    def _strike(self, listed: _List[Any], why: str, *, at_once: bool = False) -> None:
        """A list has cost the poll or the connection; where it does so again, others have their turn."""
        listed.strikes += 1
        why = why[:_MAX_DETAIL]
        if at_once or listed.strikes >= STRIKES:
            listed.hold_until = self._clock.monotonic() + HOLD
            why += f"; it is not asked for again for {HOLD / 60:.0f} minutes"
        self._troubles[listed.name] = why
