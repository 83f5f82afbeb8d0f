"""Real database servers as a topology, in seconds, with handles for every fault.

    async with staged(lab, primary_replica(("db1", "db2", "db3"), Wishes(net_timeout=4))) as stage:
        db1, db2, db3 = stage.servers                    # or stage["db1"]
        await db1.sql("INSERT INTO test.t VALUES (%s)", 7)   # as root; session() for several in one
        await stage.caught_up()                          # what every writer wrote is everywhere
        await stage.link("db2").blackhole()              # also cut(), heal(); the way by which db2 follows
        await stage.heart("db1").stop()                  # its heartbeat writer; start() starts it again
        db1.freeze(); db1.thaw(); await db1.kill(); await db1.start(); await db1.restart()
        await db2.set_writable(True)
        db2.set_clock(5.0)                               # with Wishes(clocks=True); holds within a second
        stage.nodes, stage.topology, stage.passwords.watcher   # for dialtone.yaml and for collectors

`lab` is a LabContext: `workshop(folder)` makes one for a test or a command, and ends what was started in it.
Kinds of stages, all in lab.mysql.plan: primary_replica, chain, multi_source, active_passive, multi_primary
and galera, of the flavours in lab.mysql.flavour. `begin` starts one that outlives the command (`lab up`).

The servers, the proxies of the links (one process) and each heart are processes of the lab, by their names:
db1, main-links, db1-heart. A Galera stage has no links: see lab.mysql.galera for its faults.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import anyio

from dialtone.model import TopologyKind
from lab.base import LabContext, LabError, PartInfo, Sample
from lab.debian import default_cache
from lab.files import xdg_folder
from lab.mysql import galera as cluster
from lab.mysql.database import Database
from lab.mysql.flavour import prepare
from lab.mysql.heart import Heart
from lab.mysql.link import Link, start_links, wait_for_links
from lab.mysql.plan import Following, Plan
from lab.mysql.replication import (
    HEARTBEAT_TABLE,
    WATCHER,
    Passwords,
    follow,
    make_accounts,
    wait_for_heartbeat,
    wait_until_replicating,
)
from lab.mysql.server import LOOPBACK
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses

_T = TypeVar("_T")

_MARKS: Final = "dialtone_lab.marks"
_PAUSE: Final = 0.02
_SOURCE_BEATS: Final = 1.0
"""Seconds between a source's words over an idle link, at most; and at most a quarter of net_timeout."""


class Stage:
    """A topology that runs. Its methods raise LabError."""

    def __init__(
        self,
        lab: LabContext,
        plan: Plan,
        servers: Sequence[Database],
        links: Sequence[Link],
        passwords: Passwords,
    ) -> None:
        self.lab = lab
        self.plan = plan
        self.servers = tuple(servers)
        self.links = tuple(links)
        self.passwords = passwords
        self.hearts = tuple(
            Heart(lab, s.name, s.number, s.socket, passwords.heart, plan.wishes.beat) for s in self.servers
        )

    def __getitem__(self, name: str) -> Database:
        """Return the server of that name."""
        return _only(self.plan, "server", name, [s for s in self.servers if s.name == name])

    def link(self, replica: str, source: str | None = None) -> Link:
        """Return the link by which a replica follows its source; `source` tells one of several."""
        fits = [li for li in self.links if li.replica == replica and source in (None, li.source)]
        return _only(self.plan, "single link", f"{replica}-{source or '?'}", fits)

    def heart(self, server: str) -> Heart:
        """Return the heartbeat writer of a server; it beats from the start where the plan says so."""
        return _only(self.plan, "heart", server, [h for h in self.hearts if h.server == server])

    @property
    def version(self) -> str:
        """What runs: 10.11.19."""
        return self.servers[0].program.short_version

    @property
    def nodes(self) -> tuple[Mapping[str, object], ...]:
        """The servers as entries of dialtone.yaml's `nodes:`."""
        return tuple(
            {
                "name": server.name,
                "kind": "mysql",
                "dsn": f"mysql://{WATCHER}@{server.address}",
                "password": {"file": f"secrets/{self.secret}"},
                "heartbeat": HEARTBEAT_TABLE,
                "interval": "2s",
                "timeout": "2s",
            }
            for server in self.servers
        )

    @property
    def topology(self) -> Mapping[str, object]:
        """The topology as an entry of dialtone.yaml's `topologies:`."""
        return {
            "name": self.plan.name,
            "kind": self.plan.kind.value,
            "nodes": [server.name for server in self.servers],
            "tenants": "all",
        }

    @property
    def secret(self) -> str:
        """The name of the file that the watcher's password is in."""
        return f"mysql-{self.plan.name}"

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where everything is, for lab.json."""
        return {
            **{server.name: server.address for server in self.servers},
            **{f"{server.name}-socket": str(server.socket) for server in self.servers},
            **{f"{link.name}-link": f"{LOOPBACK}:{link.port}" for link in self.links},
            **{f"{link.name}-link-control": f"{LOOPBACK}:{link.control}" for link in self.links},
        }

    def info(self, part: str, says: str) -> PartInfo:
        """Return what a part of the lab has to say that is this stage."""
        return PartInfo(
            name=part,
            says=says,
            nodes=self.nodes,
            config={"topologies": [self.topology]},
            secrets={self.secret: self.passwords.watcher},
            addresses=self.addresses,
        )

    async def mark(self, server: str) -> int:
        """Write a row into a server; return its number."""
        number = time.time_ns()
        await self[server].sql(f"INSERT INTO {_MARKS} VALUES (%s)", number)  # noqa: S608 - a constant
        return number

    async def has_mark(self, server: str, number: int) -> bool:
        """Whether a row that `mark` wrote has come to a server."""
        return bool(await self[server].sql(f"SELECT 1 FROM {_MARKS} WHERE id = %s", number))  # noqa: S608

    async def caught_up(self, deadline: float = 15.0) -> None:
        """Return once a row written now into each writer is at all that follow it; `deadline` is seconds."""
        end = time.monotonic() + deadline
        for writer in self.plan.hearts:
            number = await self.mark(writer)
            for reader in self.followers(writer):
                while not await self.has_mark(reader, number):
                    if time.monotonic() >= end:
                        raise LabError(f"a row of {writer} isn't at {reader} after {deadline:g} s")
                    await asyncio.sleep(_PAUSE)

    def followers(self, writer: str) -> Sequence[str]:
        """All that have a server's rows, by whatever way."""
        if self.plan.kind is TopologyKind.GALERA:
            return [server.name for server in self.servers]
        found = [writer]
        for name in found:
            found += [f.replica for f in self.plan.followings if f.source == name and f.replica not in found]
        return found

    async def end(self) -> None:
        """Take everything down at once; nobody needs the data any more."""
        for server in self.servers:
            server.thaw()
        names = [
            *(heart.server + "-heart" for heart in self.hearts),
            *(server.name for server in self.servers),
            *([_proxies(self.plan)] if self.links else []),
        ]
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(asyncio.to_thread(self.lab.processes.stop, name, grace=0.0))


@contextmanager
def workshop(root: Path, cache: Path | None = None) -> Iterator[LabContext]:
    """Give a lab of its own in that folder; at the end no process and no port of it is left."""
    root.mkdir(parents=True, exist_ok=True)
    processes = LabProcesses(root)
    # The claims of all labs of this user, so that stages which start side by side get different ports.
    ports = LoopbackPorts(root, claims=xdg_folder("XDG_STATE_HOME", ".local/state") / "ports.json")
    found = cache or default_cache()
    found.mkdir(parents=True, exist_ok=True)
    try:
        yield LabContext(root, found, ports, processes, Sample("clusterpbx.example", (), ()))
    finally:
        processes.stop_all(grace=0.0)
        ports.give_back()


@asynccontextmanager
async def staged(lab: LabContext, plan: Plan) -> AsyncIterator[Stage]:
    """Run a stage for the time of the block; nothing of it is left afterwards. Raises LabError."""
    stage = await _built(lab, plan)
    try:
        await _open(stage)
        yield stage
    finally:
        with anyio.CancelScope(shield=True):
            await stage.end()


async def begin(lab: LabContext, plan: Plan) -> Stage:
    """Start a stage that outlives this process; whoever owns the lab ends it. Raises LabError."""
    stage = await _built(lab, plan)
    await _open(stage)
    return stage


async def _built(lab: LabContext, plan: Plan) -> Stage:
    program = await asyncio.to_thread(prepare, plan.wishes.flavour, lab.cache)
    folder = lab.folder(plan.name)
    folder.chmod(0o700)
    if plan.kind is TopologyKind.GALERA:
        servers = await cluster.built(lab, plan, program, folder)
    else:
        servers = [Database(lab, seat, plan.wishes, program, folder / seat.name) for seat in plan.seats]
    by_name = {server.name: server for server in servers}
    links = [_link(lab, following, by_name[following.source]) for following in plan.followings]
    return Stage(lab, plan, servers, links, Passwords.fresh())


def _link(lab: LabContext, following: Following, source: Database) -> Link:
    return Link(
        name=following.name,
        replica=following.replica,
        source=following.source,
        channel=following.channel,
        port=lab.ports.take(f"{following.name}-link"),
        control=lab.ports.take(f"{following.name}-link-control"),
        target=source.address,
    )


async def _open(stage: Stage) -> None:
    lab, plan = stage.lab, stage.plan
    if stage.links:
        start_links(lab, _proxies(plan), stage.links)
    if plan.kind is TopologyKind.GALERA:
        await cluster.opened(stage.servers)
        await _furnish(stage, stage.servers[0])
    else:
        try:
            async with asyncio.TaskGroup() as tasks:
                for server in stage.servers:
                    tasks.create_task(_up(stage, server))
            await wait_for_links(lab, _proxies(plan), stage.links)
            async with asyncio.TaskGroup() as tasks:
                for following, link in zip(plan.followings, stage.links, strict=True):
                    tasks.create_task(_follows(stage, following, link))
        except* LabError as group:
            raise group.exceptions[0] from None
    for name in plan.hearts:
        if name not in _early(plan):
            stage.heart(name).start()
    late = {following.replica for following in plan.followings if following.delay}
    for name in plan.hearts:
        try:
            for follower in stage.followers(name):
                if follower not in late:
                    await wait_for_heartbeat(stage[follower], stage[name], lab.answers)
        except LabError as error:
            raise LabError(f"{error}\n{stage.heart(name).log_tail()}") from None


async def _up(stage: Stage, server: Database) -> None:
    await asyncio.to_thread(server.make_folder)
    server.launch()
    if server.name in _early(stage.plan):
        stage.heart(server.name).start()  # it waits for the server by itself
    await server.answers()
    await _furnish(stage, server)
    if server.seat.read_only and server.mysql:
        # From the first start on it would shut out the making of accounts too.
        await server.set_writable(False)
        server.later = ("--super-read-only=1",)


async def _furnish(stage: Stage, server: Database) -> None:
    """Make the accounts and our own table; on each server by itself, but for a cluster."""
    clustered = stage.plan.kind is TopologyKind.GALERA
    await make_accounts(server, stage.passwords, mysql=server.mysql, logged=clustered)
    async with server.session() as root:
        if not clustered:
            await root.rows("SET SESSION sql_log_bin = 0")
        await root.rows(f"CREATE SCHEMA {_MARKS.partition('.')[0]}")
        await root.rows(f"CREATE TABLE {_MARKS} (id BIGINT PRIMARY KEY)")


async def _follows(stage: Stage, following: Following, link: Link) -> None:
    replica = stage[following.replica]
    await follow(
        replica,
        link.port,
        stage.passwords,
        mysql=replica.mysql,
        channel=following.channel,
        delay=following.delay,
        beat=min(_SOURCE_BEATS, stage.plan.wishes.net_timeout / 4),
    )
    await wait_until_replicating(replica, stage.lab.answers, mysql=replica.mysql, channel=following.channel)


def _early(plan: Plan) -> Sequence[str]:
    """The hearts that start with their servers; with semi-sync a commit waits for a replica."""
    return () if plan.wishes.semi_sync or plan.kind is TopologyKind.GALERA else plan.hearts


def _proxies(plan: Plan) -> str:
    return f"{plan.name}-links"


def _only(plan: Plan, what: str, name: str, found: Sequence[_T]) -> _T:
    if len(found) != 1:
        raise LabError(f"{plan.name} has no {what} {name}")
    return found[0]
