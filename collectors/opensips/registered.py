"""What is published of registrations and presence, by tenant; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from collectors.opensips.database import Presence
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
METRICS: Final = (AORS, CONTACTS, PRESENTITIES, WATCHERS, EVENTS_TOTAL, IGNORED, CORRECTIONS, RESYNC_AGE)
"""For the catalogue."""

MOST_EVENTS: Final = 20
"""Presence events that are told apart at a server."""
_EVENT: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


def by_tenant(
    node: str, metric: MetricDef, numbers: Iterable[tuple[str, int]], tenants: TenantLookup, at: datetime
) -> Iterator[Sample]:
    """Yield one sample a configured tenant, 0 where there is nothing, and `_unknown` for all other hosts."""
    sums = dict.fromkeys(tenants.domains, 0) | {UNKNOWN_TENANT: 0}
    for host, number in numbers:
        sums[owner(host, tenants)] += number
    for domain, number in sums.items():
        yield metric.sample(node, domain, tenants.reseller(domain), value=number, at=at)


def owner(host: str, tenants: TenantLookup) -> str:
    """Return the tenant's domain, or `_unknown`."""
    found = tenants.match(host) if host else None
    return found.domain if found else UNKNOWN_TENANT


class PresenceBook:
    """What was last read of one kind of presence. Pairs of tenant and event that were seen stay, with 0."""

    def __init__(self, metric: MetricDef) -> None:
        self._metric = metric
        self._numbers: Presence = {}
        self._events: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self.left_out = 0

    def put(self, numbers: Presence) -> None:
        """Take what is there now; `left_out` counts entries of more kinds of events than there may be."""
        kept: dict[tuple[str, str], int] = {}
        self.left_out = 0
        for (domain, event), number in numbers.items():
            if self._is_kept(event):
                kept[domain, event] = number
            else:
                self.left_out += number
        self._numbers = kept

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the sums by tenant and event."""
        sums = self._sums(tenants)
        for (domain, event), number in sums.items():
            yield self._metric.sample(node, domain, tenants.reseller(domain), event, value=number, at=at)

    def _sums(self, tenants: TenantLookup) -> Mapping[tuple[str, str], int]:
        configured = {*tenants.domains, UNKNOWN_TENANT}
        self._seen = {key for key in self._seen if key[0] in configured}
        sums = dict.fromkeys(sorted(self._seen), 0)
        for (host, event), number in self._numbers.items():
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
