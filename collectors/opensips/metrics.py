"""What is published of an OpenSIPS: samples of a snapshot, and what else is to be said of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from collectors.opensips import registered, role_metrics, series, table
from collectors.opensips.layout import Layout
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.role_metrics import Pipes, profile_samples, role_samples
from collectors.opensips.strangers import Strangers
from collectors.opensips.traffic import TENANT_EVENTS, TENANT_SESSIONS
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

TENANT_DIALOGS: Final = MetricDef(
    "opensips_tenant_dialogs",
    Kind.GAUGE,
    "Live dialogs of a tenant, from the dialog profile that the script sets",
    ("node", "tenant", "reseller"),
    MetricScope.TENANT,
)

METRICS: Final = (
    *(*table.METRICS, *role_metrics.METRICS, *series.METRICS),
    *(TENANT_EVENTS, TENANT_SESSIONS, TENANT_DIALOGS),
    *registered.METRICS,
)
"""Every metric of this collector, for the catalogue."""


def samples(node: str, snapshot: OpensipsSnapshot, tenants: TenantLookup, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one snapshot; each statistic is in one of them."""
    return published(node, snapshot, tenants, at)[0]


def published(
    node: str,
    snapshot: OpensipsSnapshot,
    tenants: TenantLookup,
    at: datetime,
    layout: Layout | None = None,
) -> tuple[tuple[Sample, ...], dict[str, str]]:
    """Return the samples of one snapshot, and what else is to be said of it.

    `layout` is what was found out of the server's statistics at the polls before.
    """
    layout = layout or Layout(node)
    strangers = Strangers(tenants)
    pipes = Pipes(snapshot.roles.ratelimit, tenants)
    found = (
        *layout.samples(snapshot, strangers, at),
        *role_samples(node, snapshot.roles, at),
        *pipes.samples(node, at),
        *profile_samples(node, snapshot.profiles, at),
        *_tenant_calls(node, snapshot, strangers, at),
    )
    notes = {"unknown domains": str(strangers)} if str(strangers) else {}
    if pipes.left_out:
        notes["ratelimit"] = f"{pipes.left_out} pipes of no tenant are left out"
    return found, notes


def _tenant_calls(
    node: str, snapshot: OpensipsSnapshot, strangers: Strangers, at: datetime
) -> Iterator[Sample]:
    """Yield one sample a configured tenant, 0 for the quiet ones, and `_unknown` for the rest."""
    if snapshot.calls is None:
        return
    live = dict.fromkeys(strangers.domains, 0) | {UNKNOWN_TENANT: 0}
    for value, count in snapshot.calls.items():
        if value in live:  # nearly all of them are written as the tenant is
            live[value] += count
            continue
        owner = strangers.match(value)
        live[owner.domain if owner else UNKNOWN_TENANT] += count
        if owner is None and value:
            strangers.add(value)
    for domain, count in live.items():
        yield TENANT_DIALOGS.sample(node, domain, strangers.reseller(domain), value=count, at=at)
