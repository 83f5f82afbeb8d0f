"""Gauges per tenant of a list that is read now and then; pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from collectors.asterisk.parse import Channel
from collectors.asterisk.whose import Whose
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

Values = Mapping[tuple[str, ...], float]
"""Figures by tenant's domain and further labels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a list is read beside: whose things are, the snapshot's channels, their domains by Uniqueid."""

    whose: Whose
    owners: Mapping[str, str]
    channels: Collection[Channel] = ()


def tenant_gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    """Return a tenant's gauge; its labels begin with node, tenant, reseller."""
    labels = ("node", "tenant", "reseller", *labels)
    return MetricDef(f"asterisk_tenant_{name}", Kind.GAUGE, text, labels, MetricScope.TENANT, unit)


class Level:
    """A gauge of one node by tenant and further labels, as it was read last.

    A tenant that has had one shows all `combinations` from then on, 0 where it has none now; or none of
    those, where `absent` says that no value is not 0.
    """

    def __init__(
        self,
        metric: MetricDef,
        combinations: Collection[tuple[str, ...]] = ((),),
        *,
        absent: bool = False,
    ) -> None:
        self._metric = metric
        self._combinations = tuple(combinations)
        self._absent = absent
        self._seen: set[str] = set()
        self._values: Values | None = None

    def put(self, values: Values) -> None:
        """Take what was read in place of all that was."""
        self._values = values
        self._seen |= {domain for domain, *_ in values}

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""
        self._values = None

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these; `_unknown` stays."""
        self._seen = {domain for domain in self._seen if domain in domains or domain == UNKNOWN_TENANT}

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the figures of every tenant that has had one."""
        if self._values is None:
            return
        for domain in sorted(self._seen):
            whose = (node, domain, tenants.reseller(domain))
            for labels in self._combinations:
                value = self._values.get((domain, *labels))
                if value is not None or not self._absent:
                    yield self._metric.sample(*whose, *labels, value=value or 0, at=at)


class Levels:
    """The gauges that one list gives, each at its place in what parse() returns of it."""

    def __init__(self, *levels: Level) -> None:
        self._levels = levels

    def take(self, read: Sequence[Values]) -> None:
        """Take what was read in place of all that was."""
        for level, values in zip(self._levels, read, strict=True):
            level.put(values)

    def withdraw(self) -> None:
        """Show nothing, until there is something new."""
        for level in self._levels:
            level.withdraw()

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these; `_unknown` stays."""
        for level in self._levels:
            level.keep(domains)

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the figures of every tenant that has had one."""
        for level in self._levels:
            yield from level.samples(node, tenants, at)
