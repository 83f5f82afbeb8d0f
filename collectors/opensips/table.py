"""Which metric shows which statistic of OpenSIPS: a table from `group:name` to metric and labels.

Meanings and types (counter or gauge) are those of OpenSIPS 3.6's own list_statistics.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dialtone.model import Kind, MetricDef


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
OTHER: Final = MetricDef(
    "opensips_statistic_total",
    Kind.COUNTER,
    "Every statistic that grows and has no metric of its own",
    ("node", "group", "name"),
)
OTHER_GAUGE: Final = _gauge(
    "statistic", "Every other statistic that has no metric of its own", "group", "name"
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

METRICS: Final = (*dict.fromkeys(row.metric for row in _TABLE), OTHER, OTHER_GAUGE)
"""Every metric of the table, and the two of what is not in it."""


@lru_cache(4096)
def known(name: str) -> tuple[MetricDef, tuple[str, ...], float] | None:
    """Return the metric of a statistic, its labels but the node's, and its scale; None where it has none."""
    for row in _ROWS.get(name.partition(":")[0], ()):
        if match := row.pattern.fullmatch(name):
            return row.metric, tuple(match.expand(label) for label in row.labels), row.scale
    return None
