"""Whose data topologies hold: all tenants', those that the configuration names, or what a database lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from dialtone.model import DomainsFound, Topology
from dialtone.ports import Clock, TenantLookup
from dialtone.runtime.asking import Asked, Asking, Source, Words

_log = structlog.get_logger(__name__)

_WORDS: Final = Words("topology", "a topology's tenants are not told", "a topology's tenants are told again")


class TopologyTenants(Asking["_Source"]):
    """Tells the tenants of a topology at any moment; asks the databases that know those of some.

    `asked` are these databases, by the topology's name.
    """

    def __init__(self, asked: Sequence[Asked], tenants: TenantLookup, clock: Clock) -> None:
        super().__init__({one.name: _Source(one) for one in asked}, clock, _WORDS)
        self._tenants = tenants
        self._all: tuple[TenantLookup, tuple[str, ...]] | None = None

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

    async def _take(self, source: "_Source", found: DomainsFound) -> None:
        listed = frozenset(found.domains)
        known = listed.intersection(self._tenants.domains)
        unknown = len(listed) - len(known) + found.left_out
        if listed != source.listed or unknown != source.unknown or source.success is None:
            _log.info(
                "tenants of a topology", topology=source.asked.name, tenants=len(known), unknown=unknown
            )
        source.listed, source.unknown, source.told = listed, unknown, None


@dataclass(slots=True)
class _Source(Source):
    unknown: int = 0
    told: tuple[TenantLookup, tuple[str, ...]] | None = None
