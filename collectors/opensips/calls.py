"""The live calls of each tenant."""

from collections.abc import Mapping
from datetime import datetime
from itertools import repeat
from typing import Final

from collectors.opensips.many import samples_of
from collectors.opensips.strangers import Strangers
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

TENANT_DIALOGS: Final = MetricDef(
    "opensips_tenant_dialogs",
    Kind.GAUGE,
    "Live dialogs of a tenant, from the dialog profile that the script sets",
    ("node", "tenant", "reseller"),
    MetricScope.TENANT,
)


class Calls:
    """Makes samples of them; the labels of the tenants are made once."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._tenants: TenantLookup | None = None
        self._labels: list[tuple[str, ...]] = []
        self._none: dict[str, int] = {}

    def samples(self, calls: Mapping[str, int], strangers: Strangers, at: datetime) -> list[Sample]:
        """Return one sample a configured tenant, 0 for the quiet ones, and `_unknown` for the rest."""
        if strangers.tenants is not self._tenants:
            self._tenants = strangers.tenants
            self._none = dict.fromkeys((*strangers.domains, UNKNOWN_TENANT), 0)
            self._labels = [(self._node, domain, strangers.reseller(domain)) for domain in self._none]
        live = self._none.copy()
        for value, count in calls.items():
            if value in live:  # nearly all of them are written as the tenant is
                live[value] += count
                continue
            owner = strangers.match(value)
            live[owner.domain if owner else UNKNOWN_TENANT] += count
            if owner is None and value:
                strangers.add(value)
        return samples_of(repeat(TENANT_DIALOGS.name), self._labels, live.values(), at)
