"""The command line of a stage's server."""

from pathlib import Path
from typing import Final

from lab.mysql.flavour import Program, as_root
from lab.mysql.plan import Seat, Wishes
from lab.mysql.server import LOOPBACK, SOCKET

_ALL: Final = (
    f"--bind-address={LOOPBACK}",
    f"--socket={SOCKET}",
    "--pid-file=mysqld.pid",
    "--skip-name-resolve",
    "--log-bin=bin",
    "--relay-log=relay",
    # A lab outlives no crash of its machine: nothing is flushed to disk for the sake of it.
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",
    "--key-buffer-size=1M",
    "--max-connections=60",
    # The kernel's AIO contexts are few and shared by all labs.
    "--innodb-use-native-aio=0",
)
_MARIADB: Final = (
    "--binlog-format=ROW",
    # A replica writes down what it applies, so that others can follow it, and it can become the source.
    "--log-slave-updates=1",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--performance-schema=OFF",
)
_MYSQL: Final = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--innodb-doublewrite=OFF",
    "--innodb-redo-log-capacity=16M",
    "--innodb-buffer-pool-size=32M",
    "--secure-file-priv=NULL",
    "--mysqlx=OFF",
)
_PATIENCE: Final = 1000
"""Milliseconds that a commit waits for a replica's word (semi-sync); the default is 10 s."""

_SEMI_SYNC_MARIADB: Final = (
    "--rpl-semi-sync-master-enabled=1",
    "--rpl-semi-sync-slave-enabled=1",
    f"--rpl-semi-sync-master-timeout={_PATIENCE}",
)
_SEMI_SYNC_MYSQL: Final = (
    "--plugin-load-add=semisync_source.so",
    "--plugin-load-add=semisync_replica.so",
    "--rpl-semi-sync-source-enabled=1",
    "--rpl-semi-sync-replica-enabled=1",
    f"--rpl-semi-sync-source-timeout={_PATIENCE}",
)


def command(program: Program, seat: Seat, wishes: Wishes, folder: Path, port: int) -> list[str]:
    """Return the command line, to be run in the folder: the socket's name is relative to it."""
    mysql = program.flavour.is_mysql
    word = "replica" if mysql else "slave"
    return [
        *program.prefix,
        f"--datadir={folder}",
        f"--port={port}",
        f"--server-id={seat.number}",
        f"--report-host={seat.name}",
        f"--{word}-net-timeout={wishes.net_timeout}",
        *_ALL,
        *(_MYSQL if mysql else _mariadb(seat)),
        *((_SEMI_SYNC_MYSQL if mysql else _SEMI_SYNC_MARIADB) if wishes.semi_sync else ()),
        *(
            [f"--{word}-parallel-{'workers' if mysql else 'threads'}={wishes.workers}"]
            if wishes.workers
            else ()
        ),
        *seat.options,
        *as_root(),
    ]


def _mariadb(seat: Seat) -> tuple[str, ...]:
    return (*_MARIADB, f"--gtid-domain-id={seat.domain}", f"--read-only={int(seat.read_only)}")
