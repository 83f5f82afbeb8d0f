"""The lab as a whole: up, down, status. Several labs live side by side, each under its own name."""

import importlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

import anyio
import anyio.to_thread
import structlog

from lab import configuration, state
from lab.base import LabContext, LabError, Part, PartInfo
from lab.debian.bundle import default_cache
from lab.files import locked, xdg_folder
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import Size, sample
from lab.state import LabState

PARTS: Final = {
    "sip": "lab.front:SipPart",
    "asterisk": "lab.asterisk:AsteriskPart",
    "mysql": "lab.mysql:MysqlPart",
    "sip-b": "lab.front:SecondSipPart",
    "asterisk-16": "lab.asterisk:OldAsteriskPart",
    "http": "lab.http:HttpPart",
    "galera": "lab.mysql:GaleraPart",
    "mysql-9": "lab.mysql:MySQL9Part",
    "mariadb-11": "lab.mysql:MariaDB11Part",
}
"""Every part of the lab, imported when it is asked for."""

EXTRA: Final = frozenset({"sip-b", "asterisk-16", "http", "galera", "mysql-9", "mariadb-11"})
"""The parts that come up only when they are asked for: the demo plays without them, and starts sooner."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_BUDGET: Final = 900.0
"""Seconds until a part is given up that neither answers nor fails; a first start may fetch packages."""

_ANSWERS: Final = 30.0
_ANSWERS_BIG: Final = 120.0
"""Seconds that a part may take to answer, on the usual sample platform and on one of another size."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Start:
    """The parts that are being started together: what those that answer say, and the first failure."""

    infos: dict[str, PartInfo] = field(default_factory=dict)
    failed: LabError | None = None


def state_root() -> Path:
    """Return where labs live: $XDG_STATE_HOME/dialtone/labs."""
    return xdg_folder("XDG_STATE_HOME", ".local/state") / "labs"


async def up(
    name: str = "default",
    *,
    only: Sequence[str] | None = None,
    root: Path | None = None,
    size: Size = Size(),  # noqa: B008 - a frozen value
) -> LabState:
    """Start a lab, or these parts of one; return when everything answers and its files are written.

    `root` is the folder that labs live in, `size` says how big the sample platform is. A lab that runs
    already is left alone (`already` is True); what a crashed one left is cleaned first. A part that
    fails takes the rest down with it. Raises LabError naming the part, the reason and the end of its log.
    """
    wanted = _wanted(only)
    home = _home(name, root)
    with _held(home):
        running = _look(name, home)
        if running is not None and running.runs:
            return _already(running, wanted)
        parts = {part: _part(part) for part in wanted}
        _check(parts)
        await _clean(home)
        lab = replace(_context(home, size), parts=frozenset(wanted))
        try:
            infos = await _start(parts, lab)
            configuration.write(lab, infos)
            state.keep(home, infos)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _clean(home)
            raise
        return _known(_look(name, home), home)


async def down(name: str = "default", *, root: Path | None = None) -> bool:
    """End a lab: no process, no port is left, also of one that crashed. Return whether there was one."""
    home = _home(name, root)
    if not home.exists():
        return False
    with _held(home):
        was = state.kept(home) is not None or bool(LabProcesses(home).names())
        await _clean(home)
        return was


def status(name: str = "default", *, root: Path | None = None) -> LabState | None:
    """Return a lab as it is now; None where none of that name came up."""
    return _look(name, _home(name, root))


def _wanted(only: Sequence[str] | None) -> tuple[str, ...]:
    for part in only or ():
        if part not in PARTS:
            raise LabError(f"the lab has no part {part!r}; it has {', '.join(PARTS)}")
    return tuple(part for part in PARTS if (part in only if only is not None else part not in EXTRA))


def _home(name: str, root: Path | None) -> Path:
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} can't be a lab's name: letters a-z, digits and hyphens, at most 32, "
            "the first one no hyphen"
        )
    return (root or state_root()).expanduser().resolve() / name


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Keep other commands off this lab; it may take them minutes, so they are told and don't wait."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    with locked(home / ".lock", busy=f"another command is working on the lab {home.name}", patience=0.0):
        yield


def _look(name: str, home: Path) -> LabState | None:
    parts = state.kept(home)
    if parts is None:
        return None
    processes = LabProcesses(home)
    alive = {program: processes.alive(program) for program in processes.names()}
    return LabState(name, home, home / configuration.CONFIG, parts, alive)


def _already(running: LabState, wanted: Sequence[str]) -> LabState:
    missing = [part for part in wanted if part not in {p.name for p in running.parts}]
    if missing:
        raise LabError(
            f"the lab {running.name} runs already, without {', '.join(missing)}: "
            "end it first (dialtone lab down), or give the new one another --name"
        )
    return replace(running, already=True)


def _part(name: str) -> Part:
    module, _, attribute = PARTS[name].partition(":")
    return cast(Part, getattr(importlib.import_module(module), attribute)())


def _check(parts: dict[str, Part]) -> None:
    lacks = [f"{name}: {what}" for name, part in parts.items() for what in part.missing()]
    if lacks:
        raise LabError("this machine lacks what the lab needs:\n" + "\n".join(f"  {line}" for line in lacks))


def _context(home: Path, size: Size) -> LabContext:
    cache = default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    return LabContext(
        root=home,
        cache=cache,
        ports=_ports(home),
        processes=LabProcesses(home),
        sample=sample(home / configuration.ACCOUNTS, size),
        answers=_ANSWERS if size == Size() else _ANSWERS_BIG,
    )


def _ports(home: Path) -> LoopbackPorts:
    # One table of claims for all labs of this user, wherever their folders are.
    return LoopbackPorts(home, claims=state_root().parent / "ports.json")


async def _start(parts: dict[str, Part], lab: LabContext) -> list[PartInfo]:
    start = _Start()
    async with anyio.create_task_group() as tasks:
        for name, part in parts.items():
            tasks.start_soon(_start_one, name, part, lab, start, tasks.cancel_scope)
    if start.failed is not None:
        raise start.failed
    return [start.infos[name] for name in parts]


async def _start_one(
    name: str, part: Part, lab: LabContext, start: _Start, all_of_them: anyio.CancelScope
) -> None:
    try:
        with anyio.fail_after(_BUDGET):
            start.infos[name] = await part.start(lab)
    except TimeoutError:
        failure = LabError(f"{name}: no answer after {_BUDGET:.0f} s, see {lab.root / 'logs'}")
    except (LabError, OSError) as error:
        failure = LabError(f"{name}: {error}")
    else:
        _log.info("lab part answers", lab=lab.root.name, part=name)
        return
    if start.failed is None:
        start.failed = failure
    all_of_them.cancel()


async def _clean(home: Path) -> None:
    """End all that runs, give back the ports and forget the lab; its logs and passwords stay."""
    state.forget(home)
    await anyio.to_thread.run_sync(LabProcesses(home).stop_all)
    _ports(home).give_back()


def _known(found: LabState | None, home: Path) -> LabState:
    if found is None:
        raise LabError(f"{home / 'lab.json'} vanished while the lab came up")
    return found
