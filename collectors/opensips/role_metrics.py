"""What is published of the modules' lists and of the dialog profiles: metrics, pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from collectors.opensips.destinations import Destination, State
from collectors.opensips.names import Names
from collectors.opensips.roles import Pipe, Ratelimit, Roles
from dialtone.model import Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup

MOST_PIPES: Final = 200
"""Pipes of no tenant that are published; the others are left out."""
MOST_PREFIXES: Final = 50
"""What the names of tenants' pipes may have before the domain; a pipe with another one is no tenant's."""

_WHERE: Final = ("module", "group", "destination")


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"opensips_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


def _of_tenants(name: str, text: str, *labels: str) -> MetricDef:
    whose = ("node", "tenant", "reseller")
    return MetricDef(f"opensips_tenant_{name}", Kind.GAUGE, text, (*whose, *labels), MetricScope.TENANT)


_UP = _gauge("destination_up", "1 where calls are sent to a destination, 0 where they are not", *_WHERE)
_STATE = _gauge("destination_state", "1 for the state of a destination, 0 for the others", *_WHERE, "state")
_HITS = MetricDef(
    "opensips_dispatcher_first_hits_total",
    Kind.COUNTER,
    "Times that the dispatcher chose a destination first",
    ("node", "group", "destination"),
)
_BALANCED = _gauge(
    "load_balancer_calls", "Calls now on a resource of a destination", "group", "destination", "resource"
)
_CAPACITY = _gauge(
    "load_balancer_capacity_calls",
    "Calls that a resource of a destination may have",
    *("group", "destination", "resource"),
)
_BLOCKED = _gauge("pike_blocked_addresses", "Addresses that pike blocks now")
_REQUESTS = _gauge(
    "ratelimit_pipe_requests", "Requests of the last complete interval of a pipe, refused ones too", "pipe"
)
_LIMIT = _gauge("ratelimit_pipe_limit", "The limit of a pipe, as the script gives it to rl_check()", "pipe")
_DROPPED = _gauge(
    "ratelimit_drop_ratio", "Share of requests that pipes of the algorithm FEEDBACK drop now", unit="ratio"
)
_TENANT_REQUESTS = _of_tenants(
    "ratelimit_requests",
    "Requests of the last complete interval of a tenant's pipe, refused ones too",
    "pipe",
)
_TENANT_LIMIT = _of_tenants(
    "ratelimit_limit",
    "The limit of a tenant's pipe, as the script gives it to rl_check()",
    "pipe",
)
_PEER = _gauge(
    "cluster_node_up", "1 where the link to another node of a cluster is up, else 0", "cluster", "peer"
)
_TAG = _gauge(
    "cluster_sharing_tag_active",
    "1 where this node has a sharing tag active, 0 where it is a backup",
    *("cluster", "tag"),
)
_SYNCED = _gauge(
    "cluster_capability_synced",
    "1 where what a module shares over a cluster (dialogs, contacts, pipes) is in sync, else 0",
    *("cluster", "capability"),
)
_PROCESS = _gauge("process_info", "1; what a process is for", "process", "role")
_PROFILE = _gauge(
    "dialog_profile_dialogs", "Live dialogs by the value of a dialog profile", "profile", "value"
)
METRICS: Final = (
    *(_UP, _STATE, _HITS, _BALANCED, _CAPACITY),
    *(_BLOCKED, _REQUESTS, _LIMIT, _DROPPED, _TENANT_REQUESTS, _TENANT_LIMIT),
    *(_PEER, _TAG, _SYNCED, _PROCESS, _PROFILE),
)

_SEPARATORS: Final = "_:/@|"
"""What may stand between a prefix and the domain in a pipe's name."""


def role_samples(node: str, roles: Roles, at: datetime) -> Iterator[Sample]:
    """Yield what the modules list, but of ratelimit."""
    for one in roles.destinations:
        yield from _destination(node, one, at)
    if roles.blocked is not None:
        yield _BLOCKED.sample(node, value=roles.blocked, at=at)
    for peer in roles.peers:
        yield _PEER.sample(node, peer.cluster, peer.name, value=float(peer.up), at=at)
    for tag in roles.tags:
        yield _TAG.sample(node, tag.cluster, tag.name, value=float(tag.active), at=at)
    for shared in roles.capabilities:
        yield _SYNCED.sample(node, shared.cluster, shared.name, value=float(shared.synced), at=at)
    for process, role in roles.processes.items():
        yield _PROCESS.sample(node, process, role, value=1, at=at)


def _destination(node: str, one: Destination, at: datetime) -> Iterator[Sample]:
    where = (one.module, one.group, one.name)
    yield _UP.sample(node, *where, value=float(one.state is State.ACTIVE), at=at)
    for state in State:
        yield _STATE.sample(node, *where, state, value=float(one.state is state), at=at)
    if one.hits is not None:
        yield _HITS.sample(node, one.group, one.name, value=one.hits, at=at)
    for load in one.loads:
        resource = (one.group, one.name, load.resource)
        yield _BALANCED.sample(node, *resource, value=load.now, at=at)
        yield _CAPACITY.sample(node, *resource, value=load.most, at=at)


def profile_samples(node: str, profiles: Mapping[str, Mapping[str, int]], at: datetime) -> Iterator[Sample]:
    """Yield the live dialogs of each value of each profile."""
    for profile, values in profiles.items():
        for value, count in values.items():
            yield _PROFILE.sample(node, profile, value, value=count, at=at)


class Pipes:
    """The pipes of ratelimit, those of tenants apart. `left_out` counts those over MOST_PIPES."""

    def __init__(self, ratelimit: Ratelimit | None, tenants: TenantLookup) -> None:
        self._ratelimit = ratelimit or Ratelimit()
        self._tenants = tenants
        self._names = Names(tenants)
        self._of_tenants: dict[tuple[str, str], Pipe] = {}
        self._prefixes: set[str] = set()
        others = [pipe for pipe in self._ratelimit.pipes if not self._take(pipe)]
        self._others = sorted(others, key=lambda pipe: pipe.name)[:MOST_PIPES]
        self.left_out = len(others) - len(self._others)

    def _take(self, pipe: Pipe) -> bool:
        """Whether a pipe is a tenant's."""
        owner, prefix = self._names.match(pipe.name), ""
        if owner is None and (cut := self._names.prefix(pipe.name, _SEPARATORS)):
            prefix, owner = cut
        if owner is None or (prefix not in self._prefixes and len(self._prefixes) >= MOST_PREFIXES):
            return False
        self._prefixes.add(prefix)
        return self._of_tenants.setdefault((owner.domain, prefix), pipe) is pipe

    def samples(self, node: str, at: datetime) -> Iterator[Sample]:
        """Yield what each pipe counts and its limit; `pipe` is what a tenant's has before the domain."""
        for (domain, prefix), pipe in self._of_tenants.items():
            whose = (node, domain, self._tenants.reseller(domain), prefix)
            yield _TENANT_REQUESTS.sample(*whose, value=pipe.requests, at=at)
            yield _TENANT_LIMIT.sample(*whose, value=pipe.limit, at=at)
        for pipe in self._others:
            yield _REQUESTS.sample(node, pipe.name, value=pipe.requests, at=at)
            yield _LIMIT.sample(node, pipe.name, value=pipe.limit, at=at)
        if self._ratelimit.drop is not None:
            yield _DROPPED.sample(node, value=self._ratelimit.drop / 100, at=at)
