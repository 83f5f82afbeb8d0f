"""Where each statistic of a server goes: which series shows it, alone or in sum with others.

A big platform has ten thousand of them, and from one poll to the next nearly all have the same name, kind and
owner. So what was found out of them is kept until any of it changes; a poll then costs their values alone.
What appears is added to that.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from sys import intern
from typing import Final

from collectors.opensips.many import samples_of
from collectors.opensips.names import Names, event_places, session_event
from collectors.opensips.parse import SCRIPTS, UNGROUPED, OpensipsSnapshot
from collectors.opensips.series import Series
from collectors.opensips.strangers import Strangers
from collectors.opensips.table import OTHER, OTHER_GAUGE, known
from collectors.opensips.traffic import OTHERS, SESSION_EVENTS, TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, Sample, SessionResult
from dialtone.ports import TenantLookup

_MOST_EVENTS: Final = 50
"""Kinds of tenants' events that are told apart at a server, and of nobody's events as many."""
MOST_OTHERS: Final = 1000
"""Statistics of a server that are shown by their own names: callers may have a say in those of a script."""
_NOTHING: Final = -1
"""The place of what no statistic says yet: a 0 that follows their values."""
_NOBODY: Final = (UNKNOWN_TENANT, "")


class Layout:
    """The layout of one server's statistics."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._tenants: TenantLookup | None = None
        self._plan: _Plan | None = None

    @property
    def left_out(self) -> int:
        """How many statistics are shown nowhere: too many have no metric of their own."""
        return self._plan.left_out if self._plan is not None else 0

    def samples(self, snapshot: OpensipsSnapshot, strangers: Strangers, at: datetime) -> Iterator[Sample]:
        """Return the samples of a snapshot's statistics, each of which is in one of them."""
        plan = self._plan
        if plan is None or strangers.tenants is not self._tenants or not plan.fits(snapshot):
            plan = self._plan = _Plan(self._node, strangers.tenants, told=bool(snapshot.kinds))
            self._tenants = strangers.tenants
        if len(plan.kinds) < len(snapshot.statistics):
            plan.add(snapshot)
        strangers.join(plan.strangers)
        return plan.samples([*map(snapshot.statistics.__getitem__, plan.kinds), 0.0], at)


class _Plan:
    """Which series there are, and in which places of a poll's values are those that it shows.

    `kinds` are those of the statistics by name, in the order of the values; `told` says whether the server
    told the kinds of any.
    """

    def __init__(self, node: str, tenants: TenantLookup, *, told: bool) -> None:
        self.kinds: dict[str, Kind | None] = {}
        self.strangers = Strangers(tenants)
        self.left_out = 0
        self._others = 0
        self._told = told
        self._node = node
        self._tenants = tenants
        self._names = Names(tenants)
        self._slots: dict[tuple[str, tuple[str, ...]], int] = {}
        self._metrics: list[str] = []
        self._labels: list[tuple[str, ...]] = []
        self._places: list[int] = []
        self._more: list[tuple[int, int]] = []
        self._scales: list[tuple[int, float]] = []
        self._series = Series(tenants)
        self._owners: dict[str, tuple[str, str]] = {}
        self._events: set[str] = set()
        self._strange: set[str] = set()

    def fits(self, snapshot: OpensipsSnapshot) -> bool:
        """Whether all that is laid out is there, and of the same kind."""
        kinds = self.kinds
        return (
            bool(snapshot.kinds) == self._told
            and kinds.keys() <= snapshot.statistics.keys()
            and list(map(snapshot.kinds.get, kinds)) == list(kinds.values())
        )

    def add(self, snapshot: OpensipsSnapshot) -> None:
        """Lay out the statistics that are new."""
        shown = zip(self._metrics, self._labels, strict=True)
        self._slots = {(metric, labels[1:]): slot for slot, (metric, labels) in enumerate(shown)}
        left = []
        for name in snapshot.statistics:
            if name in self.kinds:
                continue
            place, kind = len(self.kinds), snapshot.kinds.get(name)
            self.kinds[intern(name)] = kind
            if not self._put(place, name, kind):
                left.append((place, name, kind))
        for place, name, kind in left:  # once all kinds of tenants' events are known
            self._put_nobodys(place, name, kind)
        self._slots.clear()
        self._owners.clear()

    def samples(self, values: Sequence[float], at: datetime) -> Iterator[Sample]:
        """Yield the samples of a poll's values, which end with a 0."""
        shown = [values[place] for place in self._places]
        for slot, place in self._more:
            shown[slot] += values[place]
        for slot, scale in self._scales:
            shown[slot] *= scale
        yield from samples_of(self._metrics, self._labels, shown, at)
        yield from self._series.samples(self._node, values, at)

    def _put(self, place: int, name: str, kind: Kind | None) -> bool:
        """Find a series for a statistic; False for what may be an event of nobody's."""
        group, _, rest = name.partition(":")
        if group in SCRIPTS:
            # Without any kinds, because their list can't be read, those of tenants are what they ever were.
            if kind is Kind.COUNTER or group == UNGROUPED or not self._told:
                return self._is_a_tenants(place, rest)
        elif (found := known(name)) is not None:
            metric, labels, scale = found
            if self._show(place, metric, *labels, scale=scale):
                return True
        if kind is not Kind.GAUGE or not self._series.take(place, rest, self._names):
            self._show_other(place, group, rest, kind)
        return True

    def _is_a_tenants(self, place: int, name: str) -> bool:
        """Take DOMAIN_EVENT for what it says of a tenant; False where it is none."""
        host, event = session_event(name)
        if host and (found := self._names.match(host)):
            self._count_session(place, self._owner(found.domain), event)
            return True
        if (cut := self._names.event(name)) is None:
            return False
        self._count_event(place, self._owner(cut[0].domain), cut[1], self._events)
        return True

    def _put_nobodys(self, place: int, name: str, kind: Kind | None) -> None:
        """Find a series for what may be an event of nobody's.

        Callers choose the names of such hosts: none of them may be a label.
        """
        group, _, rest = name.partition(":")
        host, event = session_event(rest)
        if host and (group != UNGROUPED or _is_domain(host)):
            self._count_session(place, _NOBODY, event)
            self._meet(host)
            return
        cut = self._cut(rest, event_places(rest))
        if cut is None or (group == UNGROUPED and not (_is_domain(cut[0]) and cut[1] in self._events)):
            self._show_other(place, group, rest, kind)
            return
        host, event = cut
        self._meet(host)
        self._count_event(place, _NOBODY, event, self._events if event in self._events else self._strange)

    def _cut(self, name: str, places: Iterable[int]) -> tuple[str, str] | None:
        """Return a host and an event of which there are tenants' ones, else the shortest event.

        What is before its last word may be a caller's.
        """
        cuts = [(name[:place], name[place + 1 :]) for place in places]
        return next((cut for cut in cuts if cut[1] in self._events), cuts[0] if cuts else None)

    def _meet(self, host: str) -> None:
        if "." in host:
            self.strangers.add(host)

    def _count_session(self, place: int, owner: tuple[str, str], event: str) -> None:
        result = SESSION_EVENTS[event]
        if (TENANT_SESSIONS.name, (*owner, result)) not in self._slots:
            for each in SessionResult:  # what has not happened yet has no statistic: 0 where a tenant has any
                self._show(_NOTHING, TENANT_SESSIONS, *owner, each)
        self._sum(place, TENANT_SESSIONS, *owner, result)

    def _count_event(self, place: int, owner: tuple[str, str], event: str, kinds: set[str]) -> None:
        if event not in kinds and len(kinds) >= _MOST_EVENTS:
            event = OTHERS
        else:
            kinds.add(event)
        self._sum(place, TENANT_EVENTS, *owner, event)

    def _show_other(self, place: int, group: str, name: str, kind: Kind | None) -> None:
        if self._others >= MOST_OTHERS:
            self.left_out += 1
            return
        self._others += 1
        self._show(place, OTHER if kind is Kind.COUNTER else OTHER_GAUGE, group, name)

    def _show(self, place: int, metric: MetricDef, *labels: str, scale: float = 1.0) -> bool:
        """Let a series show that place; False where it shows another one."""
        if (metric.name, labels) in self._slots:
            return False
        if scale != 1.0:
            self._scales.append((len(self._metrics), scale))
        self._slots[metric.name, labels] = len(self._metrics)
        self._metrics.append(metric.name)
        self._labels.append((self._node, *labels))
        self._places.append(place)
        return True

    def _sum(self, place: int, metric: MetricDef, *labels: str) -> None:
        """Let a series show that place, in sum with what it shows already."""
        slot = self._slots.get((metric.name, labels))
        if slot is None:
            self._show(place, metric, *labels)
        elif self._places[slot] == _NOTHING:
            self._places[slot] = place
        else:
            self._more.append((slot, place))

    def _owner(self, domain: str) -> tuple[str, str]:
        if domain not in self._owners:
            self._owners[domain] = domain, self._tenants.reseller(domain)
        return self._owners[domain]


def _is_domain(host: str) -> bool:
    """Whether a name is a host's, where the script's own statistics are among the tenants' ones."""
    return "." in host or ":" in host
