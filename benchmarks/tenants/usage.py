"""What Dialtone and the platform use, apart: CPU between two looks, memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu, cpu_of_all, holding
from lab.files import read_json
from lab.proc import running


@dataclass(frozen=True, slots=True)
class Look:
    """CPU seconds used up to an instant `at` (monotonic), by program, and by all of the machine.

    `memory` is that of Dialtone's processes, in bytes.
    """

    at: float
    dialtone: Mapping[str, float]
    platform: Mapping[str, float]
    machine: float
    memory: int


def look(service: int, lab: Path, at: float) -> Look:
    """Look at a service and its workers, and at the programs of the lab in that folder."""
    held = holding(service, at)
    workers = held.pids[1:]
    return Look(
        at,
        {"service": cpu([service]), "workers": cpu(workers)},
        {name: cpu(pids) for name, pids in _programs(lab).items()},
        cpu_of_all(),
        held.memory,
    )


def _programs(lab: Path) -> dict[str, list[int]]:
    """Return the processes of each of the lab's programs: those in its session."""
    leaders = {read_json(path).get("pid"): path.stem for path in (lab / "run").glob("*.json")}
    found: dict[str, list[int]] = {}
    for process in running():
        if process.session in leaders:
            found.setdefault(leaders[process.session], []).append(process.pid)
    return found
