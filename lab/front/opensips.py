"""The SIP front on OpenSIPS itself (3.x), where an `opensips` program is on PATH."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.base import LabContext, LabError, Sample
from lab.files import write_private
from lab.front.fill import filled
from lab.front.kamailio import PROFILE

_PACKAGES: Final = {
    "tm.so": "opensips",
    "db_text.so": "opensips",
    "auth.so": "opensips-auth-modules",
    "mi_http.so": "opensips-http-modules",
    "presence_xml.so": "opensips-presence-modules",
}
_TABLES: Final = ("subscriber", "domain", "presentity", "active_watchers", "watchers", "xcap", "version")


class OpenSips:
    """OpenSIPS, read by its own MI."""

    programs: tuple[str, ...] = ("opensips",)

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
        folder = lab.folder("sip")
        database = folder / "dbtext"
        make_database(database, _schema(prefix), lab.sample)
        configuration = folder / "opensips.cfg"
        write_private(
            configuration,
            filled(
                "opensips.cfg",
                {
                    "SIP": lab.ports.take("sip"),
                    "MI": lab.ports.take("mi"),
                    "ASTERISK": lab.ports.take("asterisk-sip"),
                    "DATABASE": database,
                    "MODULES": modules,
                    "PROFILE": PROFILE,
                },
            ),
        )
        lab.processes.start(
            "opensips", [program, "-F", "-f", str(configuration), "-w", str(folder)], cwd=folder
        )

    def says(self, version: str) -> str:
        """Return the line for a person. `version` is what MI answers: OpenSIPS (3.6.8 (x86_64/linux))."""
        return f"SIP front: {version.replace('(', '').partition(' x86')[0].partition(')')[0]}"


def on_path() -> bool:
    """Whether there is an OpenSIPS to use."""
    return shutil.which("opensips") is not None


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
