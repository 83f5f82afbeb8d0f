"""All statistics of a server, and which of them only grow: it says both itself (list_statistics)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from collectors.opensips.client import MiClient
from collectors.opensips.jsonrpc import MAX_REQUEST_BYTES, MiRefused
from collectors.opensips.names import session_event
from collectors.opensips.parse import MOST, first, parse_kinds, parse_statistics
from dialtone.model import CollectError, CollectFailure, Kind, has_restarted
from dialtone.ports import Clock

GROUPS: Final = (
    *("core", "load", "shmem", "pkmem", "net", "registrar", "usrloc", "dialog", "tm", "sl"),
    *("uri", "rpmem", "sql", "dns", "cdb", "clusterer", "script", "tenants", "dynamic"),
)
"""The groups asked for where the server does not list its own (1.11), or can't (too many for a datagram)."""
LIST_AGAIN: Final = 300.0
"""Seconds after which a server is asked again what it has: a script's statistics appear with their use."""
LIST_SOON: Final = 60.0
"""The same where one has appeared of which nobody knows the kind yet; it waits for that."""

_ROOM: Final = MAX_REQUEST_BYTES - 200
"""Bytes of a request that are left for the names of groups."""
_NOT_FOUND: Final = 404
_UPTIME: Final = "core:timestamp"
TENANTS: Final = ("tenants",)
MOST_GROUPS: Final = 1000
"""Groups of one server that are asked for."""
_UNGROUPED: Final = "dynamic"
_GROUP: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PARTIAL: Final = frozenset({CollectFailure.SERVER, CollectFailure.TOO_LARGE, CollectFailure.PROTOCOL})
"""What may go wrong with one reply while the server is well: too much to tell, as a rule."""
_ENOUGH: Final = 3
"""Groups that can't be read one by one, and none that can: then the server is not well."""


class Statistics:
    """Reads the statistics of one server. Raises CollectError as the client does.

    `kinds` says of each by `group:name` whether it is a counter or a gauge; a counter of a script that falls
    without a restart is a gauge from then on. `restarts` is how often the server has been restarted since the
    first reading, as far as is known; it goes up before anything else can fail. `trouble` says what could not
    be read last, `unread` is the groups that could not.
    """

    def __init__(self, client: MiClient, clock: Clock) -> None:
        self.restarts = 0
        self.trouble = ""
        self.unread: set[str] = set()
        self._client = client
        self._clock = clock
        self._listed_at: float | None = None
        self._groups: Sequence[str] = GROUPS
        self._kinds: dict[str, Kind] = {}
        self._last: dict[str, float] = {}
        self._uptime: float | None = None
        self._uptime_at = self._told_at = 0.0
        self._news = False
        self._failed = self._left_out = 0
        self._failure = CollectFailure.SERVER
        self._unlisted = ""
        self._readable = False
        self._fell: set[str] = set()
        self._counters: set[str] = set()
        """Those that are no gauges as long as they don't fall; of tenants none."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Counter or gauge, by `group:name`."""
        return self._kinds

    async def read(self) -> dict[str, float]:
        """Return the values by `group:name`."""
        now = self._clock.monotonic()
        found = await self._poll(now)
        if self._is_another(found):  # it may have other modules now
            found = await self._poll(now)
            self._is_another(found)  # once more, meanwhile: the next poll sees to its modules
        if _UPTIME in found or self._uptime is None:  # else nobody knows why a counter fell
            self._reclassify(found)
            self._last = {name: found[name] for name in self._counters if name in found}
        return found

    def _is_another(self, found: Mapping[str, float]) -> bool:
        """Note how long the server has been up, and whether it has been restarted since that was known last.

        What was known of one that has is void, and its counters begin anew.
        """
        uptime, at = found.get(_UPTIME), self._told_at
        if uptime is None:
            return False
        before, passed = self._uptime, at - self._uptime_at
        self._uptime, self._uptime_at = uptime, at
        if before is None or not has_restarted(before, uptime, passed):
            return False
        self.restarts += 1
        self._listed_at = None
        self._last = {}
        self._fell.clear()
        return True

    async def _poll(self, now: float) -> dict[str, float]:
        pause = LIST_SOON if self._news else LIST_AGAIN
        if self._listed_at is None or now - self._listed_at >= pause:
            await self._list()
            self._listed_at = now
        self.trouble = ""
        self.unread = set()
        self._failed, self._readable, self._left_out = 0, False, 0
        found: dict[str, float] = {}
        for groups in _portions(self._groups, alone=self._client.short):
            found = self._joined(found, await self._read(groups))
        if not found and self.trouble:
            raise CollectError(self._failure, self.trouble)
        left_out = f"{self._left_out} statistics are left out: over {MOST}" if self._left_out else ""
        self.trouble = "; ".join(filter(None, (self.trouble, self._unlisted, left_out)))
        if self._kinds and not found.keys() <= self._kinds.keys():
            found = self._told(found)
        elif self._kinds:
            self._news = False
        return found

    def _told(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return those of which the kind is known: of sessions it is without the server's list."""
        self._news = len(self._kinds) < MOST
        for name in found.keys() - self._kinds.keys():
            group, _, rest = name.partition(":")
            if self._news and group in TENANTS and session_event(rest)[0]:
                self._kinds[name] = Kind.COUNTER
        return {name: value for name, value in found.items() if name in self._kinds}

    async def _list(self) -> None:
        try:
            reply = await self._client.list_statistics()
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            if self._kinds:  # what was known of the kinds is no less true for this
                return
            self._unlisted = f"not all groups are known: list_statistics: {error.detail}"
            reply = MiRefused(0, error.detail)
        else:
            self._unlisted = ""
        if isinstance(reply, MiRefused):
            self._groups, self._kinds, self._counters = GROUPS, {}, set()
            return
        self._kinds = parse_kinds(reply)
        self._kinds |= dict.fromkeys(self._fell & self._kinds.keys(), Kind.GAUGE)
        self._counters = {
            name
            for name, kind in self._kinds.items()
            if kind is Kind.COUNTER and name.partition(":")[0] not in (*TENANTS, _UNGROUPED)
        }
        groups = dict.fromkeys(name.partition(":")[0] for name in self._kinds)
        # The script's group is listed with the first use of one of it.
        named = [group for group in groups if _GROUP.fullmatch(group)]
        self._groups = list(dict.fromkeys((*named[:MOST_GROUPS], *TENANTS)))

    async def _read(self, groups: Sequence[str]) -> dict[str, float]:
        """Return the statistics of some groups, as far as the server has them and can tell them.

        Before 3.x it refuses all for one that it lacks: then each is asked for alone, and that one no more.
        """
        try:
            reply = await self._client.statistics(groups)
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            if len(groups) == 1:
                self._failed += 1
                if self._failed >= _ENOUGH and not self._readable:
                    raise
                self._failure, self.trouble = error.failure, f"group {groups[0]}: {error.detail}"
                self.unread.add(groups[0])
                return {}
            reply = MiRefused(_NOT_FOUND, error.detail)
        if not isinstance(reply, MiRefused):
            self._readable = True
            told = parse_statistics(reply)
            if _UPTIME in told:
                self._told_at = self._clock.monotonic()
            return told
        if reply.code != _NOT_FOUND:
            raise reply.error()
        if len(groups) == 1:
            self._groups = [group for group in self._groups if group != groups[0]]
            if not self._groups:
                raise reply.error()
            return {}
        found: dict[str, float] = {}
        for group in groups:
            found = self._joined(found, await self._read([group]))
        return found

    def _joined(self, found: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
        """Return both, as far as there may be so many."""
        both = {**found, **more}
        kept = first(both)
        self._left_out += len(both) - len(kept)
        return kept

    def _reclassify(self, found: Mapping[str, float]) -> None:
        """Find the counters that have fallen; those of tenants stay ones, whoever resets them."""
        for name in self._counters:
            value, before = found.get(name), self._last.get(name)
            if value is not None and before is not None and value < before:
                self._fell.add(name)
                self._kinds[name] = Kind.GAUGE
        self._counters -= self._fell


def _portions(groups: Iterable[str], *, alone: bool) -> Iterator[Sequence[str]]:
    """Cut the groups into what goes into one request each: as many as fit, or each `alone`."""
    portion: list[str] = []
    room = _ROOM
    for group in groups:
        needed = len(group.encode()) + 5  # the colon, quotes, a comma and a space
        if portion and (alone or needed > room):
            yield portion
            portion, room = [], _ROOM
        portion.append(group)
        room -= needed
    if portion:
        yield portion
