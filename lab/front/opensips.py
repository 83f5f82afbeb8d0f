"""The SIP front on OpenSIPS itself (3.x), where an `opensips` program is on PATH."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.base import LabContext, LabError, Sample
from lab.certificates import certificates
from lab.files import write_private
from lab.front.fill import filled
from lab.front.kamailio import PROFILE
from lab.front.sockets import Side, sockets
from lab.ports import LOOPBACK

_PACKAGES: Final = {
    "tm.so": "opensips",
    "db_text.so": "opensips",
    "auth.so": "opensips-auth-modules",
    "mi_http.so": "opensips-http-modules",
    "presence_xml.so": "opensips-presence-modules",
}
_TLS_LIBRARIES: Final = ("tls_openssl", "tls_wolfssl")
_TLS: Final = """\
loadmodule "proto_tls.so"
loadmodule "{library}.so"
loadmodule "tls_mgm.so"
modparam("tls_mgm", "server_domain", "lab")
modparam("tls_mgm", "match_ip_address", "[lab]*")
modparam("tls_mgm", "match_sip_domain", "[lab]*")
modparam("tls_mgm", "tls_method", "[lab]TLSv1_2-")
modparam("tls_mgm", "verify_cert", "[lab]0")
modparam("tls_mgm", "require_cert", "[lab]0")
modparam("tls_mgm", "ca_list", "[lab]{ca}")
modparam("tls_mgm", "certificate", "[lab]{chain}")
modparam("tls_mgm", "private_key", "[lab]{key}")"""
_CLUSTER: Final = """\
loadmodule "proto_bin.so"
loadmodule "clusterer.so"
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", {number})
modparam("clusterer", "my_node_info", "cluster_id=1, url=bin:127.0.0.1:{mine}, flags=seed")
modparam("clusterer", "neighbor_node_info", "cluster_id=1, node_id={other}, url=bin:127.0.0.1:{theirs}")
modparam("clusterer", "ping_interval", 1)
modparam("clusterer", "seed_fallback_interval", 1)
modparam("usrloc", "location_cluster", 1)"""
_MANY: Final = 1_000
_SHARED_MEMORY: Final = "512"
_OWN_MEMORY: Final = "32"
"""Megabytes that an OpenSIPS with more phones than that is given, shared by and for each of its processes."""
_TABLES: Final = ("subscriber", "domain", "presentity", "active_watchers", "watchers", "xcap", "version")


class OpenSips:
    """OpenSIPS, read by its own MI."""

    tells_calls = False

    def __init__(self, side: Side) -> None:
        self._side = side
        self.programs: tuple[str, ...] = (side.named("opensips"),)

    @property
    def tls(self) -> bool:
        """Whether its TLS modules are installed, with either of their two libraries."""
        return _has("proto_tls.so", "tls_mgm.so") and _tls_library() is not None

    @property
    def replicates(self) -> bool:
        """Whether its cluster modules are installed."""
        return _has("clusterer.so", "proto_bin.so")

    def missing(self) -> Sequence[str]:
        """Return the modules that this OpenSIPS lacks, each with its Debian package."""
        prefix = _prefix()
        if prefix is None:
            return ["opensips: not on PATH"]
        modules = find_modules(prefix)
        if modules is None:
            return [f"OpenSIPS's modules: no folder lib*/opensips/modules under {prefix}"]
        lacks = [f"OpenSIPS's {m}: install {p}" for m, p in _PACKAGES.items() if not (modules / m).exists()]
        if not _schema(prefix).is_dir():
            lacks.append(f"{_schema(prefix)}: OpenSIPS's table definitions, part of its package")
        return lacks

    def start(self, lab: LabContext) -> None:
        """Write its files and start it; it takes a moment to answer."""
        program, prefix = shutil.which("opensips"), _prefix()
        modules = find_modules(prefix) if prefix else None
        if program is None or prefix is None or modules is None:
            raise LabError("opensips or its modules vanished")
        folder = lab.folder(self._side.part)
        database = folder / "dbtext"
        make_database(database, _schema(prefix), lab.sample)
        configuration = folder / "opensips.cfg"
        write_private(configuration, self._configuration(lab, modules, database))
        command = [program, "-F", "-f", str(configuration), "-w", str(folder)]
        if len(lab.sample.phones) > _MANY:
            command += ["-m", _SHARED_MEMORY, "-M", _OWN_MEMORY]
        lab.processes.start(self.programs[0], command, cwd=folder)

    def _configuration(self, lab: LabContext, modules: Path, database: Path) -> str:
        where = sockets(lab, self._side)
        listening = list(where.listening(tls=self.tls))
        cluster = ""
        if where.peer is not None:
            mine, theirs = (lab.ports.take(side.named("bin")) for side in (self._side, self._side.other))
            listening.append(f"bin:{LOOPBACK}:{mine}")
            number = 2 if self._side.letter else 1
            cluster = _CLUSTER.format(number=number, other=3 - number, mine=mine, theirs=theirs)
        values = {
            "SIP": where.sip,
            "TRUNK": where.trunk,
            "LISTEN": "\n".join(f"socket={socket}" for socket in listening),
            "TLS": self._tls(lab) if self.tls else "",
            "CLUSTER": cluster,
            "USRLOC": "full-sharing-cluster" if cluster else "single-instance-no-db",
            "MI": lab.ports.take(self._side.named("mi")),
            "ASTERISK": lab.ports.take("asterisk-sip"),
            "OLDASTERISK": lab.ports.take("asterisk-16-sip"),
            "DATABASE": database,
            "MODULES": modules,
            "PROFILE": PROFILE,
        }
        return filled("opensips.cfg", values)

    def _tls(self, lab: LabContext) -> str:
        made = certificates(lab)
        return _TLS.format(library=_tls_library(), ca=made.ca, chain=made.chain, key=made.key)

    def says(self, version: str) -> str:
        """Return the line for a person. `version` is what MI answers: OpenSIPS (3.6.8 (x86_64/linux))."""
        return f"SIP front: {version.replace('(', '').partition(' x86')[0].partition(')')[0]}"


def on_path() -> bool:
    """Whether there is an OpenSIPS to use."""
    return shutil.which("opensips") is not None


def _has(*modules: str) -> bool:
    prefix = _prefix()
    folder = find_modules(prefix) if prefix else None
    return folder is not None and all((folder / module).exists() for module in modules)


def _tls_library() -> str | None:
    return next((library for library in _TLS_LIBRARIES if _has(f"{library}.so")), None)


def find_modules(prefix: Path) -> Path | None:
    """Return the modules' folder of the OpenSIPS installed under a prefix (/usr, /usr/local, ...).

    OpenSIPS can't be asked for it: lib64 is its own make's default, lib/ARCH/ is Debian's.
    """
    candidates = (*prefix.glob("lib*/opensips/modules"), *prefix.glob("lib/*/opensips/modules"))
    return next((folder for folder in sorted(candidates) if (folder / "tm.so").exists()), None)


def make_database(folder: Path, schema: Path, sample: Sample) -> None:
    """Make db_text's tables (0600) with the phones and domains, from the definitions of this OpenSIPS."""
    folder.mkdir(mode=0o700, exist_ok=True)
    rows: Mapping[str, Iterable[Mapping[str, str]]] = {
        "subscriber": (
            {"username": phone.user, "domain": phone.tenant, "password": phone.password}
            for phone in sample.phones
        ),
        "domain": ({"domain": tenant.domain} for tenant in sample.tenants),
    }
    for table in _TABLES:
        text = (schema / table).read_text()
        head = text.splitlines()[0]
        added = "".join(
            f"{_row(head, number, row)}\n" for number, row in enumerate(rows.get(table, ()), start=1)
        )
        write_private(folder / table, text + added)


def _row(head: str, number: int, values: Mapping[str, str]) -> str:
    """Return a line of a db_text table: the columns of its head, parted by colons.

    An empty field is db_text's NULL, which most columns don't take; what nobody reads gets a dash.
    """
    cells = []
    for column in head.split():
        name, _, rest = column.partition("(")
        kind, *options = rest.rstrip(")").split(",")
        filler = str(number) if name == "id" else "" if "null" in options else "0" if kind == "int" else "-"
        cells.append(values.get(name, filler))
    return ":".join(cells)


def _prefix() -> Path | None:
    program = shutil.which("opensips")
    return Path(program).resolve().parent.parent if program else None


def _schema(prefix: Path) -> Path:
    return prefix / "share/opensips/dbtext/opensips"
