"""A node of a Galera or Percona XtraDB cluster, from its status; pure.

Variables: MariaDB KB, "Galera Cluster Status Variables"; Percona XtraDB Cluster 8.0, "Index of wsrep status
variables".
"""

from typing import Final

from collectors.mysql.fields import Facts, line
from collectors.mysql.snapshot import Galera

_NO_VIEW: Final = 2**64 - 1
"""wsrep_cluster_conf_id is -1 in 64 bits where there is no primary component; wsrep_local_index likewise."""

_MOST_MEMBERS: Final = 256
_NANOSECOND: Final = 1e-9


def parse_galera(variables: Facts, status: Facts) -> Galera | None:
    """Return the node; None on a server without a provider of wsrep. Raises CollectError."""
    if variables.raw("wsrep_provider").lower() in ("", "none"):
        return None
    # An arbitrator is a member without an address: it takes a place, and the index counts it.
    places = [
        line(address.strip())
        for address in status.raw("wsrep_incoming_addresses").split(",", _MOST_MEMBERS)[:_MOST_MEMBERS]
    ]
    index = status.whole("wsrep_local_index")
    view = status.whole("wsrep_cluster_conf_id")
    return Galera(
        status=status.text("wsrep_cluster_status"),
        size=status.whole("wsrep_cluster_size") or 0,
        view=None if view is None or view >= _NO_VIEW else view,
        cluster_uuid=status.text("wsrep_cluster_state_uuid"),
        members=tuple(address for address in places if address),
        own=places[index] if index is not None and index < len(places) else "",
        state=status.text("wsrep_local_state_comment"),
        ready=status.on("wsrep_ready"),
        connected=status.on("wsrep_connected"),
        committed=_committed(status),
        receive_queue=status.whole("wsrep_local_recv_queue") or 0,
        send_queue=status.whole("wsrep_local_send_queue") or 0,
        paused=(status.whole("wsrep_flow_control_paused_ns") or 0) * _NANOSECOND,
        pauses_sent=status.whole("wsrep_flow_control_sent") or 0,
        pauses_received=status.whole("wsrep_flow_control_recv") or 0,
        pause_requested=status.on("wsrep_flow_control_requested"),
        certification_failures=status.whole("wsrep_local_cert_failures") or 0,
        brute_force_aborts=status.whole("wsrep_local_bf_aborts") or 0,
        desync=variables.on("wsrep_desync"),
        # XtraDB 8.0 has wsrep_on of sessions alone: there it is nothing that SHOW GLOBAL VARIABLES tells.
        replicating="wsrep_on" not in variables or not variables.off("wsrep_on"),
        rejects=variables.raw("wsrep_reject_queries").upper() not in ("", "NONE"),
    )


def _committed(status: Facts) -> int:
    # -1 before the first view.
    told = status.raw("wsrep_last_committed")
    return 0 if told.startswith("-") else status.whole("wsrep_last_committed") or 0
