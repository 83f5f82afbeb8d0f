"""What is published of Asterisk: channels, and calls as people count them.

Asterisk's own counts disagree with each other: CoreCurrentCalls counts channels, announcers too.
A call here is what shares one Linkedid.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from collectors.asterisk.parse import STATES, AsteriskSnapshot, Channel
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

_TENANT: Final = ("node", "tenant", "reseller")


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"asterisk_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


def _of_tenant(name: str, text: str, *labels: str) -> MetricDef:
    name = f"asterisk_tenant_{name}"
    return MetricDef(name, Kind.GAUGE, text, (*_TENANT, *labels), scope=MetricScope.TENANT)


CALLS: Final = _gauge("calls", "Calls now alive: distinct Linkedid over the channels counted")
CHANNELS: Final = _gauge("channels", "Channels by state, without Asterisk's internal ones", "state")
PROCESSED: Final = MetricDef(
    "asterisk_calls_processed_total",
    Kind.COUNTER,
    "Calls that entered the dialplan since the start (Asterisk 22 and later)",
    ("node",),
)
UPTIME: Final = _gauge("uptime_seconds", "Seconds since Asterisk started", unit="seconds")
TENANT_CALLS: Final = _of_tenant("calls", "Calls of the tenant now alive")
TENANT_EARLY: Final = _of_tenant("early_calls", "Calls of the tenant that no channel has answered yet")
TENANT_CHANNELS: Final = _of_tenant("channels", "Channels of the tenant by state", "state")

METRICS: Final = (CALLS, CHANNELS, PROCESSED, UPTIME, TENANT_CALLS, TENANT_EARLY, TENANT_CHANNELS)
"""Every metric of this collector, for the catalogue."""


def samples(node: str, snapshot: AsteriskSnapshot, tenants: TenantLookup, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one snapshot."""
    return (*_whole(node, snapshot, at), *_by_tenant(node, snapshot.channels, tenants, at))


def _whole(node: str, snapshot: AsteriskSnapshot, at: datetime) -> Iterator[Sample]:
    yield CALLS.sample(node, value=len({channel.linked_id for channel in snapshot.channels}), at=at)
    states = Counter(channel.state for channel in snapshot.channels)
    for state in STATES:
        yield CHANNELS.sample(node, state, value=states[state], at=at)
    if snapshot.processed is not None:
        yield PROCESSED.sample(node, value=snapshot.processed, at=at)
    if snapshot.started is not None:
        # Two machines' clocks: a server started a moment ago may be in our future.
        yield UPTIME.sample(node, value=max(0.0, (at - snapshot.started).total_seconds()), at=at)


def _by_tenant(
    node: str, channels: Iterable[Channel], tenants: TenantLookup, at: datetime
) -> Iterator[Sample]:
    """Yield every tenant's figures, 0 for the quiet ones, and `_unknown` for what is nobody's.

    A call belongs to each tenant that has a channel in it. One leg without account code (a trunk's)
    doesn't make a tenant's call unknown as well; the leg itself is counted as `_unknown` channel.
    """
    legs: Counter[tuple[str, str]] = Counter()
    parties: dict[str, set[str]] = {}
    answered: set[str] = set()
    for channel in channels:
        tenant = tenants.by_account_code(channel.account_code) if channel.account_code else None
        domain = tenant.domain if tenant else UNKNOWN_TENANT
        legs[domain, channel.state] += 1
        parties.setdefault(channel.linked_id, set()).add(domain)
        if channel.state == "up":
            answered.add(channel.linked_id)
    calls: Counter[str] = Counter()
    early: Counter[str] = Counter()
    for linked_id, domains in parties.items():
        owners = domains - {UNKNOWN_TENANT} or {UNKNOWN_TENANT}
        calls.update(owners)
        if linked_id not in answered:
            early.update(owners)
    for domain in (*tenants.domains, UNKNOWN_TENANT):
        whose = (node, domain, tenants.reseller(domain))
        yield TENANT_CALLS.sample(*whose, value=calls[domain], at=at)
        yield TENANT_EARLY.sample(*whose, value=early[domain], at=at)
        for state in STATES:
            yield TENANT_CHANNELS.sample(*whose, state, value=legs[domain, state], at=at)
