"""One of the lab's Asterisks by itself: the fronts' and the gateways' ports are the test's own."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dialtone.config.tree import TenantTree
from dialtone.model import Level, Node, NodeKind, Secret, Tenant
from lab.asterisk import AsteriskPart
from lab.asterisk.boot import wait_until_booted
from lab.asterisk.manager import COLLECTOR, LAB_USER
from lab.asterisk.series import NEW, OLD, Series
from lab.base import LabContext, PartInfo
from lab.debian import default_cache
from lab.files import read_json
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import Size, sample

SERIES: Final = (NEW, OLD)
_BOOT: Final = 30.0
_FRONTS: Final = ("sip", "sip-b")
_SECRET: Final = re.compile(rf"\[{LAB_USER}\]\nsecret = (\S+)")


@dataclass(frozen=True, slots=True)
class Pbx:
    """An Asterisk that runs. `root` is its lab's folder; `tenants` are the sample platform's.

    It sends to `phones`, a SIP port of 127.0.0.1, and believes what comes from there and from `callers`;
    `far` is where its gateways gw1 and gw2 are (TCP).
    """

    series: Series
    info: PartInfo
    root: Path
    phones: int
    callers: int
    far: int
    tenants: TenantTree
    clients: tuple[str, ...]

    @property
    def sip(self) -> int:
        """Its SIP port (UDP)."""
        return int(self.info.addresses[self.series.sip].rpartition(":")[2])

    @property
    def ca(self) -> str:
        """The file of the authority that its certificate is of."""
        return self.info.addresses["ca"]

    @property
    def home(self) -> Path:
        """The folder with etc, log and spool."""
        return self.root / self.series.part

    @property
    def secret(self) -> str:
        """The password of the users that are for tests: system, cli, call, deaf, and of lab."""
        found = _SECRET.search((self.home / "etc/manager.conf").read_text())
        assert found
        return found[1]

    def address(self, name: str) -> str:
        """Return where its ami, ami-tls, ajam or ajam-tls is, as a URL."""
        return self.info.addresses[self.series.named(name)]

    def number(self, digits: str) -> str:
        """Return one of the lab's numbers, 01 ... 13, as this Asterisk has it."""
        return self.series.prefix + digits

    def node(self, user: str = COLLECTOR, *, endpoint: str | None = None, timeout: float = 2.0) -> Node:
        """Return it as it would be configured, for the collector's user or one of the tests'."""
        (secret,) = self.info.secrets.values()
        return Node(
            self.series.node,
            NodeKind.ASTERISK,
            endpoint or self.address("ami"),
            username=user,
            secret=Secret(secret if user == COLLECTOR else self.secret),
            timeout=timeout,
            options={"names": "{tenant}-*"},
        )

    def leave_messages(self, domain: str, number: int, folder: str = "INBOX") -> None:
        """Put voicemail messages into the tenant's mailbox, as files: a call would take ten minutes."""
        box = self.home / "spool/voicemail" / domain / "100" / folder
        box.mkdir(parents=True, exist_ok=True)
        first = len(list(box.glob("*.txt")))
        for name in (f"msg{place:04}" for place in range(first, first + number)):
            (box / f"{name}.txt").write_text(
                f"[message]\norigmailbox=100\ncontext={domain}\norigtime=1700000000\nduration=700\n"
            )
            (box / f"{name}.wav").write_bytes(b"RIFF")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have the process stopped (SIGSTOP) for the time of the block: connected still, and silent."""
        pid = read_json(self.root / "run" / f"{self.series.part}.json")["pid"]
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def booted(self) -> None:
        """Return when it has booted, after a start that wasn't the lab's."""
        processes = LabProcesses(self.root)
        port = int(self.address("ami").rpartition(":")[2])
        await wait_until_booted(
            port, LAB_USER, self.secret, alive=lambda: processes.alive(self.series.part), deadline=_BOOT
        )


@contextmanager
def asterisk(root: Path, series: Series = NEW, *, size: Size | None = None) -> Iterator[Pbx]:
    """Run an Asterisk without a front for the time of the block; nothing of it runs afterwards."""
    ports = LoopbackPorts(root, claims=root / "claims.json")
    processes = LabProcesses(root)
    accounts = root / "accounts.csv"
    platform = sample(accounts) if size is None else sample(accounts, size)
    lab = LabContext(root, default_cache(), ports, processes, platform, parts=frozenset(_FRONTS))
    try:
        info = asyncio.run(AsteriskPart(series).start(lab))
        other = OLD if series is NEW else NEW
        tree = TenantTree(
            Tenant(platform.platform, None, Level.PLATFORM, "Platform"),
            [Tenant(t.domain, t.domain.partition(".")[2], Level(t.level), t.name) for t in platform.tenants],
        )
        phones, callers = (ports.take(name) for name in _FRONTS)
        clients = tuple(tenant.domain for tenant in platform.clients)
        yield Pbx(series, info, root, phones, callers, ports.take(other.gateway), tree, clients)
    finally:
        processes.stop_all()
