"""What is read of an Asterisk besides its channels, and when each list is asked for.

A poll has one deadline for everything. Some lists are short and asked for at each poll; the slow ones once a
minute at most, and one a poll. The one that has waited longest goes first, and none is begun once half of the
poll's time has gone: what is left out has its turn in the next poll.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from collectors.asterisk import conferences, endpoints, parking, processors, queues, voicemail
from collectors.asterisk.level import Scene
from collectors.asterisk.manager import TASK_PROCESSORS, AmiRefusedError, Manager
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

Item = TypeVar("Item")
Figures = TypeVar("Figures")
Taken = TypeVar("Taken", contravariant=True)


class _Shown(Protocol[Taken]):
    """What shows a list's figures."""

    def take(self, read: Taken, /) -> None:
        """Take what was read in place of all that was."""

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""


class _List(Generic[Item, Figures]):
    """One list: how it is asked for, what makes figures of it, and how it has fared. Times are monotonic.

    `idle` begins the words by which the server refuses an empty list.
    """

    def __init__(
        self,
        name: str,
        action: str,
        fetch: Callable[[Manager], Awaitable[Sequence[Item]]],
        parse: Callable[[Sequence[Item], Scene], Figures],
        shown: _Shown[Figures],
        *,
        idle: str = "",
        slow: bool = False,
    ) -> None:
        self.name, self.action, self.slow = name, action, slow
        self._fetch, self._parse, self._shown, self._idle = fetch, parse, shown, idle
        self.asked_at = self.read_at = self.hold_until = -math.inf
        self.strikes = 0

    async def fetch(self, manager: Manager) -> Sequence[Item]:
        """Ask for the list."""
        try:
            return await self._fetch(manager)
        except AmiRefusedError as refused:
            if self._idle and str(refused).startswith(self._idle):
                return ()
            raise

    async def take(self, items: Sequence[Item], scene: Scene) -> None:
        """Show what a list says. Raises CollectError where that makes no sense."""
        # 50,000 devices take a while: not on the loop that schedules the probes.
        self._shown.take(await asyncio.to_thread(self._parse, items, scene))

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""
        self._shown.withdraw()


def _listing(action: str, ends_with: str) -> Callable[[Manager], Awaitable[Sequence[Block]]]:
    return lambda manager: manager.list(action, ends_with)


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
        rooms, parked, boxes = conferences.levels(), parking.levels(), voicemail.levels()
        devices, contacts = endpoints.devices(), endpoints.contacts()
        self._levels = (rooms, parked, boxes, devices, contacts)
        self._processors = processors.ProcessorsShown()
        self._lists: Sequence[_List[Any, Any]] = (
            _List(
                "queues",
                queues.ACTION,
                _listing(queues.ACTION, queues.ENDS_WITH),
                queues.parse,
                self._queues,
            ),
            _List(
                "conferences",
                conferences.ACTION,
                _listing(conferences.ACTION, conferences.ENDS_WITH),
                conferences.parse,
                rooms,
                idle=conferences.IDLE,
            ),
            _List(
                "parked-calls",
                parking.ACTION,
                _listing(parking.ACTION, parking.ENDS_WITH),
                parking.parse,
                parked,
            ),
            _List(
                "endpoints",
                endpoints.DEVICES,
                _listing(endpoints.DEVICES, endpoints.DEVICES_END),
                endpoints.parse_devices,
                devices,
                slow=True,
            ),
            _List(
                "voicemail",
                voicemail.ACTION,
                _listing(voicemail.ACTION, voicemail.ENDS_WITH),
                voicemail.parse,
                boxes,
                slow=True,
            ),
            _List(
                "contacts",
                endpoints.CONTACTS,
                _listing(endpoints.CONTACTS, endpoints.CONTACTS_END),
                endpoints.parse_contacts,
                contacts,
                idle=endpoints.NO_CONTACTS,
                slow=True,
            ),
            _List(
                "task-processors",
                processors.ACTION,
                lambda manager: manager.lines(processors.ACTION, {"Command": TASK_PROCESSORS}),
                lambda lines, _: processors.parse(lines),
                self._processors,
                slow=True,
            ),
        )
        # Where polls are seldom, one slow list a poll makes a round of them longer than a minute.
        self._round = max(SLOW, interval * sum(listed.slow for listed in self._lists))
        self._troubles: dict[str, str] = {}

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why a list could not be read, by its name."""
        return dict(self._troubles)

    def hear(self, event: Block, whose: Whose, owner: Callable[[Channel], str]) -> None:
        """Count an event, if it is one of these parts'. Never raises."""
        self._queues.hear(event, whose, owner)

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
            elif now < listed.hold_until or (listed.slow and (asked_slow or now - listed.asked_at < SLOW)):
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

    def _turn(self, listed: _List[Any, Any], now: float) -> float:
        """Return what sorts the lists: the one that has waited for the most of its periods comes first."""
        return (listed.asked_at - now) / (SLOW if listed.slow else self._interval)

    def _is_stale(self, listed: _List[Any, Any], now: float) -> bool:
        return now - listed.read_at > PERIODS * (self._round if listed.slow else self._interval)

    def _leave_out(self, listed: _List[Any, Any], now: float) -> None:
        if self._is_stale(listed, now):
            self._troubles.setdefault(
                listed.name, "the polls have no time left for it: give the node a longer timeout"
            )

    async def _ask(self, listed: _List[Any, Any], manager: Manager, scene: Scene) -> None:
        listed.asked_at = self._clock.monotonic()
        try:
            items = await listed.fetch(manager)
        except AmiRefusedError as refused:
            listed.strikes = 0
            self._troubles[listed.name] = f"{listed.action}: {refused}"[:_MAX_DETAIL]
            return
        except CollectError as error:
            self._strike(listed, error.detail, at_once=error.failure in _AT_ONCE)
            if error.failure in _OWN_TROUBLE:
                return
            raise
        except asyncio.CancelledError:
            self._strike(listed, f"no answer to {listed.action} within the poll's {self._timeout:g} s")
            raise
        listed.strikes = 0
        try:
            await listed.take(items, scene)
        except CollectError as error:
            self._troubles[listed.name] = error.detail[:_MAX_DETAIL]
            return
        self._troubles.pop(listed.name, None)
        listed.read_at = self._clock.monotonic()

    def _strike(self, listed: _List[Any, Any], why: str, *, at_once: bool = False) -> None:
        """A list has cost the poll or the connection; where it does so again, others have their turn."""
        listed.strikes += 1
        why = why[:_MAX_DETAIL]
        if at_once or listed.strikes >= STRIKES:
            listed.hold_until = self._clock.monotonic() + HOLD
            why += f"; it is not asked for again for {HOLD / 60:.0f} minutes"
        self._troubles[listed.name] = why
