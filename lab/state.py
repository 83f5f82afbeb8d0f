"""What a lab is, as told to people and kept in its folder (lab.json)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.base import PartInfo
from lab.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class PartState:
    """A part that was started: its line for a person and its addresses (name -> URL or host:port)."""

    name: str
    says: str
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab that was started. `config` is the dialtone.yaml that fits it.

    `processes` says of each program whether it runs now. `already` is True when `up` found the lab
    running and changed nothing.
    """

    name: str
    root: Path
    config: Path
    parts: tuple[PartState, ...]
    processes: Mapping[str, bool]
    already: bool = False

    @property
    def runs(self) -> bool:
        """Whether every program of the lab is running."""
        return all(self.processes.values())

    @property
    def addresses(self) -> Mapping[str, str]:
        """The addresses of all parts by name: sip, mi, ami, db1 ..."""
        return {name: where for part in self.parts for name, where in part.addresses.items()}


def keep(root: Path, infos: Sequence[PartInfo]) -> None:
    """Write lab.json: the lab is complete from now on."""
    parts = [PartState(info.name, info.says, dict(info.addresses)) for info in infos]
    write_json(root / "lab.json", {"parts": [asdict(part) for part in parts]})


def forget(root: Path) -> None:
    """Remove what would say that the lab runs."""
    for name in ("lab.json", "dialtone.yaml"):
        (root / name).unlink(missing_ok=True)


def kept(root: Path) -> tuple[PartState, ...] | None:
    """Return the parts of a lab that came up whole; None where there is none."""
    parts = read_json(root / "lab.json").get("parts")
    if not isinstance(parts, list):
        return None
    return tuple(PartState(**part) for part in parts)
