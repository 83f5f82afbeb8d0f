"""Blind and attended transfers, counted by what Asterisk says of them; pure.

Asterisk's "Success" means that it could do as it was asked, not that anybody answered: a blind transfer to a
busy phone is one (measured on 16.28 and 22.10). Source of the words: main/bridge.c, `ast_transfer_result`.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Final

from collectors.asterisk.parse import Channel, is_event, parse_channel
from collectors.asterisk.tally import Tally
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

RESULTS: Final = ("success", "failed", "not-permitted", "invalid", "other")
KINDS: Final = ("blind", "attended")

TRANSFERS: Final = MetricDef(
    "asterisk_tenant_transfers_total",
    Kind.COUNTER,
    "Transfers by the tenant's phones, by what Asterisk says: a blind one to a busy phone is a success to it",
    ("node", "tenant", "reseller", "kind", "result"),
    scope=MetricScope.TENANT,
)
METRICS: Final = (TRANSFERS,)

_RESULTS: Final = {
    "Success": "success",
    "Fail": "failed",
    "Not Permitted": "not-permitted",
    "Invalid": "invalid",
}
_EVENTS: Final = {
    "BlindTransfer": ("blind", "Transferer"),
    "AttendedTransfer": ("attended", "OrigTransferer"),
}
EVENTS: Final = frozenset(_EVENTS)
"""What is heard of."""


class Transfers:
    """Counts one node's transfers, for the tenant of whoever transferred.

    `owner` says whose a channel is.
    """

    def __init__(self, owner: Callable[[Channel], str]) -> None:
        self._owner = owner
        self._tally = Tally(TRANSFERS, [(kind, result) for kind in KINDS for result in RESULTS])

    def hear(self, event: Block) -> None:
        """Take in an event; most are none of ours. Raises nothing."""
        what = _EVENTS.get(event.get("Event", ""))
        if what is None:
            return
        kind, prefix = what
        channel = parse_channel(event, prefix) if is_event(event, prefix) else None
        if channel is None:
            return
        domain = self._owner(channel)
        self._tally.add(domain, kind, _RESULTS.get(event.get("Result", ""), "other"))

    def begin(self, domain: str) -> None:
        """Have a tenant show its counts from now on, 0 at first."""
        self._tally.begin(domain)

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these; `_unknown` stays."""
        self._tally.keep({*domains, UNKNOWN_TENANT})

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the counts of every tenant that has transferred, or has begun."""
        return self._tally.samples(node, tenants, at)
