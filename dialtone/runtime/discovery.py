"""Discovery: tenants that appear on the servers and disappear from them, without a restart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import structlog

from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, DomainsFound
from dialtone.ports import Clock
from dialtone.runtime.asking import Asked, Asking, Source, Words

_log = structlog.get_logger(__name__)

_WORDS: Final = Words("source", "tenants can't be discovered", "tenants can be discovered again")
_NAMED: Final = 20
"""Most tenants that a log line names."""


class Directory(Protocol):
    """Keeps the tenants; see config.TenantDirectory."""

    async def discover(self, domains: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hold these domains besides the configured ones; return which appeared and which disappeared."""


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """A source as known now: whether its last answer was taken, and how old (seconds) the one in use is.

    `age` is None before the first answer that was taken. `left_out` counts its names that are no domains.
    """

    name: str
    success: bool
    age: float | None
    left_out: int


class Discovery(Asking["_Source"]):
    """Asks each source for its domains, and has the directory hold what any of them lists."""

    def __init__(self, sources: Sequence[Asked], directory: Directory, clock: Clock) -> None:
        super().__init__({asked.name: _Source(asked) for asked in sources}, clock, _WORDS)
        self._directory = directory
        self._merging = anyio.Lock()
        self.appeared = 0
        """How many tenants appeared since the start; those of a source's first answer were there before."""
        self.disappeared = 0
        """How many tenants disappeared since the start."""

    def figures(self) -> tuple[SourceFigures, ...]:
        """Return every source that has been asked, as known now."""
        now = self._clock.monotonic()
        return tuple(
            SourceFigures(name, one.success, None if one.read is None else now - one.read, one.left_out)
            for name, one in self._sources.items()
            if one.success is not None
        )

    async def _take(self, source: "_Source", found: DomainsFound) -> None:
        listed = frozenset(found.domains)
        async with self._merging:
            if listed != source.listed:
                await self._show(source, listed)
            source.listed = listed
            source.left_out = found.left_out
            source.read = self._clock.monotonic()

    async def _show(self, source: "_Source", listed: frozenset[str]) -> None:
        others = (one.listed for one in self._sources.values() if one is not source)
        every = listed.union(*others)
        if len(every) > MAX_DISCOVERED:
            detail = f"all sources together list more than {MAX_DISCOVERED:,} domains"
            raise CollectError(CollectFailure.TOO_LARGE, detail)
        appeared, gone = await self._directory.discover(every)
        first = source.read is None
        if appeared:
            word = "tenants found" if first else "tenants appeared"
            _log.info(word, source=source.asked.name, **_named(appeared))
        if gone:
            _log.info("tenants disappeared", source=source.asked.name, **_named(gone))
        self.appeared += 0 if first else len(appeared)
        self.disappeared += len(gone)


@dataclass(slots=True)
class _Source(Source):
    read: float | None = None
    left_out: int = 0


def _named(domains: Sequence[str]) -> dict[str, object]:
    """Return what a log line says of these tenants: how many, and the first of them."""
    return {"count": len(domains), "tenants": list(domains[:_NAMED])}
