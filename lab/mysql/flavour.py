"""The lab's database servers by flavour: where each comes from, how it runs, what it begins with."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from lab.base import LabError
from lab.debian import BUNDLES, Unpacked, default_cache, ensure, unpacked
from lab.mysql.template import kept, program, run, system_user, template, version

_log = structlog.get_logger(__name__)


class Flavour(StrEnum):
    """Which server: the machine's own MariaDB, or one of a bundle."""

    MARIADB = "mariadb"
    MARIADB_11 = "mariadb-11"
    MYSQL_9 = "mysql-9"

    @property
    def is_mysql(self) -> bool:
        """Whether it is Oracle's MySQL, with its own words for most things."""
        return self is Flavour.MYSQL_9


_PACKAGE: Final = "mariadb-server-core"
_PROGRAMS: Final = ("mariadbd", "mariadb-install-db")
_BUNDLES: Final = {bundle.name: bundle for bundle in BUNDLES}
_NEEDED: Final = {"apt-get": "Debian 12 or 13", "dpkg-deb": "Debian 12 or 13", "tar": "apt-get install tar"}

_SMALL: Final = ("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-use-native-aio=0")

# What mariadb-install-db of 11.8 feeds to `mariadbd --bootstrap`, in this order.
_SYSTEM_TABLES: Final = (
    "mariadb_system_tables.sql",
    "mariadb_performance_tables.sql",
    "mariadb_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mariadb_sys_schema.sql",
)
_SMALL_MYSQL: Final = (
    "--innodb-redo-log-capacity=16M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-use-native-aio=0",
    "--skip-log-bin",
    "--secure-file-priv=NULL",
)
_OF_ONE_SERVER: Final = "auto.cnf"
"""Holds the server's UUID: copied with the template, all replicas would have their source's."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server that can be run. `prefix` is the command line up to the options, its own folders among them.

    `template` is a data directory that lets in the user of the lab as root by the socket.
    """

    flavour: Flavour
    version: str
    prefix: tuple[str, ...]
    template: Path

    @property
    def short_version(self) -> str:
        """The numbers alone: 10.11.19."""
        return self.version.partition("-")[0]


def missing(flavour: Flavour) -> Sequence[str]:
    """Return what this machine lacks to run it, each with how to get it."""
    if flavour is Flavour.MARIADB:
        return [f"{name}: apt-get install {_PACKAGE}" for name in _PROGRAMS if program(name) is None]
    if unpacked(_BUNDLES[flavour], default_cache()):
        return []
    return [f"{tool}: {how}" for tool, how in _NEEDED.items() if shutil.which(tool) is None]


def prepare(flavour: Flavour, cache: Path) -> Program:
    """Return the program, fetched and with a template if need be (blocks, the first time for long).

    Raises LabError.
    """
    if flavour is Flavour.MARIADB:
        return _own(cache)
    try:
        bundle = ensure(_BUNDLES[flavour], cache, lambda text: _log.info("lab database", doing=text))
    except OSError as error:
        raise LabError(f"{flavour} can't be put into {cache}: {error.strerror}") from None
    return _mysql(bundle, cache) if flavour.is_mysql else _mariadb(bundle, cache)


def _own(cache: Path) -> Program:
    mariadbd = program("mariadbd")
    if mariadbd is None:
        raise LabError(f"mariadbd is missing: apt-get install {_PACKAGE}")
    told = version([mariadbd])
    return Program(Flavour.MARIADB, told, (mariadbd, "--no-defaults"), template(cache, told, system_user()))


def _mariadb(bundle: Unpacked, cache: Path) -> Program:
    usr = bundle.root / "usr"
    share = usr / "share/mariadb"
    prefix = (
        *bundle.command("--no-defaults"),
        f"--basedir={usr}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share}/charsets",
        f"--plugin-dir={usr}/lib/mysql/plugin",
    )
    user = system_user()
    options = (*_SMALL, *as_root())

    def bootstrap(fresh: Path) -> None:
        begin = f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket='{user}';\n"
        tables = [(share / name).read_bytes() for name in _SYSTEM_TABLES]
        run([*prefix, f"--datadir={fresh}", *options, "--bootstrap"], b"\n".join([begin.encode(), *tables]))

    told = version(bundle.command())
    made = kept(cache, told, (*options, user, *_SYSTEM_TABLES), bootstrap)
    return Program(Flavour.MARIADB_11, told, prefix, made)


def _mysql(bundle: Unpacked, cache: Path) -> Program:
    usr = bundle.root / "usr"
    prefix = (
        *bundle.command("--no-defaults"),
        f"--basedir={usr}",
        f"--lc-messages-dir={usr}/share/mysql",
        f"--character-sets-dir={usr}/share/mysql/charsets",
        f"--plugin-dir={usr}/lib/mysql/plugin",
    )
    options = (*_SMALL_MYSQL, *as_root())

    def initialize(fresh: Path) -> None:
        # root has no password, and comes in by the socket alone, which lies in a folder of ours (0700).
        run([*prefix, f"--datadir={fresh}", *options, "--initialize-insecure"])
        (fresh / _OF_ONE_SERVER).unlink(missing_ok=True)

    told = f"{version(bundle.command())}-mysql"
    return Program(Flavour.MYSQL_9, told, prefix, kept(cache, told, options, initialize))


def as_root() -> tuple[str, ...]:
    """Return the option without which a server refuses to be root; empty for everybody else."""
    return ("--user=root",) if os.geteuid() == 0 else ()
