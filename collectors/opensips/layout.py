"""Where each statistic of a server goes: which series shows it, alone or in sum with others.

A big platform has ten thousand of them, and from one poll to the next nearly all have the same name, kind and
owner. So what was found out of them is kept until any of it changes; a poll then costs their values alone.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from sys import intern
from typing import Final

from collectors.opensips.many import samples_of
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.series import Series, is_series
from collectors.opensips.strangers import Strangers
from collectors.opensips.table import OTHER, OTHER_GAUGE, known
from collectors.opensips.traffic import SESSION_EVENTS, TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, Sample, SessionResult
from dialtone.ports import TenantLookup

_UNGROUPED: Final = "dynamic"
"""The group of all statistics of scripts before 2.x."""
_SCRIPTS: Final = ("tenants", _UNGROUPED)
"""The groups in which a script counts for tenants."""
_EVENT: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
_MOST_EVENTS: Final = 50
"""Kinds of tenants' events that are told apart at a server."""
_NOTHING: Final = -1
"""The place of what no statistic says yet: a 0 that follows their values."""


class Layout:
    """The layout of one server's statistics."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._of: tuple[Sequence[str], Sequence[Kind | None]] = ((), ())
        self._tenants: TenantLookup | None = None
        self._plan: _Plan | None = None

    def samples(self, snapshot: OpensipsSnapshot, strangers: Strangers, at: datetime) -> Iterator[Sample]:
        """Return the samples of a snapshot's statistics, each of which is in one of them."""
        names = list(snapshot.statistics)
        kinds = [snapshot.kinds.get(name) for name in names]
        plan = self._plan
        if plan is None or strangers.tenants is not self._tenants or (names, kinds) != self._of:
            plan = self._plan = _Plan(self._node, Strangers(strangers.tenants))
            for place, (name, kind) in enumerate(zip(names, kinds, strict=True)):
                plan.put(place, name, kind, told=bool(snapshot.kinds))
            plan.close()
            self._of, self._tenants = (list(map(intern, names)), kinds), strangers.tenants
        strangers.join(plan.strangers)
        return plan.samples([*snapshot.statistics.values(), 0.0], at)


class _Plan:
    """Which series there are, and in which places of a poll's values are those that it shows."""

    def __init__(self, node: str, strangers: Strangers) -> None:
        self.strangers = strangers
        self._node = node
        self._slots: dict[tuple[str, tuple[str, ...]], int] = {}
        self._metrics: list[str] = []
        self._labels: list[tuple[str, ...]] = []
        self._places: list[int] = []
        self._more: list[tuple[int, int]] = []
        self._scales: list[tuple[int, float]] = []
        self._series: list[tuple[int, str, str]] = []
        self._owners: dict[str, tuple[str, str]] = {}
        self._events: set[str] = set()

    def put(self, place: int, name: str, kind: Kind | None, *, told: bool) -> None:
        """Find a series for a statistic; `told` says whether the server told the kinds of any."""
        group, _, rest = name.partition(":")
        counts = kind is Kind.COUNTER
        if group in _SCRIPTS:
            # Without any kinds, because their list can't be read, those of tenants are what they ever were.
            if (counts or group == _UNGROUPED or not told) and self._is_event(place, group, rest):
                return
        elif (found := known(name)) is not None:
            metric, labels, scale = found
            if self._show(place, metric, *labels, scale=scale):
                return
        if kind is Kind.GAUGE and is_series(rest, self.strangers.tenants):
            self._series.append((place, group, rest))
            return
        self._show(place, OTHER if counts else OTHER_GAUGE, group, rest)

    def close(self) -> None:
        """Forget what only put() needs."""
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
        series = Series(self.strangers.tenants)
        for place, group, rest in self._series:
            if not series.take(rest, values[place]):
                yield OTHER_GAUGE.sample(self._node, group, rest, value=values[place], at=at)
        yield from series.samples(self._node, at)

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

    def _is_event(self, place: int, group: str, name: str) -> bool:
        """Take DOMAIN_EVENT for what it says of a tenant; False where it is none."""
        host, _, event = name.partition("_")
        session = SESSION_EVENTS.get(event)
        if session is None and event not in self._events:
            if len(self._events) >= _MOST_EVENTS or not _EVENT.fullmatch(event):
                return False
            self._events.add(event)
        owner = self._owner(host)
        if group == _UNGROUPED and owner[0] == UNKNOWN_TENANT:
            return False
        if session is None:
            self._sum(place, TENANT_EVENTS, *owner, event)
            return True
        for result in SessionResult:  # what has not happened yet has no statistic: 0 where a tenant has any
            self._show(_NOTHING, TENANT_SESSIONS, *owner, result)
        self._sum(place, TENANT_SESSIONS, *owner, session)
        return True

    def _owner(self, host: str) -> tuple[str, str]:
        if host not in self._owners:
            found = self.strangers.match(host)
            domain = found.domain if found else UNKNOWN_TENANT
            self._owners[host] = domain, self.strangers.reseller(domain)
        return self._owners[host]
