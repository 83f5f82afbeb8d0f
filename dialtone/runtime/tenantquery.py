"""Whose data topologies hold: all tenants', those that the configuration names, or what a database lists."""

from collections.abc import Sequence

import anyio
import structlog

from dialtone.model import CollectError, CollectFailure, DomainsFound, Topology
from dialtone.ports import Clock, TenantLookup
from dialtone.runtime.deadline import within
from dialtone.runtime.discovery import Asked

_log = structlog.get_logger(__name__)


class TopologyTenants:
    """Tells the tenants of a topology at any moment; asks the databases that know those of some.

    `asked` are these databases, by the topology's name. One that fails has its last answer stand. So has one
    that lists nothing after it had names, until it says so twice in a row: a table that is being loaded anew
    is empty for a moment.
    """

    def __init__(self, asked: Sequence[Asked], tenants: TenantLookup, clock: Clock) -> None:
        self._sources = {one.name: _Source(one) for one in asked}
        self._tenants = tenants
        self._clock = clock
        self._all: tuple[TenantLookup, tuple[str, ...]] | None = None

    @property
    def sources(self) -> tuple[Asked, ...]:
        """What is asked."""
        return tuple(one.asked for one in self._sources.values())

    def __call__(self, topology: Topology) -> tuple[str, ...]:
        """Return the domains whose data a topology holds, in the order of the tree; never the platform's own.

        The same tuple for as long as nothing changes.
        """
        source = self._sources.get(topology.name)
        if source is None and topology.tenants is not None:
            return topology.tenants
        tree = self._tenants.fixed()
        if self._all is None or self._all[0] is not tree:
            self._all = tree, tuple(tree.domains[1:])
        if source is None:
            return self._all[1]
        if source.told is None or source.told[0] is not tree:
            source.told = tree, tuple(domain for domain in self._all[1] if domain in source.listed)
        return source.told[1]

    async def run(self, name: str) -> CollectError | None:
        """Ask for the tenants of one topology; return why the answer was not taken, None where it was."""
        source = self._sources[name]
        said_nothing, source.said_nothing = source.said_nothing, False
        trouble: CollectError | None = None
        try:
            found = await within(self._clock, source.asked.timeout, source.asked.source.domains)
            self._take(source, found, said_nothing=said_nothing)
        except CollectError as error:
            trouble = error
        except TimeoutError:
            detail = f"no answer within {source.asked.timeout:g} s"
            trouble = CollectError(CollectFailure.TIMEOUT, detail)
        except Exception as error:  # noqa: BLE001 - the edge of one source; logged here, the last answer stands
            if source.success is not False:
                _log.exception("asking for tenants failed by a mistake of ours", topology=name)
            trouble = CollectError(CollectFailure.INTERNAL, f"{type(error).__name__} in our asking")
        self._conclude(source, trouble)
        return trouble

    async def run_all(self) -> dict[str, CollectError | None]:
        """Ask all databases at the same time; return what became of each, by the topology's name."""
        ended: dict[str, CollectError | None] = {}

        async def run(name: str) -> None:
            ended[name] = await self.run(name)

        async with anyio.create_task_group() as asking:
            for name in self._sources:
                asking.start_soon(run, name)
        return ended

    def _take(self, source: "_Source", found: DomainsFound, *, said_nothing: bool) -> None:
        listed = frozenset(found.domains)
        if not listed and source.listed and not said_nothing:
            source.said_nothing = True
            detail = f"lists no domain any more, after {len(source.listed):,}: believed when it says so again"
            raise CollectError(CollectFailure.SERVER, detail)
        known = listed.intersection(self._tenants.domains)
        unknown = len(listed) - len(known) + found.left_out
        if listed != source.listed or unknown != source.unknown or source.success is None:
            _log.info(
                "tenants of a topology", topology=source.asked.name, tenants=len(known), unknown=unknown
            )
        source.listed, source.unknown, source.told = listed, unknown, None

    def _conclude(self, source: "_Source", trouble: CollectError | None) -> None:
        name, before = source.asked.name, source.success
        source.success = trouble is None
        if trouble is None and before is False:
            _log.info("a topology's tenants are told again", topology=name)
        if trouble is not None and before is not False:
            _log.warning(
                "a topology's tenants are not told",
                topology=name,
                failure=trouble.failure,
                detail=trouble.detail,
            )


class _Source:
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.listed: frozenset[str] = frozenset()
        self.unknown = 0
        self.said_nothing = False
        self.success: bool | None = None
        self.told: tuple[TenantLookup, tuple[str, ...]] | None = None
