"""A Galera cluster: three servers from one template that has been a cluster already.

All nodes begin with the same data at the same place of the same history, so that they join by IST, in a
moment. The server's own ways of a state transfer need programs that its -core package doesn't have, so the
lab has one of its own (lab.mysql.transfer), which copies on this machine.

Faults: `isolated` takes a node out of the group's network, `force_primary` makes it a cluster by itself (a
split brain when the others are one too), `provider` sets other options of the provider, and a Database's
own kill, freeze, stop and start. A killed node finds out first how far it came (--wsrep-recover).
"""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from lab.base import LabContext, LabError
from lab.mysql.database import Database
from lab.mysql.flavour import Program
from lab.mysql.options import command
from lab.mysql.plan import Plan, Seat, Wishes
from lab.mysql.server import LOOPBACK
from lab.mysql.template import kept, run
from lab.mysql.transfer import METHOD, write_script

PROVIDER: Final = Path("/usr/lib/galera/libgalera_smm.so")
_PACKAGE: Final = "galera-4"

SILENCE: Final = "PT1S"
"""How long a node may be silent until the others doubt it (evs.suspect_timeout; the default is 5 s)."""

_TIMES: Final = (
    "evs.keepalive_period=PT0.3S",
    "evs.inactive_check_period=PT0.2S",
    "evs.join_retrans_period=PT0.3S",
    f"evs.suspect_timeout={SILENCE}",
    "evs.inactive_timeout=PT3S",
    "evs.install_timeout=PT2S",
    "pc.announce_timeout=PT0.5S",
    "gmcast.peer_timeout=PT1S",
    "gmcast.time_wait=PT1S",
    "gcache.size=16M",
)
_WSREP: Final = (
    "--wsrep-on=1",
    f"--wsrep-provider={PROVIDER}",
    "--innodb-autoinc-lock-mode=2",
    f"--wsrep-node-address={LOOPBACK}",
    "--wsrep-slave-threads=2",
    f"--wsrep-sst-method={METHOD}",
)
_SCRIPTS: Final = "scripts"
_STATE: Final = "grastate.dat"
_RUNTIME: Final = ("galera.cache", "gvwstate.dat", "auto.cnf", "mysqld.pid")
_UNKNOWN: Final = re.compile(r"^seqno:\s*-1\s*$", re.MULTILINE)
_UNSAFE: Final = re.compile(r"^safe_to_bootstrap:\s*0\s*$", re.MULTILINE)
_RECOVERED: Final = re.compile(r"WSREP: Recovered position: ([0-9a-f-]{36}:-?\d+)")
_READY: Final = b"ready for connections"
_DEADLINE: Final = 60.0
_PAUSE: Final = 0.02


def missing() -> Sequence[str]:
    """Return what this machine lacks for a cluster, besides MariaDB."""
    return [] if PROVIDER.exists() else [f"{PROVIDER.name}: apt-get install {_PACKAGE}"]


class Wsrep:
    """What a node of a cluster needs beyond the usual; see lab.mysql.database.Extra."""

    def __init__(self, lab: LabContext, name: str, ports: dict[str, int], incremental: int) -> None:
        self._lab = lab
        self._name = name
        self._ports = ports
        self._incremental = incremental
        self.database: Database | None = None

    def options(self, *, bootstrap: bool) -> Sequence[str]:
        """Return more options for a start, after finding out how far a killed node came (blocks)."""
        database = self._database()
        state = database.folder / _STATE
        written = state.read_text()
        own = self._own()
        more: list[str] = []
        if bootstrap:
            more.append("--wsrep-new-cluster")
            state.write_text(_UNSAFE.sub("safe_to_bootstrap: 1", written))
        if _UNKNOWN.search(written):
            said = run([*database.command(), *own, "--wsrep-recover"], folder=database.folder)
            found = _RECOVERED.search(said)
            if found is None:
                raise LabError(f"{self._name}: --wsrep-recover says no position:\n{said[-500:]}")
            more.append(f"--wsrep-start-position={found[1]}")
        return [*own, *more]

    @property
    def env(self) -> Mapping[str, str]:
        """Have the server find our script for state transfers."""
        scripts = self._database().folder.parent / _SCRIPTS
        return {"PATH": f"{scripts}:{os.environ.get('PATH', os.defpath)}"}

    async def wait(self) -> None:
        """Return once the node is Synced in a primary component."""
        await _until_synced(self._database(), self._lab.answers)

    def _own(self) -> Sequence[str]:
        addresses = ",".join(f"{LOOPBACK}:{port}" for port in self._ports.values())
        provider = ";".join(
            (
                f"gmcast.listen_addr=tcp://{LOOPBACK}:{self._ports[self._name]}",
                f"ist.recv_addr={LOOPBACK}:{self._incremental}",
                *_TIMES,
            )
        )
        return (
            *_WSREP,
            f"--wsrep-node-name={self._name}",
            f"--wsrep-node-incoming-address={LOOPBACK}:{self._database().port}",
            f"--wsrep-cluster-address=gcomm://{addresses}",
            f"--wsrep-provider-options={provider}",
        )

    def _database(self) -> Database:
        if self.database is None:
            raise LabError(f"{self._name} has no server yet")
        return self.database


async def built(lab: LabContext, plan: Plan, program: Program, folder: Path) -> list[Database]:
    """Return the nodes of a cluster, not started. Raises LabError."""
    if lacks := missing():
        raise LabError("; ".join(lacks))
    made = await asyncio.to_thread(_template, lab, program)
    write_script(folder / _SCRIPTS)
    ports = {seat.name: lab.ports.take(f"{seat.name}-gcomm") for seat in plan.seats}
    servers: list[Database] = []
    for seat in plan.seats:
        extra = Wsrep(lab, seat.name, ports, lab.ports.take(f"{seat.name}-ist"))
        server = Database(lab, seat, plan.wishes, replace(program, template=made), folder / seat.name, extra)
        extra.database = server
        servers.append(server)
    return servers


async def opened(servers: Sequence[Database]) -> None:
    """Start a cluster: the first node begins it, the others join. Raises LabError."""
    first, *others = servers
    await asyncio.gather(*(asyncio.to_thread(server.make_folder) for server in servers))
    await first.start(bootstrap=True)
    for server in others:
        await server.start()
    await whole(servers)


async def whole(servers: Sequence[Database], deadline: float = 30.0) -> None:
    """Return once every one of these is Synced and sees as many nodes as these are. Raises LabError."""
    end = time.monotonic() + deadline
    for server in servers:
        await _until_synced(server, end - time.monotonic(), len(servers))


async def _until_synced(server: Database, deadline: float, size: int | None = None) -> None:
    """Return once a node is Synced in a primary component, of that many nodes if that matters."""
    end = time.monotonic() + deadline
    seen = "silent"
    while True:
        # A node that joins hangs up on its clients once it has what it lacked.
        with suppress(LabError):
            status = await server.status("wsrep%")
            state = status["wsrep_local_state_comment"]
            sees = status["wsrep_cluster_size"]
            if status["wsrep_ready"] == "ON" and state == "Synced" and size in (None, int(sees)):
                return
            seen = f"{status['wsrep_cluster_status']}, {state}, and sees {sees} nodes"
        if not server.runs:
            raise LabError(f"{server.name} ended while it was joining\n{server.log_tail()}")
        if time.monotonic() >= end:
            raise LabError(f"{server.name} isn't as it should be but {seen}\n{server.log_tail()}")
        await asyncio.sleep(_PAUSE)


async def provider(node: Database, options: str) -> None:
    """Set options of a node's provider, `name=value;name=value` (wsrep_provider_options). Raises LabError."""
    await node.sql("SET GLOBAL wsrep_provider_options = %s", options)


@asynccontextmanager
async def isolated(node: Database) -> AsyncIterator[None]:
    """Take a node out of the group's network for the time of the block; clients still reach it.

    Without the others it is no primary component any more, after some seconds. Raises LabError.
    """
    await provider(node, "gmcast.isolate=1")
    try:
        yield
    finally:
        await provider(node, "gmcast.isolate=0")


async def force_primary(node: Database) -> None:
    """Make what the node still sees a primary component, as people do in their haste. Raises LabError."""
    await provider(node, "pc.bootstrap=YES")


def _template(lab: LabContext, program: Program) -> Path:
    """Return a data directory that has been a cluster of one and was shut down in order (blocks)."""
    seat, wishes = Seat("template", 1), Wishes()

    def make(fresh: Path) -> None:
        shutil.copytree(program.template, fresh, dirs_exist_ok=True)
        gcomm = lab.ports.take("galera-template-gcomm")
        argv = [
            *command(program, seat, wishes, fresh, lab.ports.take("galera-template")),
            *_WSREP,
            "--wsrep-cluster-address=gcomm://",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://{LOOPBACK}:{gcomm};gcache.size=1M",
        ]
        _run_once(argv, fresh)
        for name in _RUNTIME:
            (fresh / name).unlink(missing_ok=True)
        for log in (*fresh.glob("bin.*"), *fresh.glob("*.log")):
            log.unlink()
        if _UNKNOWN.search((fresh / _STATE).read_text()):
            raise LabError(f"the cluster's template has no position in {_STATE}")

    return kept(lab.cache, f"{program.version}-galera", (str(program.template), *_WSREP), make)


def _run_once(argv: Sequence[str], folder: Path) -> None:
    """Run a server until it is ready, and shut it down."""
    log = folder / "start.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
    end = time.monotonic() + _DEADLINE
    try:
        while _READY not in log.read_bytes():
            if server.poll() is not None or time.monotonic() >= end:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise LabError(f"the cluster's template can't be made:\n{tail}")
            time.sleep(_PAUSE)
        server.terminate()
        server.wait(timeout=_DEADLINE)
    except subprocess.TimeoutExpired:
        raise LabError(f"the cluster's template doesn't shut down in {_DEADLINE:.0f} s") from None
    finally:
        server.kill()
        server.wait()
