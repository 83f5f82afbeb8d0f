"""All statistics of a server, and which of them only grow: it says both itself (list_statistics)."""

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


class Statistics:
    """Reads the statistics of one server. Raises CollectError as the client does.

    `kinds` says of each by `group:name` whether it is a counter or a gauge; a counter of a script that falls
    without a restart is a gauge from then on.
    """

    def __init__(self, client: MiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._listed_at: float | None = None
        self._groups: Sequence[str] = GROUPS
        self._kinds: dict[str, Kind] = {}
        self._last: dict[str, float] = {}
        self._news = False
        self._fell: set[str] = set()

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Counter or gauge, by `group:name`."""
        return self._kinds

    def restarted(self) -> None:
        """Forget what the server was: another may have other modules, and its counters begin anew."""
        self._listed_at = None
        self._last = {}

    async def read(self) -> dict[str, float]:
        """Return the values by `group:name`."""
        now = self._clock.monotonic()
        pause = LIST_SOON if self._news else LIST_AGAIN
        if self._listed_at is None or now - self._listed_at >= pause:
            await self._list()
            self._listed_at = now
        found: dict[str, float] = {}
        for groups in _portions(self._groups):
            found |= await self._read(groups)
        if self._kinds:
            known = {name: value for name, value in found.items() if name in self._kinds}
            self._news = len(known) < len(found)
            found = known
        self._reclassify(found)
        return found

    async def _list(self) -> None:
        reply = await self._client.list_statistics()
        if isinstance(reply, MiRefused):
            self._groups, self._kinds = GROUPS, {}
            return
        self._kinds = parse_kinds(reply)
        self._kinds |= dict.fromkeys(self._fell & self._kinds.keys(), Kind.GAUGE)
        self._groups = tuple(dict.fromkeys(name.partition(":")[0] for name in self._kinds)) or GROUPS

    async def _read(self, groups: Sequence[str]) -> dict[str, float]:
        """Return the statistics of some groups, as far as the server has them.

        Before 3.x it refuses all for one that it lacks: then each is asked for alone, and that one no more.
        """
        reply = await self._client.statistics(groups)
        if not isinstance(reply, MiRefused):
            return parse_statistics(reply)
        if reply.code != _NOT_FOUND:
            raise _error(reply)
        found: dict[str, float] = {}
        for group in groups:
            alone = await self._client.statistics([group])
            if isinstance(alone, MiRefused):
                self._groups = [each for each in self._groups if each != group]
            else:
                found |= parse_statistics(alone)
        if not self._groups:
            raise _error(reply)
        return found

    def _reclassify(self, found: dict[str, float]) -> None:
        """Find the counters that have fallen; after a restart there is nothing to compare with."""
        last, uptime = self._last, "core:timestamp"
        self._last = found
        if found.get(uptime, 0.0) < last.get(uptime, 0.0):
            return
        for name, value in found.items():
            if value < last.get(name, value) and self._kinds.get(name) is Kind.COUNTER:
                self._fell.add(name)
                self._kinds[name] = Kind.GAUGE


def _portions(groups: Iterable[str]) -> Iterator[Sequence[str]]:
    """Cut the groups into what goes into one request each."""
    portion: list[str] = []
    room = _ROOM
    for group in groups:
        needed = len(group.encode()) + 5  # the colon, quotes, a comma and a space
        if portion and needed > room:
            yield portion
            portion, room = [], _ROOM
        portion.append(group)
        room -= needed
    if portion:
        yield portion


def _error(refused: MiRefused) -> CollectError:
    return CollectError(CollectFailure.SERVER, f"MI error {refused.code}: {refused.message}")
