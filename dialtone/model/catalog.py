"""The registry of every metric: filled by wiring, read by exporters, dashboards and alert rules."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dialtone.model.metric import Kind, MetricDef

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class CatalogError(Exception):
    """A metric definition is wrong or contradicts another: a mistake in our code, found at start."""


class Catalog:
    """All MetricDefs by name. Part tables register here, so that nobody imports anybody for a name."""

    def __init__(self, *tables: Iterable[MetricDef]) -> None:
        self._defs: dict[str, MetricDef] = {}
        for table in tables:
            self.register(table)

    def register(self, defs: Iterable[MetricDef]) -> None:
        """Add a table. Raises CatalogError where a name is taken or breaks the conventions."""
        for new in defs:
            _check(new)
            if self._defs.setdefault(new.name, new) != new:
                raise CatalogError(f"{new.name} is defined twice, differently")

    def __getitem__(self, name: str) -> MetricDef:
        try:
            return self._defs[name]
        except KeyError:
            raise CatalogError(f"no metric is called {name!r}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._defs

    def __iter__(self) -> Iterator[MetricDef]:
        return iter(sorted(self._defs.values(), key=lambda d: d.name))

    def __len__(self) -> int:
        return len(self._defs)


def _check(new: MetricDef) -> None:
    if not _NAME.fullmatch(new.name):
        raise CatalogError(f"{new.name!r} is not a metric name")
    if (new.kind is Kind.COUNTER) != new.name.endswith("_total"):
        raise CatalogError(f"{new.name}: counters, and only they, end in _total")
    stem = new.name.removesuffix("_total")
    if new.unit and not stem.endswith(f"_{new.unit}"):
        raise CatalogError(f"{new.name}: the name must end in its unit, _{new.unit}")
    if (new.kind is Kind.HISTOGRAM) != bool(new.buckets):
        raise CatalogError(f"{new.name}: histograms, and only they, have buckets")
    if not new.help or new.help.endswith("."):
        raise CatalogError(f"{new.name}: the help is one phrase without a full stop")
