"""What every part of the lab shares: its folder, its ports, its processes and the sample platform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class LabError(Exception):
    """The lab can't do it. The message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Phone:
    """An account of the sample platform."""

    tenant: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class SampleTenant:
    """A tenant of the sample platform. `number` is what tells its DIDs from others' (clients: from 1)."""

    domain: str
    name: str
    level: str
    number: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample platform: clusterpbx.example -> two resellers -> clients with phones."""

    platform: str
    tenants: tuple[SampleTenant, ...]
    phones: tuple[Phone, ...]

    @property
    def clients(self) -> tuple[SampleTenant, ...]:
        """The tenants that have phones."""
        return tuple(t for t in self.tenants if t.level == "client")


class Ports(Protocol):
    """Hands out loopback ports that no other lab and no other program has."""

    def take(self, name: str) -> int:
        """Return the port of that name: free for TCP and UDP on loopback; the same one when asked again."""


class Processes(Protocol):
    """Starts programs that outlive the command, and ends them by their pid."""

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start a program in its own session, its output in logs/NAME.log; return its pid.

        The pid and its start time are on disk before this returns, so that `lab down` finds it
        after a crash, and never ends a process that merely got the same pid.
        """

    def alive(self, name: str) -> bool:
        """Whether the program of that name is still running."""

    def stop(self, name: str, *, grace: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after the grace (seconds); returns when it is gone."""

    def log_tail(self, name: str, lines: int = 20) -> str:
        """Return the end of its output, for error messages."""


@dataclass(frozen=True, slots=True)
class LabContext:
    """What a part is given. `root` is this lab's own folder, `cache` is shared between labs.

    `answers` is how long a part may take to answer, in seconds. `parts` are the names of all parts that come
    up together: servers that work in pairs need to know whether there is another.
    """

    root: Path
    cache: Path
    ports: Ports
    processes: Processes
    sample: Sample
    answers: float = 30.0
    parts: frozenset[str] = frozenset()

    def folder(self, name: str) -> Path:
        """Return root/NAME, made if need be."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What a part that answers has to say.

    `says` is one line for a person; `nodes` are entries for dialtone.yaml's `nodes:`;
    `config` is merged into the rest of it; `secrets` are files to write (name -> text, 0600)
    under secrets/; `addresses` are name -> URL or host:port, kept in lab.json for tests.
    """

    name: str
    says: str
    nodes: tuple[Mapping[str, object], ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)


class Part(Protocol):
    """One kind of server: `sip`, `asterisk`, `mysql` ..."""

    name: str

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it, each with how to get it; empty when it can start."""

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once it answers. Raises LabError with the reason and the log's tail."""
