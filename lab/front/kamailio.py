"""The SIP front on Debian's Kamailio (5.6 of Debian 12, 6.0 of Debian 13)."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from lab import certificates
from lab.base import LabContext, LabError, Sample
from lab.files import write_private
from lab.front.fill import filled
from lab.front.sockets import Side, sockets
from lab.ports import LOOPBACK
from lab.processes import python_path

PROFILE: Final = "tenant"

_SYSTEM_FOLDERS: Final = ":/usr/sbin:/sbin"  # not on the PATH of ordinary Debian users
_SCHEMA: Final = Path("/usr/share/kamailio/db_sqlite")
_TABLES: Final = ("standard", "auth_db", "presence")
_MODULES_LINE: Final = "Default paths to modules:"
_PACKAGES: Final = {
    "jsonrpcs.so": "kamailio",
    "db_sqlite.so": "kamailio-sqlite-modules",
    "presence_xml.so": "kamailio-presence-modules",
    "tls.so": "kamailio-tls-modules",
}
_ASK_SECONDS: Final = 5
_QUIET: Final = 1
"""The message flag that says: publish no dialog-info of this call."""
_MANY: Final = 1_000
_SHARED_MEMORY: Final = "512"
_OWN_MEMORY: Final = "32"
"""Megabytes that a Kamailio with more phones than that is given, shared by and for each of its processes."""
_RUNTIME: Final = "run"
_SOCKET: Final = "rpc.sock"


class Kamailio:
    """Kamailio, and the bridge that speaks OpenSIPS's MI from its figures."""

    tls = True
    replicates = True
    tells_calls = True

    def __init__(self, side: Side) -> None:
        self._side = side
        self.programs: tuple[str, ...] = (side.named("kamailio"), side.named("bridge"))

    def missing(self) -> Sequence[str]:
        """Return what isn't installed, each with its Debian package."""
        program = _program()
        if program is None:
            wanted = " ".join(dict.fromkeys(_PACKAGES.values()))
            return [f"kamailio: apt-get install {wanted}", *certificates.missing()]
        folder = find_modules(program)
        return [
            f"Kamailio's {module}: apt-get install {package}"
            for module, package in _PACKAGES.items()
            if not (folder / module).exists()
        ] + [
            *([] if _SCHEMA.is_dir() else [f"{_SCHEMA}: apt-get install kamailio-sqlite-modules"]),
            *certificates.missing(),
        ]

    def start(self, lab: LabContext) -> None:
        """Write its files and start both programs; they take a moment to answer."""
        program = _program()
        if program is None:
            raise LabError("kamailio vanished")
        folder = lab.folder(self._side.part)
        (folder / _RUNTIME).mkdir(mode=0o700, exist_ok=True)
        database = folder / "kamailio.sqlite"
        make_database(database, _SCHEMA, lab.sample)
        configuration = folder / "kamailio.cfg"
        write_private(configuration, self._configuration(lab, database))
        command = [str(program), "-DD", "-E", "-f", str(configuration), "-Y", _RUNTIME, "-w", str(folder)]
        if len(lab.sample.phones) > _MANY:
            command += ["-m", _SHARED_MEMORY, "-M", _OWN_MEMORY]
        kamailio, bridge = self.programs
        lab.processes.start(kamailio, command, cwd=folder)
        # A relative path, because the name of a UNIX socket may have 107 bytes at most (unix(7)).
        options = {
            "--listen": f"{LOOPBACK}:{lab.ports.take(self._side.named('mi'))}",
            "--kamailio": f"{_RUNTIME}/{_SOCKET}",
            "--profile": PROFILE,
        }
        lab.processes.start(
            bridge,
            [sys.executable, "-m", "lab.front.bridge"]
            + [word for option in options.items() for word in option]
            + [tenant.domain for tenant in lab.sample.tenants],
            cwd=folder,
            env={"PYTHONPATH": python_path()},
        )

    def _configuration(self, lab: LabContext, database: Path) -> str:
        where, made = sockets(lab, self._side), certificates.certificates(lab)
        head = "#!KAMAILIO\n" if where.peer is None else "#!KAMAILIO\n#!define WITH_PEER\n"
        values = {
            "SIP": where.sip,
            "TRUNK": where.trunk,
            "PEER": where.peer or "",
            "LISTEN": "\n".join(f"listen={socket}" for socket in where.listening(tls=True)),
            "KEY": made.key,
            "CERTIFICATE": made.chain,
            "RPC": _SOCKET,
            "ASTERISK": lab.ports.take("asterisk-sip"),
            "OLDASTERISK": lab.ports.take("asterisk-16-sip"),
            "DATABASE": database,
            "PROFILE": PROFILE,
            "ALIASES": "\n".join(f'alias="{tenant.domain}"' for tenant in lab.sample.tenants),
            "QUIET": _QUIET,
        }
        return head + filled("kamailio.cfg", values)

    def says(self, version: str) -> str:
        """Return the line for a person. `version` is what MI answers."""
        name = version.partition("over ")[2].partition(" (")[0].replace("kamailio", "Kamailio")
        return f"SIP front: {name or 'Kamailio'} with the MI bridge (no opensips on PATH)"


def make_database(path: Path, schema: Path, sample: Sample) -> None:
    """Make the SQLite file (0600) with the phones, from the table definitions that came with Kamailio."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as database, database:
        for table in _TABLES:
            database.executescript((schema / f"{table}-create.sql").read_text())
        database.executemany(
            "INSERT INTO subscriber (username, domain, password) VALUES (?, ?, ?)",
            [(phone.user, phone.tenant, phone.password) for phone in sample.phones],
        )


def _program() -> Path | None:
    found = shutil.which("kamailio", path=os.environ.get("PATH", os.defpath) + _SYSTEM_FOLDERS)
    return Path(found) if found else None


def find_modules(program: Path) -> Path:
    """Return where this Kamailio looks for its modules; it says so itself."""
    said = subprocess.run(
        [program, "-I"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
    ).stdout
    lines = [line.partition(_MODULES_LINE)[2].strip() for line in said.splitlines() if _MODULES_LINE in line]
    return Path(lines[0].partition(":")[0]) if lines else Path()
