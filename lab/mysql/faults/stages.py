"""The stages that the faults are produced on."""

from collections.abc import Callable, Mapping
from typing import Final

from lab.mysql import plan
from lab.mysql.flavour import Flavour
from lab.mysql.plan import Plan, Wishes

STAGES: Final[Mapping[str, tuple[str, Callable[[], Plan]]]] = {
    "pair": (
        "MariaDB 10.11, primary and replica",
        lambda: plan.primary_replica(wishes=Wishes(net_timeout=30, clocks=True), name="pair"),
    ),
    "chain": (
        "MariaDB 10.11, a chain of three",
        lambda: plan.chain(wishes=Wishes(first=11, net_timeout=30), name="chain"),
    ),
    "sources": (
        "MariaDB 10.11, a replica of two sources",
        lambda: plan.multi_source(wishes=Wishes(first=21, net_timeout=30), name="sources"),
    ),
    "delayed": (
        "MariaDB 10.11, a replica that is delayed on purpose",
        lambda: plan.primary_replica(wishes=Wishes(first=31, net_timeout=30), delay=5, name="delayed"),
    ),
    "standby": (
        "MariaDB 10.11, active and passive",
        lambda: plan.active_passive(wishes=Wishes(first=41, net_timeout=30), name="standby"),
    ),
    "writers": (
        "MariaDB 10.11, both are written to",
        lambda: plan.multi_primary(wishes=Wishes(first=51, net_timeout=30), name="writers"),
    ),
    "galera": ("MariaDB 10.11, Galera, three nodes", lambda: plan.galera(wishes=Wishes(first=61))),
    "mariadb-11": (
        "MariaDB 11.8, primary and replica",
        lambda: plan.primary_replica(
            wishes=Wishes(Flavour.MARIADB_11, first=71, net_timeout=30), name="mariadb-11"
        ),
    ),
    "mysql-9": (
        "MySQL 9, source and replica, four workers",
        lambda: plan.primary_replica(
            wishes=Wishes(Flavour.MYSQL_9, first=81, net_timeout=30, workers=4, semi_sync=True),
            name="mysql-9",
        ),
    ),
}
"""By name: what a person is told of it, and its plan."""
