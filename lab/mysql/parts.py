"""The lab's further parts of databases: a Galera cluster, MySQL 9 and MariaDB 11.8, for who names them."""

from collections.abc import Sequence
from typing import Final

from lab.base import LabContext, PartInfo
from lab.mysql import galera as cluster
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import Wishes, galera, primary_replica
from lab.mysql.stage import begin

# Server ids and names are all different, so that parts may come up together.
_GALERA: Final = galera(("g1", "g2", "g3"), Wishes(first=11))
_MARIADB_11: Final = primary_replica(("ma1", "ma2"), Wishes(Flavour.MARIADB_11, first=21), name="mariadb-11")
_MYSQL_9: Final = primary_replica(
    ("my1", "my2"), Wishes(Flavour.MYSQL_9, first=31, workers=4), name="mysql-9"
)


class GaleraPart:
    """Three nodes of the machine's MariaDB as a Galera cluster."""

    name = "galera"

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks."""
        return [*missing(Flavour.MARIADB), *cluster.missing()]

    async def start(self, lab: LabContext) -> PartInfo:
        """Start the cluster and return once all three are Synced. Raises LabError."""
        stage = await begin(lab, _GALERA)
        where = ", ".join(f"{server.name} on {server.address}" for server in stage.servers)
        return stage.info(self.name, f"MariaDB {stage.version}, Galera: {where}")


class _PrimaryReplicaPart:
    """A primary and a replica of some flavour; the replica's way to it is a link."""

    def __init__(self, flavour: Flavour, words: str) -> None:
        self._plan = _MYSQL_9 if flavour.is_mysql else _MARIADB_11
        self._words = words
        self.name = flavour.value

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks to fetch it, unless it has been fetched."""
        return missing(self._plan.wishes.flavour)

    async def start(self, lab: LabContext) -> PartInfo:
        """Start both and return once the replica has a heartbeat; fetches the server first if need be.

        Raises LabError.
        """
        stage = await begin(lab, self._plan)
        source, replica = stage.servers
        return stage.info(
            self.name,
            f"{self._words} {stage.version}: {source.name} on {source.address}, "
            f"its replica {replica.name} on {replica.address}",
        )


class MariaDB11Part(_PrimaryReplicaPart):
    """MariaDB 11.8 of Debian trixie."""

    def __init__(self) -> None:
        super().__init__(Flavour.MARIADB_11, "MariaDB")


class MySQL9Part(_PrimaryReplicaPart):
    """MySQL 9 of Debian sid, which applies in parallel."""

    def __init__(self) -> None:
        super().__init__(Flavour.MYSQL_9, "MySQL")
