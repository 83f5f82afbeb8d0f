"""A real OpenSIPS (3.x, 4.x), the one on PATH or another, started on loopback for the time of a test."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from lab.front.opensips import find_modules

PATIENCE: Final = 20.0
"""Seconds that a server may take to start or to stop."""

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "opensips.md"
_SCRIPT: Final = """
log_level=1
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
socket=udp:127.0.0.1:{sip}
mpath="{modules}/"
loadmodule "proto_udp.so"
{loaded}
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", {http})
modparam("usrloc", "working_mode_preset", "single-instance-no-db")
{script}
"""
_MODULES: Final = ("signaling", "sl", "tm", "rr", "dialog", "statistics", "usrloc", "httpd", "mi_http")


@dataclass(frozen=True, slots=True)
class Program:
    """An installed OpenSIPS: the program, its modules, and where db_text's table definitions may be."""

    path: Path
    modules: Path

    @property
    def schema(self) -> Path:
        return self.path.resolve().parent.parent / "share/opensips/dbtext/opensips"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens; a restarted one keeps them."""

    sip: int
    http: int

    @classmethod
    def free(cls) -> "Ports":
        """Return ports that nobody had bound a moment ago."""
        return cls(free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM))


@dataclass(frozen=True, slots=True)
class OpensipsServer:
    """A server that runs, with all its processes in a session of their own."""

    process: subprocess.Popen[bytes]
    ports: Ports
    log: Path

    @property
    def mi(self) -> str:
        """The address of its MI over HTTP."""
        return f"http://127.0.0.1:{self.ports.http}/mi"

    def hang(self) -> None:
        """Stop all its processes: the kernel goes on taking connections for them, nobody answers."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        os.killpg(self.process.pid, signal.SIGCONT)


def fragment() -> str:
    """Return the part of a script that docs/opensips.md gives operators."""
    return snippets()[0]


def snippets() -> list[str]:
    """Return all parts of a script that docs/opensips.md gives, in its order."""
    return [part.partition("```")[0] for part in _DOCUMENT.read_text().split("```opensips\n")[1:]]


def free_port(kind: socket.SocketKind) -> int:
    """Return a port that nobody had bound a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def installed(path: str | None = None) -> Program:
    """Return the OpenSIPS on PATH, or of that path; the test is skipped where there is none."""
    found = path or shutil.which("opensips")
    modules = find_modules(Path(found).resolve().parent.parent) if found else None
    if found is None or modules is None:
        pytest.skip("there is no opensips program on PATH")
    return Program(Path(found), modules)


@contextmanager
def opensips(
    folder: Path,
    script: str,
    values: Mapping[str, object] | None = None,
    *,
    program: Program | None = None,
    ports: Ports | None = None,
) -> Iterator[OpensipsServer]:
    """Run a server on a script, in which {sip}, {http}, {folder}, {modules} and {values} are filled in.

    Modules that the script has a modparam for are loaded before it, besides a proxy's usual ones. The test is
    skipped where one is not installed. Returns once MI takes connections.
    """
    program = program or installed()
    ports = ports or Ports.free()
    named = {"sip": ports.sip, "http": ports.http, "folder": folder, "modules": program.modules}
    body = script.format(**named, **(values or {}))
    text = _SCRIPT.format(**named, loaded=_loaded(body, program), script=body)
    with running(folder, text, program=program, ports=ports) as server:
        yield server


@contextmanager
def running(folder: Path, text: str, *, program: Program, ports: Ports) -> Iterator[OpensipsServer]:
    """Run a server on a whole configuration, which says to listen on these ports."""
    configuration, log = folder / "opensips.cfg", folder / "opensips.log"
    configuration.write_text(text)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program.path, "-F", "-f", str(configuration), "-w", str(folder)],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = OpensipsServer(process, ports, log)
    try:
        _until_it_listens(server)
        yield server
    finally:
        _end(server)


def _loaded(body: str, program: Program) -> str:
    mentioned = re.findall(r'modparam\("(\w+)"', body)
    given = re.findall(r'loadmodule "(\w+)\.so"', body)
    modules = [name for name in dict.fromkeys((*_MODULES, *mentioned)) if name not in given]
    lacking = [name for name in (*modules, *given) if not (program.modules / f"{name}.so").exists()]
    if lacking:
        pytest.skip(f"this OpenSIPS was built without {', '.join(lacking)}")
    return "\n".join(f'loadmodule "{name}.so"' for name in modules)


def _until_it_listens(server: OpensipsServer) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log.read_text()
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", server.ports.http), timeout=1.0),
        ):
            return
        time.sleep(0.05)
    raise AssertionError(f"it does not listen: {server.log.read_text()}")


def _end(server: OpensipsServer) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.go_on()
    server.process.terminate()
    try:
        server.process.wait(PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)


def dbtext_table(program: Program, name: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return a table of db_text with these rows, by the definition that came with the server.

    Columns that a row leaves out are empty where they may be, otherwise 0 or a dash.
    """
    definition = program.schema / name
    if not definition.exists():
        pytest.skip(f"this OpenSIPS came without db_text's definition of {name}")
    head = definition.read_text().splitlines()[0]
    return "\n".join([head, *(_row(head, number, row) for number, row in enumerate(rows, 1)), ""])


def _row(head: str, number: int, row: Mapping[str, object]) -> str:
    cells = []
    for column in head.split():
        name, _, rest = column.partition("(")
        kind, *options = rest.rstrip(")").split(",")
        filler = number if name == "id" else "" if "null" in options else 0 if kind == "int" else "-"
        cells.append(str(row.get(name, filler)).replace(":", r"\:"))
    return ":".join(cells)
