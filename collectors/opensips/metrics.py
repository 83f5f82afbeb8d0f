"""What is published of an OpenSIPS: samples of a snapshot, and what else is to be said of it."""

from datetime import datetime
from typing import Final

from collectors.opensips import registered, role_metrics, series, table
from collectors.opensips.calls import TENANT_DIALOGS, Calls
from collectors.opensips.layout import Layout
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.role_metrics import Pipes, profile_samples, role_samples
from collectors.opensips.strangers import Strangers
from collectors.opensips.traffic import TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import Sample
from dialtone.ports import TenantLookup

METRICS: Final = (
    *(*table.METRICS, *role_metrics.METRICS, *series.METRICS),
    *(TENANT_EVENTS, TENANT_SESSIONS, TENANT_DIALOGS),
    *registered.METRICS,
)
"""Every metric of this collector, for the catalogue."""


class Publisher:
    """Publishes the snapshots of one server; keeps what needn't be found out at each poll."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._layout = Layout(node)
        self._calls = Calls(node)

    def publish(
        self, snapshot: OpensipsSnapshot, tenants: TenantLookup, at: datetime
    ) -> tuple[tuple[Sample, ...], dict[str, str]]:
        """Return the samples of a snapshot, and what else is to be said of it."""
        node, strangers = self._node, Strangers(tenants)
        pipes = Pipes(snapshot.roles.ratelimit, tenants)
        found = (
            *self._layout.samples(snapshot, strangers, at),
            *role_samples(node, snapshot.roles, at),
            *pipes.samples(node, at),
            *profile_samples(node, snapshot.profiles, at),
            *(self._calls.samples(snapshot.calls, strangers, at) if snapshot.calls is not None else ()),
        )
        notes = {"unknown domains": str(strangers)} if str(strangers) else {}
        if self._layout.left_out:
            notes["other statistics"] = f"{self._layout.left_out} without a metric of their own are left out"
        if pipes.left_out:
            notes["ratelimit"] = f"{pipes.left_out} pipes of no tenant are left out"
        return found, notes


def samples(node: str, snapshot: OpensipsSnapshot, tenants: TenantLookup, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one snapshot; each statistic is in one of them."""
    return Publisher(node).publish(snapshot, tenants, at)[0]
