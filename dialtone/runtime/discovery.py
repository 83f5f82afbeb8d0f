"""Discovery: tenants that appear on the servers and disappear from them, without a restart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import structlog

from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, DomainsFound
from dialtone.ports import Clock, TenantSource
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)

_NAMED: Final = 20
"""Most tenants that a log line names."""


class Directory(Protocol):
    """Keeps the tenants; see config.TenantDirectory."""

    async def discover(self, domains: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hold these domains besides the configured ones; return which appeared and which disappeared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A source under its name, which is a label value; `every` and `timeout` are seconds."""

    name: str
    source: TenantSource
    every: float
    timeout: float


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """A source as known now: whether its last answer was taken, and how old (seconds) the one in use is.

    `age` is None before the first answer that was taken. `left_out` counts its names that are no domains.
    """

    name: str
    success: bool
    age: float | None
    left_out: int


class Discovery:
    """Asks each source for its domains, and has the directory hold what any of them lists.

    A source that fails goes on listing what it listed last. So does one that lists nothing after it had
    names, until it says so twice in a row: a table that is being loaded anew is empty for a moment.
    """

    def __init__(self, sources: Sequence[Asked], directory: Directory, clock: Clock) -> None:
        self._sources = {asked.name: _Source(asked) for asked in sources}
        self._directory = directory
        self._clock = clock
        self._merging = anyio.Lock()
        self.appeared = 0
        """How many tenants appeared since the start; those of a source's first answer were there before."""
        self.disappeared = 0
        """How many tenants disappeared since the start."""

    @property
    def sources(self) -> tuple[Asked, ...]:
        """What is asked."""
        return tuple(one.asked for one in self._sources.values())

    def figures(self) -> tuple[SourceFigures, ...]:
        """Return every source that has been asked, as known now."""
        now = self._clock.monotonic()
        return tuple(
            SourceFigures(name, one.success, None if one.read is None else now - one.read, one.left_out)
            for name, one in self._sources.items()
            if one.success is not None
        )

    async def run(self, name: str) -> CollectError | None:
        """Ask one source; return why its answer was not taken, None where it was."""
        source = self._sources[name]
        said_nothing, source.said_nothing = source.said_nothing, False
        try:
            found = await within(self._clock, source.asked.timeout, source.asked.source.domains)
            await self._take(source, found, said_nothing=said_nothing)
        except CollectError as error:
            trouble: CollectError | None = error
        except TimeoutError:
            detail = f"no answer within {source.asked.timeout:g} s"
            trouble = CollectError(CollectFailure.TIMEOUT, detail)
        except Exception as error:  # noqa: BLE001 - the edge of one source; logged here, shown by dialtone_discovery_success
            if source.success is not False:
                _log.exception("discovering tenants failed by a mistake of ours", source=name)
            trouble = CollectError(CollectFailure.INTERNAL, f"{type(error).__name__} in our discovery")
        else:
            trouble = None
        self._conclude(source, trouble)
        return trouble

    async def run_all(self) -> dict[str, CollectError | None]:
        """Ask all sources at the same time; return what became of each, by name."""
        ended: dict[str, CollectError | None] = {}

        async def run(name: str) -> None:
            ended[name] = await self.run(name)

        async with anyio.create_task_group() as asking:
            for name in self._sources:
                asking.start_soon(run, name)
        return ended

    async def _take(self, source: "_Source", found: DomainsFound, *, said_nothing: bool) -> None:
        listed = frozenset(found.domains)
        if not listed and source.listed and not said_nothing:
            source.said_nothing = True
            detail = f"lists no domain any more, after {len(source.listed):,}: believed when it says so again"
            raise CollectError(CollectFailure.SERVER, detail)
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

    def _conclude(self, source: "_Source", trouble: CollectError | None) -> None:
        name, before = source.asked.name, source.success
        source.success = trouble is None
        if trouble is None:
            if before is False:
                _log.info("tenants can be discovered again", source=name)
            return
        if before is not False:
            _log.warning(
                "tenants can't be discovered", source=name, failure=trouble.failure, detail=trouble.detail
            )


class _Source:
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.listed: frozenset[str] = frozenset()
        self.said_nothing = False
        self.read: float | None = None
        self.left_out = 0
        self.success: bool | None = None


def _named(domains: Sequence[str]) -> dict[str, object]:
    """Return what a log line says of these tenants: how many, and the first of them."""
    return {"count": len(domains), "tenants": list(domains[:_NAMED])}
