"""One schema: every field of it, for every server and version, from its own rows."""

from dataclasses import asdict
from typing import Any

import pytest

from collectors.mysql.snapshot import Channel, Flavour, Galera, Server
from tests.unit.mysql.recordings import recording

U1, U2 = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4d8b564f-03f4-4975-856a-0e65c3105328"
V9 = ("a43003cc-e6cd-11f1-a6ea-02fc00000001", "a42d4271-e6cd-11f1-87ed-02fc00000001")

CLOCK = {"offset": 0.25, "error": 0.001}
NO_SEMI_SYNC = {
    "source_enabled": False,
    "source_active": False,
    "clients": 0,
    "unacknowledged": 0,
    "replica_enabled": False,
    "replica_active": False,
}
OUR_SEMI_SYNC = NO_SEMI_SYNC | {"replica_enabled": True, "replica_active": True}

WRITTEN = {
    "flavour": Flavour.MYSQL,
    "server_id": 2,
    "server_uuid": U2,
    "read_only": True,
    "super_read_only": True,
    "clock": CLOCK,
    "gtid": f"{U1}:1-28",
    "place": {"file": "replica-bin.000004", "position": 2731},
    "increment": 2,
    "offset": 2,
    "replicas": 0,
    "skips": "replica_skip_errors=1062",
    "skipped": None,
    "net_timeout": 60.0,
    "uptime": 8123.0,
    "semi_sync": OUR_SEMI_SYNC,
}
MARIADB = {
    "flavour": Flavour.MARIADB,
    "server_uuid": "",
    "super_read_only": None,
    "clock": CLOCK,
    "increment": 1,
    "offset": 1,
    "skips": "",
    "skipped": 0,
    "net_timeout": 4.0,
    "uptime": 1.0,
    "semi_sync": None,
}

SERVERS: dict[tuple[str, str], dict[str, Any]] = {
    ("mysql-5.7", "healthy"): WRITTEN | {"version": "5.7.44-log", "skips": "slave_skip_errors=1062"},
    ("mysql-8.0", "healthy"): WRITTEN | {"version": "8.0.36"},
    ("mysql-8.4", "healthy"): WRITTEN | {"version": "8.4.3"},
    ("mysql-9.7", "healthy"): {
        "version": "9.7.4-2",
        "flavour": Flavour.MYSQL,
        "server_id": 202,
        "server_uuid": V9[1],
        "read_only": True,
        "super_read_only": False,
        "clock": CLOCK,
        "gtid": f"{V9[0]}:1-11",
        "place": {"file": "bin.000001", "position": 3217},
        "increment": 1,
        "offset": 1,
        "replicas": 0,
        "skips": "",
        "skipped": None,
        "net_timeout": 4.0,
        "uptime": None,
        "semi_sync": None,
    },
    ("mysql-9.7", "source_healthy"): {
        "version": "9.7.4-2",
        "flavour": Flavour.MYSQL,
        "server_id": 201,
        "server_uuid": V9[0],
        "read_only": False,
        "super_read_only": False,
        "clock": CLOCK,
        "gtid": f"{V9[0]}:1-15",
        "place": {"file": "bin.000001", "position": 4155},
        "increment": 1,
        "offset": 1,
        "replicas": 1,
        "skips": "",
        "skipped": None,
        "net_timeout": 4.0,
        "uptime": None,
        "semi_sync": None,
    },
    ("xtradb-8.0", "healthy"): {
        "version": "8.0.36-28.1",
        "flavour": Flavour.MYSQL,
        "server_id": 11,
        "server_uuid": U2,
        "read_only": False,
        "super_read_only": False,
        "clock": CLOCK,
        "gtid": f"{U1}:1-77",
        "place": {"file": "binlog.000002", "position": 1190},
        "increment": 3,
        "offset": 1,
        "replicas": 0,
        "skips": "",
        "skipped": None,
        "net_timeout": 60.0,
        "uptime": 900.0,
        "semi_sync": None,
    },
    ("mariadb-10.11", "healthy"): MARIADB
    | {
        "version": "10.11.19-MariaDB-0+deb12u1-log",
        "server_id": 2,
        "read_only": True,
        "gtid": "0-1-9",
        "place": {"file": "bin.000001", "position": 2398},
        "replicas": 0,
    },
    ("mariadb-10.11", "primary_healthy"): MARIADB
    | {
        "version": "10.11.19-MariaDB-0+deb12u1-log",
        "server_id": 1,
        "read_only": False,
        "gtid": "0-1-12",
        "place": {"file": "bin.000001", "position": 2978},
        "replicas": 1,
    },
    ("mariadb-10.11", "active_passive_passive"): MARIADB
    | {
        "version": "10.11.19-MariaDB-0+deb12u1-log",
        "server_id": 12,
        "read_only": True,
        "gtid": "0-11-10",
        "place": {"file": "bin.000001", "position": 2502},
        "increment": 2,
        "offset": 2,
        "replicas": 1,
        "uptime": 2.0,
    },
    ("mariadb-10.11", "not_a_replica"): MARIADB
    | {
        "version": "10.11.19-MariaDB-0+deb12u1-log",
        "server_id": 13,
        "read_only": False,
        "gtid": "0-11-595",
        "place": {"file": "bin.000001", "position": 322},
        "replicas": 0,
        "uptime": 3.0,
    },
    ("mariadb-11.8", "healthy"): MARIADB
    | {
        "version": "11.8.6-MariaDB-0+deb13u1 from Debian-log",
        "server_id": 42,
        "read_only": False,
        "gtid": "0-41-9",
        "place": {"file": "bin.000001", "position": 2206},
        "replicas": 0,
    },
}

BY_HAND = {
    "name": "default",
    "source_id": 1,
    "source_uuid": U1,
    "source_address": "192.0.2.1:3306",
    "io_running": True,
    "connecting": False,
    "sql_running": True,
    "lag": 2.0,
    "delay": 0.0,
    "io_error": None,
    "sql_error": None,
    "io_state": "Waiting for source to send event",
    "applier_state": "Replica has read all relay log; waiting for more updates",
    "received": f"{U1}:1-30",
    "executed": f"{U1}:1-28",
    "read_place": {"file": "source-bin.000002", "position": 4307},
    "executed_place": {"file": "source-bin.000002", "position": 4007},
    "relay_space": 1858,
    "workers": {"configured": 4, "running": 4, "applying": 1},
    "source_heartbeats": 17,
    "heartbeat_period": 30.0,
}
ON_MARIADB = {
    "name": "default",
    "source_uuid": "",
    "io_running": True,
    "connecting": False,
    "sql_running": True,
    "lag": 0.0,
    "delay": 0.0,
    "io_error": None,
    "sql_error": None,
    "io_state": "Waiting for master to send event",
    "applier_state": "Slave has read all relay log; waiting for more updates",
    "workers": {"configured": 0, "running": None, "applying": None},
    "source_heartbeats": 0,
    "heartbeat_period": 1.0,
}
CHANNELS: dict[tuple[str, str], tuple[dict[str, Any], ...]] = {
    ("mysql-5.7", "healthy"): (
        BY_HAND
        | {
            "io_state": "Waiting for master to send event",
            "applier_state": "Slave has read all relay log; waiting for more updates",
            "workers": {"configured": 4, "running": 4, "applying": None},
        },
    ),
    ("mysql-8.0", "healthy"): (BY_HAND,),
    ("mysql-8.4", "healthy"): (BY_HAND,),
    ("mysql-9.7", "healthy"): (
        BY_HAND
        | {
            "source_id": 201,
            "source_uuid": V9[0],
            "source_address": "127.0.0.1:23501",
            "lag": 1.0,
            "received": f"{V9[0]}:1-10",
            "executed": f"{V9[0]}:1-10",
            "read_place": {"file": "bin.000001", "position": 2911},
            "executed_place": {"file": "bin.000001", "position": 2289},
            "relay_space": 3317,
            "workers": {"configured": 4, "running": 4, "applying": 0},
            "source_heartbeats": 0,
            "heartbeat_period": 1.0,
        },
    ),
    ("mysql-9.7", "source_healthy"): (),
    ("xtradb-8.0", "healthy"): (),
    ("mariadb-10.11", "not_a_replica"): (),
    ("mariadb-10.11", "healthy"): (
        ON_MARIADB
        | {
            "source_id": 1,
            "source_address": "127.0.0.1:23301",
            "received": "0-1-9",
            "executed": "0-1-9",
            "read_place": {"file": "bin.000001", "position": 2398},
            "executed_place": {"file": "bin.000001", "position": 2398},
            "relay_space": 2990,
        },
    ),
    ("mariadb-11.8", "healthy"): (
        ON_MARIADB
        | {
            "source_id": 41,
            "source_address": "127.0.0.1:23341",
            "received": "0-41-8",
            "executed": "0-41-8",
            "read_place": {"file": "bin.000001", "position": 2206},
            "executed_place": {"file": "bin.000001", "position": 2206},
            "relay_space": 2798,
        },
    ),
}

GALERAS: dict[tuple[str, str], dict[str, Any] | None] = {
    ("mysql-8.4", "healthy"): None,
    ("mariadb-10.11", "not_a_replica"): None,
    ("mariadb-10.11-galera", "healthy_1"): {
        "status": "Primary",
        "size": 3,
        "view": 3,
        "cluster_uuid": "a383e801-e6cc-11f1-9362-0b0bd707e2e5",
        "members": ("127.0.0.1:23410", "127.0.0.1:23420", "127.0.0.1:23430"),
        "own": "127.0.0.1:23410",
        "state": "Synced",
        "ready": True,
        "connected": True,
        "committed": 5,
        "receive_queue": 0,
        "send_queue": 0,
        "paused": 0.0,
        "pauses_sent": 0,
        "pauses_received": 0,
        "pause_requested": False,
        "certification_failures": 0,
        "brute_force_aborts": 0,
        "desync": False,
        "replicating": True,
        "rejects": False,
    },
    ("xtradb-8.0", "healthy"): {
        "status": "Primary",
        "size": 3,
        "view": 7,
        "cluster_uuid": U1,
        "members": ("192.0.2.1:3306", "192.0.2.2:3306", "192.0.2.3:3306"),
        "own": "192.0.2.2:3306",
        "state": "Synced",
        "ready": True,
        "connected": True,
        "committed": 77,
        "receive_queue": 3,
        "send_queue": 1,
        "paused": 2.5,
        "pauses_sent": 4,
        "pauses_received": 6,
        "pause_requested": False,
        "certification_failures": 8,
        "brute_force_aborts": 9,
        "desync": False,
        "replicating": True,
        "rejects": False,
    },
    ("xtradb-8.0", "non_primary"): {
        "status": "Non-Primary",
        "size": 1,
        "view": None,
        "cluster_uuid": U1,
        "members": (),
        "own": "",
        "state": "Initialized",
        "ready": False,
        "connected": True,
        "committed": 77,
        "receive_queue": 3,
        "send_queue": 1,
        "paused": 2.5,
        "pauses_sent": 4,
        "pauses_received": 6,
        "pause_requested": False,
        "certification_failures": 8,
        "brute_force_aborts": 9,
        "desync": False,
        "replicating": True,
        "rejects": False,
    },
}


@pytest.mark.parametrize(("server", "state"), SERVERS)
def test_every_field_of_a_server(server: str, state: str) -> None:
    assert asdict(recording(server, state).snapshot.server) == SERVERS[server, state]


@pytest.mark.parametrize(("server", "state"), CHANNELS)
def test_every_field_of_a_channel(server: str, state: str) -> None:
    found = recording(server, state).snapshot.channels
    assert tuple(asdict(channel) for channel in found) == CHANNELS[server, state]


@pytest.mark.parametrize(("server", "state"), GALERAS)
def test_every_field_of_a_node_of_a_cluster(server: str, state: str) -> None:
    found = recording(server, state).snapshot.galera
    assert (asdict(found) if found else None) == GALERAS[server, state]


@pytest.mark.parametrize(
    ("kind", "tables"),
    [
        (Server, SERVERS.values()),
        (Channel, [channel for channels in CHANNELS.values() for channel in channels]),
        (Galera, [table for table in GALERAS.values() if table]),
    ],
)
def test_no_field_is_left_out_of_the_tables(kind: type, tables: list[dict[str, Any]]) -> None:
    assert all(table.keys() == set(kind.__slots__) for table in tables)  # type: ignore[attr-defined]
