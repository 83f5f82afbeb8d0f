"""What is published of OpenSIPS: a table from `group:name` to metric and labels.

Meanings and types (counter or gauge) are those of OpenSIPS 3.6's own list_statistics.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from collectors.opensips import registered, role_metrics, series
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.role_metrics import Pipes, profile_samples, role_samples
from collectors.opensips.series import Series
from collectors.opensips.strangers import Strangers
from collectors.opensips.traffic import SESSION_EVENTS, TENANT_SESSIONS, Sessions
from dialtone.model import UNKNOWN_TENANT, Kind, MetricDef, MetricScope, Sample
from dialtone.ports import TenantLookup


def _counter(name: str, text: str, *labels: str) -> MetricDef:
    return MetricDef(f"opensips_{name}_total", Kind.COUNTER, text, ("node", *labels))


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"opensips_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


_REQUESTS = _counter("core_requests", "SIP requests by what the core did with them", "action")
_REPLIES = _counter("core_replies", "SIP replies by what the core did with them", "action")
_BAD_URIS = _counter("core_bad_uris", "URIs that the parser could not parse")
_BAD_HEADERS = _counter("core_bad_headers", "SIP headers that the parser could not parse")
_SLOW = _counter("core_slow_messages", "Messages over exec_msg_threshold, where the script sets it")
_UPTIME = _gauge("uptime_seconds", "Seconds since OpenSIPS started", unit="seconds")
_LOAD = _gauge("load_ratio", "Busy share of the SIP processes", "processes", "window", unit="ratio")
_PROCESS_LOAD = _gauge("process_load_ratio", "Busy share of one process", "process", "window", unit="ratio")
_PROCESSES = _gauge("processes", "Processes now running")
_SHMEM = _gauge("shmem_bytes", "Shared memory", "kind", unit="bytes")
_FRAGMENTS = _gauge("shmem_fragments", "Free fragments of the shared memory pool")
_USERS = _gauge("usrloc_registered_users", "Addresses of record with a contact, over all tables")
_AORS = _gauge("usrloc_aors", "Addresses of record with a contact", "table")
_CONTACTS = _gauge("usrloc_contacts", "Registered contacts", "table")
_EXPIRED = _counter("usrloc_expired_contacts", "Contacts that expired without a new REGISTER", "table")
_ACTIVE = _gauge("dialog_active", "Dialogs now alive, ringing ones included")
_EARLY = _gauge("dialog_early", "Dialogs now ringing")
_PROCESSED = _counter("dialog_processed", "Dialogs created")
_DIALOG_EXPIRED = _counter("dialog_expired", "Dialogs ended by their timer instead of a BYE")
_FAILED = _counter("dialog_failed", "Dialogs that were never established")
_REPLICATION = _counter(
    "dialog_replication_events", "Dialog events between cluster nodes", "event", "direction"
)
_TM_REPLIES = _counter("tm_replies", "Replies that matched or were made by a transaction", "kind")
_OPENED = _counter("tm_transactions", "Transactions opened, by side", "side")
_COMPLETED = _counter("tm_completed_transactions", "Transactions completed, by class of final reply", "class")
_IN_USE = _gauge("tm_inuse_transactions", "Transactions now held in memory")
_RETRANSMISSIONS = _counter("tm_retransmissions", "Retransmissions, by timer step", "message", "timer")
_TIMEOUTS = _counter("tm_timeouts", "Branches that timed out with no reply at all")
_INVITE_TIMEOUTS = _counter("tm_invite_timeouts", "INVITE branches that timed out without a final reply")
_CLUSTER = _counter("tm_cluster_messages", "Messages between anycast nodes", "message", "direction")
_SL_REPLIES = _counter("sl_replies", "Stateless replies sent, by class", "class")
_SL_SENT = _counter("sl_sent_replies", "Stateless replies sent")
_SL_ERRORS = _counter("sl_sent_error_replies", "Stateless replies sent by sl_reply_error()")
_SL_ACKS = _counter("sl_received_acks", "ACKs absorbed for stateless replies")
_PKMEM = _gauge("pkmem_bytes", "Private memory of a process", "process", "kind", unit="bytes")
_PK_FRAGMENTS = _gauge("pkmem_fragments", "Free fragments of a process's private memory", "process")
_RPMEM = _gauge("rpmem_bytes", "Memory that outlives restarts", "kind", unit="bytes")
_RP_FRAGMENTS = _gauge("rpmem_fragments", "Free fragments of the memory that outlives restarts")
_WAITING = _gauge("net_waiting_bytes", "Bytes received and not read yet", "transport", unit="bytes")
_REGISTRATIONS = _counter("registrar_registrations", "REGISTERs by what the registrar did", "result")
_MAX_EXPIRES = _gauge(
    "registrar_max_expires_seconds", "Longest life of a contact; 0: no limit", unit="seconds"
)
_DEFAULT_EXPIRES = _gauge(
    "registrar_default_expires_seconds", "Life of a contact that asks for none", unit="seconds"
)
_MAX_CONTACTS = _gauge("registrar_max_contacts", "Contacts that an address may have; 0: no limit")
_QUERIES = _counter("queries", "Queries of databases, DNS and caches", "backend")
_SLOW_QUERIES = _counter("slow_queries", "Queries that took longer than the script allows", "backend")
_NODES = _gauge("clusterer_nodes", "Nodes of the cluster, by state", "state")
_OTHER = MetricDef(
    "opensips_statistic_total",
    Kind.COUNTER,
    "Every statistic that grows and has no metric of its own",
    ("node", "group", "name"),
)
_OTHER_GAUGE = _gauge("statistic", "Every other statistic that has no metric of its own", "group", "name")
TENANT_EVENTS: Final = MetricDef(
    "opensips_tenant_events_total",
    Kind.COUNTER,
    'What the script counts of a tenant: update_stat("tenants:DOMAIN_EVENT")',
    ("node", "tenant", "reseller", "event"),
    MetricScope.TENANT,
)
TENANT_DIALOGS: Final = MetricDef(
    "opensips_tenant_dialogs",
    Kind.GAUGE,
    "Live dialogs of a tenant, from the dialog profile that the script sets",
    ("node", "tenant", "reseller"),
    MetricScope.TENANT,
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One statistic, or a family of them: `pattern` matches `group:name`, groups fill the labels."""

    pattern: re.Pattern[str]
    metric: MetricDef
    labels: tuple[str, ...] = ()
    scale: float = 1.0


def _row(pattern: str, metric: MetricDef, *labels: str, scale: float = 1.0) -> _Row:
    return _Row(re.compile(pattern), metric, labels, scale)


_ACTIONS: Final = {"rcv": "received", "fwd": "forwarded", "drop": "dropped", "err": "malformed"}
_PERCENT: Final = 0.01

_TABLE: Final = (
    *(_row(f"core:{s}_requests", _REQUESTS, action) for s, action in _ACTIONS.items()),
    *(_row(f"core:{s}_replies", _REPLIES, action) for s, action in _ACTIONS.items()),
    _row("core:bad_URIs_rcvd", _BAD_URIS),
    _row("core:bad_msg_hdr", _BAD_HEADERS),
    _row("core:slow_messages", _SLOW),
    _row("core:timestamp", _UPTIME),
    _row("load:load", _LOAD, "core", "now", scale=_PERCENT),
    _row("load:load(1m|10m)", _LOAD, "core", r"\1", scale=_PERCENT),
    _row("load:load-all", _LOAD, "all", "now", scale=_PERCENT),
    _row("load:load(1m|10m)-all", _LOAD, "all", r"\1", scale=_PERCENT),
    _row(r"load:load-proc-(\d{1,5})", _PROCESS_LOAD, r"\1", "now", scale=_PERCENT),
    _row(r"load:load(1m|10m)-proc-(\d{1,5})", _PROCESS_LOAD, r"\2", r"\1", scale=_PERCENT),
    _row("load:processes_number", _PROCESSES),
    _row("shmem:(total|max_used|free|used|real_used)_size", _SHMEM, r"\1"),
    _row("shmem:fragments", _FRAGMENTS),
    _row("usrloc:registered_users", _USERS),
    _row("usrloc:(.{1,64})-users", _AORS, r"\1"),
    _row("usrloc:(.{1,64})-contacts", _CONTACTS, r"\1"),
    _row("usrloc:(.{1,64})-expires", _EXPIRED, r"\1"),
    _row("dialog:active_dialogs", _ACTIVE),
    _row("dialog:early_dialogs", _EARLY),
    _row("dialog:processed_dialogs", _PROCESSED),
    _row("dialog:expired_dialogs", _DIALOG_EXPIRED),
    _row("dialog:failed_dialogs", _FAILED),
    _row("dialog:(create|update|delete)_(sent|recv)", _REPLICATION, r"\1", r"\2"),
    _row("tm:(received|relayed|local)_replies", _TM_REPLIES, r"\1"),
    _row("tm:UAS_transactions", _OPENED, "uas"),
    _row("tm:UAC_transactions", _OPENED, "uac"),
    _row("tm:([2-6]xx)_transactions", _COMPLETED, r"\1"),
    _row("tm:inuse_transactions", _IN_USE),
    _row("tm:retransmission_req_(T1_1|T1_2|T1_3|T2)", _RETRANSMISSIONS, "request", r"\1"),
    _row("tm:retransmission_rpl_(T2)", _RETRANSMISSIONS, "reply", r"\1"),
    _row("tm:timeout_finalresponse", _TIMEOUTS),
    _row("tm:timeout_finalresponse_inv", _INVITE_TIMEOUTS),
    _row("tm:cluster_(reply|request|cancel)_(sent|recv)", _CLUSTER, r"\1", r"\2"),
    _row("sl:([1-6]xx)_replies", _SL_REPLIES, r"\1"),
    _row("sl:sent_replies", _SL_SENT),
    _row("sl:sent_err_replies", _SL_ERRORS),
    _row("sl:received_ACKs", _SL_ACKS),
    _row(r"pkmem:(\d{1,5})-(total|used|real_used|max_used|free)_size", _PKMEM, r"\1", r"\2"),
    _row(r"pkmem:(\d{1,5})-fragments", _PK_FRAGMENTS, r"\1"),
    _row("rpmem:rpm_(total|used|real_used|max_used|free)_size", _RPMEM, r"\1"),
    _row("rpmem:rpm_fragments", _RP_FRAGMENTS),
    _row("net:waiting_(udp|tcp|tls)", _WAITING, r"\1"),
    _row("registrar:(accepted|rejected)_regs", _REGISTRATIONS, r"\1"),
    _row("registrar:max_expires", _MAX_EXPIRES),
    _row("registrar:default_expires?", _DEFAULT_EXPIRES),
    _row("registrar:max_contacts", _MAX_CONTACTS),
    _row("(sql|dns|cdb):(?:sql|dns|cdb)_total_queries", _QUERIES, r"\1"),
    _row("(sql|dns|cdb):(?:sql|dns|cdb)_slow_queries", _SLOW_QUERIES, r"\1"),
    _row("clusterer:clusterer_nodes", _NODES, "all"),
    _row("clusterer:clusterer_nodes_(up|down)", _NODES, r"\1"),
)
def _by_group() -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in _TABLE:
        for group in row.pattern.pattern.partition(":")[0].strip("()").split("|"):
            found.setdefault(group, []).append(row)
    return found


_ROWS: Final = _by_group()
"""The table by group; what is in none of its groups is looked up no further."""

_UNGROUPED: Final = "dynamic"
"""The group of all statistics of scripts before 2.x."""
_SCRIPTS: Final = ("tenants", _UNGROUPED)
"""The groups in which a script counts for tenants."""
_EVENT: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
_MOST_EVENTS: Final = 50
"""Kinds of tenants' events that are told apart at a server."""

METRICS: Final = (
    *dict.fromkeys(row.metric for row in _TABLE),
    *(_OTHER, _OTHER_GAUGE, *role_metrics.METRICS, *series.METRICS),
    *(TENANT_EVENTS, TENANT_SESSIONS, TENANT_DIALOGS),
    *registered.METRICS,
)
"""Every metric of this collector, for the catalogue."""


def samples(node: str, snapshot: OpensipsSnapshot, tenants: TenantLookup, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one snapshot; each statistic is in one of them."""
    return published(node, snapshot, tenants, at)[0]


def published(
    node: str, snapshot: OpensipsSnapshot, tenants: TenantLookup, at: datetime
) -> tuple[tuple[Sample, ...], dict[str, str]]:
    """Return the samples of one snapshot, and what else is to be said of it."""
    strangers = Strangers(tenants)
    pipes = Pipes(snapshot.roles.ratelimit, tenants)
    found = (
        *_statistics(node, snapshot, strangers, at),
        *role_samples(node, snapshot.roles, at),
        *pipes.samples(node, at),
        *profile_samples(node, snapshot.profiles, at),
        *_tenant_calls(node, snapshot, strangers, at),
    )
    notes = {"unknown domains": str(strangers)} if str(strangers) else {}
    if pipes.left_out:
        notes["ratelimit"] = f"{pipes.left_out} pipes of no tenant are left out"
    return found, notes


def _statistics(
    node: str, snapshot: OpensipsSnapshot, strangers: Strangers, at: datetime
) -> Iterator[Sample]:
    events = _Events(strangers)
    of_tenants = Series(strangers.tenants)
    for name, value in snapshot.statistics.items():
        group, _, rest = name.partition(":")
        kind = snapshot.kinds.get(name)
        counts = kind is Kind.COUNTER
        if group in _SCRIPTS:
            # Without any kinds, because their list could not be read, those of tenants are what they ever were.
            if (counts or group == _UNGROUPED or not snapshot.kinds) and events.take(group, rest, value):
                continue
        elif group in _ROWS and (known := _known(name)) is not None:
            metric, labels, scale = known
            yield metric.sample(node, *labels, value=value * scale, at=at)
            continue
        if kind is Kind.GAUGE and of_tenants.take(rest, value):
            continue
        yield (_OTHER if counts else _OTHER_GAUGE).sample(node, group, rest, value=value, at=at)
    for event, value in events.sums.items():
        yield TENANT_EVENTS.sample(node, *event, value=value, at=at)
    yield from events.sessions.samples(node, at)
    yield from of_tenants.samples(node, at)


class _Events:
    """What a script counts of tenants: `sums` by tenant, reseller and event, and `sessions`."""

    def __init__(self, tenants: TenantLookup) -> None:
        self.sums: dict[tuple[str, str, str], float] = {}
        self.sessions = Sessions()
        self._tenants = tenants
        self._owners: dict[str, tuple[str, str]] = {}
        self._words: set[str] = set()

    def take(self, group: str, name: str, value: float) -> bool:
        """Count DOMAIN_EVENT in; False where it is none."""
        host, _, word = name.partition("_")
        session = SESSION_EVENTS.get(word)
        if session is None and word not in self._words:
            if len(self._words) >= _MOST_EVENTS or not _EVENT.fullmatch(word):
                return False
            self._words.add(word)
        owner = self._owner(host)
        if group == _UNGROUPED and owner[0] == UNKNOWN_TENANT:
            return False
        if session is not None:
            self.sessions.add(owner, session, value)
            return True
        key = (*owner, word)
        self.sums[key] = self.sums.get(key, 0.0) + value
        return True

    def _owner(self, host: str) -> tuple[str, str]:
        if host not in self._owners:
            found = self._tenants.match(host)
            domain = found.domain if found else UNKNOWN_TENANT
            self._owners[host] = domain, self._tenants.reseller(domain)
        return self._owners[host]


@lru_cache(4096)
def _known(name: str) -> tuple[MetricDef, tuple[str, ...], float] | None:
    """Return the metric of a statistic, its labels but the node's, and its scale; None where it has none."""
    for row in _ROWS[name.partition(":")[0]]:
        if match := row.pattern.fullmatch(name):
            return row.metric, tuple(match.expand(label) for label in row.labels), row.scale
    return None


def _tenant_calls(
    node: str, snapshot: OpensipsSnapshot, strangers: Strangers, at: datetime
) -> Iterator[Sample]:
    """Yield one sample a configured tenant, 0 for the quiet ones, and `_unknown` for the rest."""
    if snapshot.calls is None:
        return
    live = dict.fromkeys(strangers.domains, 0) | {UNKNOWN_TENANT: 0}
    for value, count in snapshot.calls.items():
        owner = strangers.match(value)
        live[owner.domain if owner else UNKNOWN_TENANT] += count
        if owner is None and value:
            strangers.add(value)
    for domain, count in live.items():
        yield TENANT_DIALOGS.sample(node, domain, strangers.reseller(domain), value=count, at=at)
