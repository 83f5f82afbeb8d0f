"""The platforms that the benchmarks' servers speak of, and a collector for one of them."""

from typing import Final

from benchmarks.asterisk.recorded import ACCOUNT_CODES
from benchmarks.asterisk.server import SECRET, USER
from benchmarks.opensips.servers import PLATFORM, tenants
from collectors.asterisk import AsteriskCollector
from dialtone.config import TenantTree
from dialtone.model import Level, Node, NodeKind, Secret, Tenant
from dialtone.runtime.clock import SystemClock

_RESELLER: Final = f"r0.{PLATFORM}"


def big_platform(clients: int) -> TenantTree:
    """Return so many tenants, resellers among them, whose domains are their account codes."""
    return TenantTree(_platform(), [_tenant(domain) for domain in tenants(clients)])


def recorded_platform() -> TenantTree:
    """Return the tenants of the recorded streams."""
    clients = [
        Tenant(f"{code}.{_RESELLER}", _RESELLER, Level.CLIENT, code, account_codes=(code,))
        for code in ACCOUNT_CODES
    ]
    return TenantTree(_platform(), [_tenant(_RESELLER), *clients])


def node_at(endpoint: str, timeout: float) -> Node:
    """Return the node that such a server is."""
    return Node("pbx1", NodeKind.ASTERISK, endpoint, username=USER, secret=Secret(SECRET), timeout=timeout)


def collector_of(endpoint: str, tree: TenantTree, *, timeout: float) -> AsteriskCollector:
    """Return a collector of such a server."""
    return AsteriskCollector(node_at(endpoint, timeout), tree, SystemClock())


def _platform() -> Tenant:
    return Tenant(PLATFORM, None, Level.PLATFORM, PLATFORM)


def _tenant(domain: str) -> Tenant:
    parent = domain.partition(".")[2]
    level = Level.RESELLER if parent == PLATFORM else Level.CLIENT
    return Tenant(domain, parent, level, domain)
