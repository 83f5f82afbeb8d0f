"""What is published of a node of a Galera cluster."""

from typing import Final

from collectors.mysql.metrics_tables import Table, gauge, total
from collectors.mysql.snapshot import Galera

GALERA_STATE: Final = gauge(
    "galera_state",
    "What the node does in its cluster, in a word; 1 for the present state",
    "state",
)

# wsrep_local_state_comment begins with these (Galera documentation, "Node State Changes"); it goes on with
# what the node is at.
_STATES: Final = ("synced", "donor", "joined", "joining", "initialized", "inconsistent", "disconnected")

GALERA: Final[Table[Galera]] = (
    (
        gauge("galera_primary", "Whether the node belongs to the primary component"),
        lambda galera: galera.primary,
    ),
    (gauge("galera_ready", "Whether the node takes queries"), lambda galera: galera.ready),
    (
        gauge("galera_connected", "Whether the node is connected to any component"),
        lambda galera: galera.connected,
    ),
    (
        gauge("galera_cluster_size", "Nodes in the component that this one belongs to"),
        lambda galera: galera.size,
    ),
    (
        gauge("galera_cluster_view", "Number of the membership; absent outside a primary component"),
        lambda galera: galera.view,
    ),
    (
        gauge("galera_desynced", "Whether the operator took the node out of step"),
        lambda galera: galera.desync,
    ),
    (
        gauge("galera_last_committed", "Sequence number of the transaction committed last"),
        lambda galera: galera.committed,
    ),
    (
        gauge("galera_receive_queue", "Write sets that are received and not applied"),
        lambda galera: galera.receive_queue,
    ),
    (gauge("galera_send_queue", "Write sets that wait to be sent"), lambda galera: galera.send_queue),
    (
        gauge("galera_flow_control_requested", "Whether the node asks the others to pause now"),
        lambda galera: galera.pause_requested,
    ),
    (
        total(
            "galera_flow_control_paused_seconds_total",
            "Time for which flow control held the node up",
            unit="seconds",
        ),
        lambda galera: galera.paused,
    ),
    (
        total("galera_flow_control_sent_total", "Pauses that the node asked the others for"),
        lambda galera: galera.pauses_sent,
    ),
    (
        total("galera_flow_control_received_total", "Pauses that the node was asked for, its own included"),
        lambda galera: galera.pauses_received,
    ),
    (
        total("galera_certification_failures_total", "Own transactions that failed certification"),
        lambda galera: galera.certification_failures,
    ),
    (
        total("galera_brute_force_aborts_total", "Own transactions that gave way to one of another node"),
        lambda galera: galera.brute_force_aborts,
    ),
)


def galera_state(galera: Galera) -> str:
    """Return the state in one word of a closed list; `other` for what is not on it."""
    told = galera.state.lower()
    return next((state for state in _STATES if told.startswith(state)), "other")
