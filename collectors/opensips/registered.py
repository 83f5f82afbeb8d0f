"""What is published of registrations and presence, by tenant; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import repeat
from typing import Final

from collectors.opensips.database import Presence
from collectors.opensips.many import samples_of
from collectors.opensips.strangers import Strangers
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup


def _of_tenants(name: str, text: str, *labels: str) -> MetricDef:
    labels = ("node", "tenant", "reseller", *labels)
    return MetricDef(f"opensips_tenant_{name}", Kind.GAUGE, text, labels, MetricScope.TENANT)


AORS: Final = _of_tenants("registered_aors", "Addresses of record of a tenant that are registered")
CONTACTS: Final = _of_tenants("contacts", "Registered contacts of a tenant")
PRESENTITIES: Final = _of_tenants("presentities", "Users of a tenant whose state is published", "event")
WATCHERS: Final = _of_tenants("watchers", "Subscriptions to the state of a tenant's users", "event")
EVENTS_TOTAL: Final = MetricDef(
    "opensips_registration_events_total",
    Kind.COUNTER,
    "Events of registrations that the server sent",
    ("node", "event"),
)
IGNORED: Final = MetricDef(
    "opensips_registration_ignored_datagrams_total",
    Kind.COUNTER,
    "Datagrams at the address for events that were none: malformed, of another event, from a stranger",
    ("node", "reason"),
)
CORRECTIONS: Final = MetricDef(
    "opensips_registration_corrections_total",
    Kind.COUNTER,
    "Addresses of record that events had wrong, as the table showed: some were lost",
    ("node",),
)
RESYNC_AGE: Final = MetricDef(
    "opensips_registration_resync_age_seconds",
    Kind.GAUGE,
    "Seconds since the table of registrations was read",
    ("node",),
    unit="seconds",
)
SOURCE_UP: Final = MetricDef(
    "opensips_registration_source_up",
    Kind.GAUGE,
    "1 where what tells of registrations can be had, 0 where not: the server's events, its database",
    ("node", "source"),
)
METRICS: Final = (
    *(AORS, CONTACTS, PRESENTITIES, WATCHERS, SOURCE_UP),
    *(EVENTS_TOTAL, IGNORED, CORRECTIONS, RESYNC_AGE),
)
"""For the catalogue."""

MOST_EVENTS: Final = 20
"""Presence events that are told apart at a server."""
_MOST_HOSTS: Final = 100_000
_EVENT: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


class ByTenant:
    """Sums of a node by tenant. Whose a host is, is kept between polls."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._tenants: TenantLookup | None = None
        self._labels: list[tuple[str, ...]] = []
        self._places: dict[str, int] = {}
        self._hosts: dict[str, int] = {}

    def samples(
        self, metric: MetricDef, numbers: Iterable[tuple[str, int]], strangers: Strangers, at: datetime
    ) -> list[Sample]:
        """Return a sample each tenant, 0 where there is nothing, with `_unknown` for all other hosts."""
        if strangers.tenants is not self._tenants or len(self._hosts) > _MOST_HOSTS:
            self._begin(strangers.tenants)
        sums, hosts, unknown = [0.0] * len(self._labels), self._hosts, self._places[UNKNOWN_TENANT]
        for host, number in numbers:
            place = hosts.get(host)
            if place is None:
                place = hosts[host] = self._places[owner(host, strangers)]
            elif place == unknown:
                owner(host, strangers)  # it wants its name
            sums[place] += number
        return samples_of(repeat(metric.name), self._labels, sums, at)

    def _begin(self, tenants: TenantLookup) -> None:
        domains = [*tenants.domains, UNKNOWN_TENANT]
        self._tenants = tenants
        self._labels = [(self._node, domain, tenants.reseller(domain)) for domain in domains]
        self._places = {domain: place for place, domain in enumerate(domains)}
        self._hosts = {}


def owner(host: str, tenants: TenantLookup) -> str:
    """Return the tenant's domain, or `_unknown`."""
    found = tenants.match(host) if host else None
    return found.domain if found else UNKNOWN_TENANT


class PresenceBook:
    """What was last read of one kind of presence. Pairs of tenant and event that were seen stay, with 0.

    `left_out` counts entries of more kinds of events than there may be.
    """

    def __init__(self, metric: MetricDef) -> None:
        self._metric = metric
        self._numbers: Presence | None = None
        self._events: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self.left_out = 0

    def put(self, numbers: Presence | None) -> None:
        """Take what is there now, None where nobody knows."""
        kept: dict[tuple[str, str], int] = {}
        self.left_out = 0
        if numbers is None:
            self._numbers = None
            return
        for (domain, event), number in numbers.items():
            if self._is_kept(event):
                kept[domain, event] = number
            else:
                self.left_out += number
        self._numbers = kept

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the sums by tenant and event; nothing where they are not known."""
        if self._numbers is None:
            return
        sums = self._sums(self._numbers, tenants)
        for (domain, event), number in sums.items():
            yield self._metric.sample(node, domain, tenants.reseller(domain), event, value=number, at=at)

    def _sums(self, numbers: Presence, tenants: TenantLookup) -> Mapping[tuple[str, str], int]:
        configured = {*tenants.domains, UNKNOWN_TENANT}
        self._seen = {key for key in self._seen if key[0] in configured}
        sums = dict.fromkeys(sorted(self._seen), 0)
        for (host, event), number in numbers.items():
            key = owner(host, tenants), event
            sums[key] = sums.get(key, 0) + number
        self._seen |= sums.keys()
        return sums

    def _is_kept(self, event: str) -> bool:
        if event in self._events:
            return True
        if len(self._events) >= MOST_EVENTS or not _EVENT.fullmatch(event):
            return False
        self._events.add(event)
        return True
