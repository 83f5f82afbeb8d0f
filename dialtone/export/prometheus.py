"""The Prometheus exposition: everything that is known, as /metrics shows it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import structlog
from prometheus_client import Metric

from dialtone.export.blocks import Block, Folded
from dialtone.export.metrics import EXPOSED_BY_ITSELF, FOLDED_TO_THE_LEAST, FOLDED_TO_THE_MOST
from dialtone.export.nodes import NodeFigures
from dialtone.export.probes import ProbeFigures
from dialtone.export.series import Family, Labels, Line, Piece, Point
from dialtone.model import (
    UNKNOWN_TENANT,
    Catalog,
    CatalogError,
    Kind,
    NodeState,
    ProbeResult,
    ProbeRun,
    ProbeTotals,
    Reading,
    Sample,
    Spread,
)
from dialtone.ports import Clock

_log = structlog.get_logger(__name__)

_NODES: Final = "nodes"
_PROBES: Final = "probes"
_FOLDED: Final = "dialtone_series_folded"
_PLACES: Final = 2
"""How many times the tenants that there are may have a place in the order of folding."""
_NOTHING: Final = Reading(())
_NEVER_FOLDED: Final = frozenset({None, "", UNKNOWN_TENANT})


class Exposition:
    """A Sink that renders the text format 0.0.4, and a collector for prometheus_client's registries.

    `render()` equals `generate_latest()` of it byte for byte, at a fraction of the time: each
    source's text is kept until the source changes. What depends on the moment (a node's age, `up`)
    is computed at each scrape. All calls belong into the event loop's thread.

    Past `max_series`, the tenants that come last (in the order of `tenants`, then of appearance)
    are shown in sum (or by their worst, where a sum means nothing) as tenant `_other`, beside the
    cap. Series of no tenant and of `_unknown` are never folded.
    """

    def __init__(
        self,
        catalog: Catalog,
        reseller_of: Callable[[str], str],
        clock: Clock,
        max_series: int,
        tenants: Sequence[str] = (),
    ) -> None:
        self._catalog = catalog
        self._max_series = max_series
        self._families: dict[str, Family] = {}
        self._nodes = NodeFigures(clock)
        self._probes = ProbeFigures(self._family, reseller_of)
        self._blocks: dict[str, Block] = {}
        self._first = frozenset(tenants)
        self._order = dict.fromkeys(tenants)
        self._rejected: dict[str, str] = {}

    async def node_polled(self, state: NodeState) -> None:
        """Show this node's state and reading; a reading that breaks the catalogue is logged instead."""
        name = state.node.name
        self._nodes.take(state)
        try:
            reading = state.reading or _NOTHING
            self.put(_node_source(name), reading.samples, reading.spreads)
            self._rejected.pop(name, None)
        except CatalogError as error:
            self.withdraw(_node_source(name))
            if self._rejected.get(name) != str(error):
                self._rejected[name] = str(error)
                _log.error("a reading breaks the catalogue and is not shown", node=name, error=str(error))

    async def probe_ended(self, run: ProbeRun) -> None:
        """Count a probe."""
        self._probes.take(run.result)
        self._order.setdefault(run.result.tenant)

    def recall(self, totals: Iterable[ProbeTotals], last: Iterable[ProbeResult]) -> None:
        """Go on from what was counted, and last found, before the service was stopped or died."""
        for series in totals:
            self._probes.recall(series)
            self._order.setdefault(series.tenant)
        for result in last:
            self._probes.recall_last(result)

    def put(self, source: str, samples: Iterable[Sample], spreads: Iterable[Spread] = ()) -> None:
        """Replace all samples and histograms of a source at once; its name is any text of the caller's.

        Raises CatalogError, and leaves all as it was, where a metric is unknown or of the other kind, labels
        or buckets don't fit, or a series comes twice: from this source, from another, or from the exposition
        itself.
        """
        given, grown = list(samples), list(spreads)
        self._check_buckets(source, grown)
        names, labels = [sample[0] for sample in given], [sample[1] for sample in given]
        names += [spread[0] for spread in grown]
        labels += [spread[1] for spread in grown]
        values = [float(sample[2]) for sample in given]
        block = self._blocks.get(source)
        if block is None or not block.has(names, labels, len(given)):  # nearly always it has
            block = self._reshaped(source, block or Block(), names, labels, len(given))
        block.fill(values, grown)

    def _check_buckets(self, source: str, spreads: Sequence[Spread]) -> None:
        wanted = {name: len(self._catalog[name].buckets) + 1 for name in {spread[0] for spread in spreads}}
        for name, labels, counts, _, _ in spreads:
            if len(counts) != wanted[name]:
                raise CatalogError(f"{source} gives {name}{labels} {len(counts)} counts, not {wanted[name]}")

    def _check_kinds(self, source: str, names: set[str], *, histograms: bool) -> None:
        for name in names:
            kind = self._catalog[name].kind
            if name in EXPOSED_BY_ITSELF:
                raise CatalogError(f"{name} is made by the exposition itself")
            if (kind is Kind.HISTOGRAM) is not histograms:
                what = "buckets" if histograms else "a single value"
                raise CatalogError(f"{source} gives {what} of {name}, which is a {kind}")

    def _reshaped(
        self, source: str, block: Block, names: list[str], labels: list[Labels], lines: int
    ) -> Block:
        """Return the block with exactly these series in it, `lines` lines and then histograms.

        Raises CatalogError, before it changes any.
        """
        self._check_kinds(source, set(names[:lines]), histograms=False)
        self._check_kinds(source, set(names[lines:]), histograms=True)
        identities = [
            (name, self._family(name).clean(given)) for name, given in zip(names, labels, strict=True)
        ]
        wanted = dict.fromkeys(identities)
        if len(wanted) != len(identities):
            name, twice = next(key for key, count in Counter(identities).items() if count > 1)
            raise CatalogError(f"{source} gives {name}{twice} twice")
        added = [identity for identity in wanted if block.get(*identity) is None]
        points = [self._new_point(source, *identity) for identity in added]
        for name, gone in [identity for identity in block.identities() if identity not in wanted]:
            block.remove(name, gone)
        for (name, _), point in zip(added, points, strict=True):
            block.add(name, point)
            if point.tenant is not None:
                self._order.setdefault(point.tenant)
        block.arrange(names, labels, identities)
        self._blocks[source] = block
        return block

    def withdraw(self, source: str) -> None:
        """Stop showing what a source gave; one that gave nothing is left alone."""
        self._blocks.pop(source, None)

    def page(self) -> Iterable[bytes]:
        """Return the page as it is now; its text is made where it is gone through, by any thread."""
        blocks, folded = self._now()
        pieces: list[str | Piece] = []
        for family in self._shown(blocks):
            pieces.append(family.header)
            pieces += [family.piece(block.shown(family.name, folded)) for block in blocks]
            pieces.append(family.piece(self._sums(family, blocks, folded)))
        return _Page(pieces)

    def render(self) -> bytes:
        """Return the page as it is now."""
        return b"".join(self.page())

    def collect(self) -> Iterator[Metric]:
        """Yield the same as prometheus_client's types."""
        blocks, folded = self._now()
        for family in self._shown(blocks):
            points = [point for block in blocks for point in block.shown(family.name, folded)]
            yield family.metric([*points, *self._sums(family, blocks, folded)])

    def describe(self) -> Iterator[Metric]:
        """Yield what may be collected, so that a registry needn't collect to learn the names."""
        for definition in self._catalog:
            yield self._family(definition.name).metric()

    def _now(self) -> tuple[list[Block], Folded]:
        for node in self._nodes.stale():
            self.withdraw(_node_source(node))
        nodes = Block((name, self._line(name, labels, value)) for name, labels, value in self._nodes.values())
        blocks = [nodes, self._probes.block, *(block for _, block in sorted(self._blocks.items()))]
        folded, hidden = self._fold(blocks)
        own = Block([(_FOLDED, self._line(_FOLDED, (), hidden))])
        return [own, *blocks], folded

    def _fold(self, blocks: Sequence[Block]) -> tuple[Folded, int]:
        """Return the tenants past the cap, and how many series they have."""
        sizes: Counter[str | None] = Counter()
        for block in blocks:
            sizes.update(block.sizes)
        if len(self._order) > _PLACES * (len(sizes) + len(self._first)):
            # Discovered tenants come and go for years: those that have gone lose their place.
            self._order = {one: None for one in self._order if one in self._first or sizes[one]}
        if sizes.total() < self._max_series:
            return frozenset(), 0
        room = self._max_series - 1 - sum(sizes[tenant] for tenant in _NEVER_FOLDED)
        folded: set[str] = set()
        for tenant in self._order:
            if tenant not in _NEVER_FOLDED and sizes[tenant]:
                room -= sizes[tenant]
                if room < 0:  # and stays so: a small tenant does not slip past a large one before it
                    folded.add(tenant)
        return frozenset(folded), sum(sizes[tenant] for tenant in folded)

    def _sums(self, family: Family, blocks: Sequence[Block], folded: Folded) -> list[Point]:
        if not folded:
            return []
        return family.fold(point for block in blocks for point in block.sums(family, folded))

    def _shown(self, blocks: Sequence[Block]) -> list[Family]:
        names: set[str] = set().union(*(block.names for block in blocks))
        return [self._family(name) for name in sorted(names)]

    def _new_point(self, source: str, name: str, labels: Labels) -> Point:
        for owner, block in self._blocks.items():
            if owner != source and block.get(name, labels) is not None:
                raise CatalogError(f"{source} gives {name}{labels}, as {owner} does")
        family = self._family(name)
        histogram = family.definition.kind is Kind.HISTOGRAM
        return family.histogram(labels) if histogram else family.line(labels, 0.0)

    def _line(self, name: str, labels: Labels, value: float) -> Line:
        return self._family(name).line(labels, value)

    def _family(self, name: str) -> Family:
        family = self._families.get(name)
        if family is None:
            fold = min if name in FOLDED_TO_THE_LEAST else max if name in FOLDED_TO_THE_MOST else None
            family = self._families[name] = Family(self._catalog[name], fold)
        return family


class _Page:
    def __init__(self, pieces: Sequence[str | Piece]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield (piece if isinstance(piece, str) else piece.text()).encode()


def _node_source(node: str) -> str:
    return f"node/{node}"
