"""What is published of Asterisk at each poll: channels, and calls as people count them.

Asterisk's own counts disagree with each other: CoreCurrentCalls counts channels, announcers too.
A call here is what shares one Linkedid. What happened between two polls is counted by tracker.py.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from collectors.asterisk.parse import STATES, AsteriskSnapshot, Channel
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

_TENANT: Final = ("node", "tenant", "reseller")
_EXPECTED: Final = "PJSIP"
"""The technology that is shown from the start; the others appear with their first channel."""


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"asterisk_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


def _counter(name: str, text: str) -> MetricDef:
    return MetricDef(f"asterisk_{name}_total", Kind.COUNTER, text, ("node",))


def _of_tenant(name: str, text: str, *labels: str) -> MetricDef:
    name = f"asterisk_tenant_{name}"
    return MetricDef(name, Kind.GAUGE, text, (*_TENANT, *labels), scope=MetricScope.TENANT)


CALLS: Final = _gauge("calls", "Calls now alive: distinct Linkedid over the channels counted")
CHANNELS: Final = _gauge("channels", "Channels, without Asterisk's internal ones", "state", "technology")
PROCESSED: Final = _counter(
    "calls_processed", "Calls that entered the dialplan since the start (Asterisk 22 and later)"
)
UPTIME: Final = _gauge("uptime_seconds", "Seconds since Asterisk started", unit="seconds")
LOGINS: Final = _counter("manager_logins", "Logins of Dialtone at the manager; events between two are missed")
EVENTS: Final = _counter("manager_events", "Events that the manager sent to Dialtone")
LOST_EVENTS: Final = _counter(
    "manager_events_lost", "Events not taken in: too big, too many at once, or by our mistake"
)
QUEUE_EVENTS: Final = "queue"
MISSABLE: Final = ("call", "Hangup", "Newchannel", QUEUE_EVENTS)
"""What may not be heard of: all events of calls, of queues, or one kind that an eventfilter holds back."""
MISSING_EVENTS: Final = _gauge(
    "events_missing", "Whether such events happen and are not sent to Dialtone: 1 if so", "events"
)
UNREADABLE: Final = _gauge("unreadable_channels", "Channels whose lines a caller's number has broken")
TENANT_CALLS: Final = _of_tenant("calls", "Calls of the tenant now alive")
TENANT_EARLY: Final = _of_tenant("early_calls", "Calls of the tenant that no channel has answered yet")
TENANT_CHANNELS: Final = _of_tenant("channels", "Channels of the tenant", "state", "technology")

METRICS: Final = (
    CALLS,
    CHANNELS,
    PROCESSED,
    UPTIME,
    LOGINS,
    EVENTS,
    LOST_EVENTS,
    MISSING_EVENTS,
    UNREADABLE,
    TENANT_CALLS,
    TENANT_EARLY,
    TENANT_CHANNELS,
)
"""What this module publishes, for the catalogue."""


class Publisher:
    """Makes the samples of one node's snapshots.

    Every tenant has its calls shown, 0 where it is quiet; its channels are shown from its first one on, by
    the technologies that the node has had channels of.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._technologies = {_EXPECTED: None}
        self._seen: set[str] = {UNKNOWN_TENANT}
        self._labels: dict[tuple[str, str, str], Sequence[tuple[str, ...]]] = {}

    def samples(
        self,
        snapshot: AsteriskSnapshot,
        owners: Mapping[str, str],
        tenants: TenantLookup,
        at: datetime,
    ) -> Iterator[Sample]:
        """Yield the samples of a snapshot. `owners` are its channels' domains by Uniqueid."""
        counted = [channel for channel in snapshot.channels if not channel.internal]
        self._technologies |= dict.fromkeys(channel.technology for channel in counted)
        yield from self._whole(snapshot, counted, at)
        yield from self._by_tenant(counted, owners, tenants, at)

    def _whole(
        self, snapshot: AsteriskSnapshot, counted: Sequence[Channel], at: datetime
    ) -> Iterator[Sample]:
        node = self._node
        yield CALLS.sample(node, value=len({channel.linked_id for channel in counted}), at=at)
        kinds = Counter((channel.state, channel.technology) for channel in counted)
        for technology in self._technologies:
            for state in STATES:
                yield CHANNELS.sample(node, state, technology, value=kinds[state, technology], at=at)
        if snapshot.processed is not None:
            yield PROCESSED.sample(node, value=snapshot.processed, at=at)
        if snapshot.started is not None:
            # Two machines' clocks: a server started a moment ago may be in our future.
            yield UPTIME.sample(node, value=max(0.0, (at - snapshot.started).total_seconds()), at=at)

    def _by_tenant(
        self, counted: Sequence[Channel], owners: Mapping[str, str], tenants: TenantLookup, at: datetime
    ) -> Iterator[Sample]:
        """Yield every tenant's figures. A call belongs to each tenant that has a channel in it."""
        legs: dict[tuple[str, str, str], int] = {}
        parties: set[tuple[str, str]] = set()  # Linkedid and tenant
        answered: set[str] = set()
        for channel in counted:
            domain = owners[channel.unique_id]
            leg = domain, channel.state, channel.technology
            legs[leg] = legs.get(leg, 0) + 1
            parties.add((channel.linked_id, domain))
            if channel.state == "up":
                answered.add(channel.linked_id)
        calls: dict[str, int] = {}
        early: dict[str, int] = {}
        for linked_id, domain in parties:
            calls[domain] = calls.get(domain, 0) + 1
            if linked_id not in answered:
                early[domain] = early.get(domain, 0) + 1
        shown = (*tenants.domains, UNKNOWN_TENANT)
        self._seen = (self._seen | calls.keys()).intersection(shown)
        if len(self._labels) > len(shown):  # some have gone, or belong to another reseller
            self._labels.clear()
        whose = [(self._node, domain, tenants.reseller(domain)) for domain in shown]
        yield from TENANT_CALLS.samples(whose, [calls.get(domain, 0) for domain in shown], at)
        yield from TENANT_EARLY.samples(whose, [early.get(domain, 0) for domain in shown], at)
        labels = [labels for one in whose if one[1] in self._seen for labels in self._channel_labels(one)]
        values = [legs.get((tenant, state, technology), 0) for _, tenant, _, state, technology in labels]
        yield from TENANT_CHANNELS.samples(labels, values, at)

    def _channel_labels(self, whose: tuple[str, str, str]) -> Sequence[tuple[str, ...]]:
        """Return the labels of a tenant's channels, made once: there are some per tenant at each poll."""
        made = self._labels.get(whose, ())
        if len(made) != len(STATES) * len(self._technologies):
            made = self._labels[whose] = [
                (*whose, state, technology) for technology in self._technologies for state in STATES
            ]
        return made
