"""All statistics of a server, and which of them only grow: it says both itself (list_statistics)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from collectors.opensips.client import MiClient
from collectors.opensips.jsonrpc import MAX_REQUEST_BYTES, MiRefused
from collectors.opensips.parse import parse_kinds, parse_statistics
from dialtone.model import CollectError, CollectFailure, Kind
from dialtone.ports import Clock

GROUPS: Final = (
    *("core", "load", "shmem", "pkmem", "net", "registrar", "usrloc", "dialog", "tm", "sl"),
    *("uri", "script", "tenants", "dynamic"),
)
"""The groups asked for where the server does not list its own (1.11)."""
LIST_AGAIN: Final = 300.0
"""Seconds after which a server is asked again what it has: a script's statistics appear with their use."""
LIST_SOON: Final = 60.0
"""The same where one has appeared of which nobody knows the kind yet; it waits for that."""

_ROOM: Final = MAX_REQUEST_BYTES - 200
"""Bytes of a request that are left for the names of groups."""
_NOT_FOUND: Final = 404
_UPTIME: Final = "core:timestamp"
_SLACK: Final = 5.0
"""Seconds that an uptime may lag behind the time that passed: both are rounded, and polls take a while."""
TENANTS: Final = ("tenants",)
_UNGROUPED: Final = "dynamic"
_GROUP: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PARTIAL: Final = frozenset({CollectFailure.SERVER, CollectFailure.TOO_LARGE, CollectFailure.PROTOCOL})
"""What may go wrong with one reply while the server is well: too much to tell, as a rule."""
_ENOUGH: Final = 3
"""Groups that can't be read one by one, and none that can: then the server is not well."""


class Statistics:
    """Reads the statistics of one server. Raises CollectError as the client does.

    `kinds` says of each by `group:name` whether it is a counter or a gauge; a counter of a script that falls
    without a restart is a gauge from then on. `restarted` says whether the server has been since the reading
    before, `trouble` what of it could not be read.
    """

    def __init__(self, client: MiClient, clock: Clock) -> None:
        self.restarted = False
        self.trouble = ""
        self._client = client
        self._clock = clock
        self._listed_at: float | None = None
        self._groups: Sequence[str] = GROUPS
        self._kinds: dict[str, Kind] = {}
        self._last: dict[str, float] = {}
        self._last_at = 0.0
        self._news = False
        self._failed = 0
        self._failure = CollectFailure.SERVER
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
        self.restarted = self._is_another(found, now)
        if self.restarted:  # it may have other modules now, and its counters begin anew
            self._listed_at = None
            self._last = {}
            self._fell.clear()
            found = await self._poll(now)
        self._reclassify(found)
        self._last = {name: found[name] for name in (*self._counters, _UPTIME) if name in found}
        self._last_at = now
        return found

    def _is_another(self, found: Mapping[str, float], now: float) -> bool:
        """Whether the server's uptime has grown by less than the time that has passed."""
        before, after = self._last.get(_UPTIME), found.get(_UPTIME)
        return before is not None and after is not None and after < before + (now - self._last_at) - _SLACK

    async def _poll(self, now: float) -> dict[str, float]:
        pause = LIST_SOON if self._news else LIST_AGAIN
        if self._listed_at is None or now - self._listed_at >= pause:
            await self._list()
            self._listed_at = now
        self.trouble = ""
        self._failed, self._readable = 0, False
        found: dict[str, float] = {}
        for groups in _portions(self._groups, alone=self._client.short):
            found |= await self._read(groups)
        if not found and self.trouble:
            raise CollectError(self._failure, self.trouble)
        if self._kinds:
            self._news = not found.keys() <= self._kinds.keys()
            if self._news:
                found = {name: value for name, value in found.items() if name in self._kinds}
        return found

    async def _list(self) -> None:
        try:
            reply = await self._client.list_statistics()
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            if self._kinds:  # what was known of the kinds is no less true for this
                return
            reply = MiRefused(0, error.detail)
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
        self._groups = [group for group in (*groups, *TENANTS) if _GROUP.fullmatch(group)] or GROUPS
        self._groups = list(dict.fromkeys(self._groups))

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
                return {}
            reply = MiRefused(_NOT_FOUND, error.detail)
        if not isinstance(reply, MiRefused):
            self._readable = True
            return parse_statistics(reply)
        if reply.code != _NOT_FOUND:
            raise _error(reply)
        if len(groups) == 1:
            self._groups = [group for group in self._groups if group != groups[0]]
            if not self._groups:
                raise _error(reply)
            return {}
        found: dict[str, float] = {}
        for group in groups:
            found |= await self._read([group])
        return found

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


def _error(refused: MiRefused) -> CollectError:
    return CollectError(CollectFailure.SERVER, f"MI error {refused.code}: {refused.message}")
