"""Tenants' sessions from what a script counts: update_stat("tenants:DOMAIN_EVENT") (pure).

The events that mean one: `invites`, `answered`, `completed` and `failed_CODE`, the final SIP status of a call
that was not answered. RFC 6076 4.6 to 4.9 say which statuses count together.
"""

from collections.abc import Mapping
from typing import Final

from dialtone.model import Kind, MetricDef, MetricScope, SessionResult

TENANT_SESSIONS: Final = MetricDef(
    "opensips_tenant_sessions_total",
    Kind.COUNTER,
    "A tenant's sessions by what the script counts: all INVITEs (attempted), how they ended, those completed",
    ("node", "tenant", "reseller", "result"),
    MetricScope.TENANT,
)

TENANT_EVENTS: Final = MetricDef(
    "opensips_tenant_events_total",
    Kind.COUNTER,
    'What the script counts of a tenant: update_stat("tenants:DOMAIN_EVENT")',
    ("node", "tenant", "reseller", "event"),
    MetricScope.TENANT,
)

_END_USER: Final = (480, 486, 600, 603)
_INEFFECTIVE: Final = (408, 500, 503, 504)

OTHERS: Final = "_other"
"""The event that all those are counted as that are of too many kinds."""


def _ended(status: int) -> SessionResult:
    """Return what a final response other than 2xx makes of a session."""
    if status < 400:
        return SessionResult.REDIRECTED
    if status in _END_USER:
        return SessionResult.END_USER
    return SessionResult.INEFFECTIVE if status in _INEFFECTIVE else SessionResult.FAILED


SESSION_EVENTS: Final[Mapping[str, SessionResult]] = {
    "invites": SessionResult.ATTEMPTED,
    "answered": SessionResult.ESTABLISHED,
    "completed": SessionResult.COMPLETED,
    **{f"failed_{status}": _ended(status) for status in range(300, 700)},
}
"""The events that are counted as sessions, and as nothing else."""
