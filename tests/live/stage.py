"""A whole lab for one test module, and the configurations that its tests run the service with."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lab import lab
from lab.sample import sample
from lab.state import LabState
from tests.integration.phone import Phone

ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"
GLOBEX: Final = "globex.modulis.clusterpbx.example"
UMBRELLA: Final = "umbrella.modulis.clusterpbx.example"


@dataclass(frozen=True, slots=True)
class Stage:
    """A lab that runs, and what is known of it. `passwords` are by (tenant, user)."""

    state: LabState
    clients: tuple[str, ...]
    passwords: Mapping[tuple[str, str], str] = field(repr=False)

    @property
    def sip(self) -> int:
        """The front's port."""
        return int(self.state.addresses["sip"].rpartition(":")[2])

    @property
    def front(self) -> tuple[str, ...]:
        """The programs that make up the SIP front."""
        return tuple(p for p in ("kamailio", "bridge", "opensips") if p in self.state.processes)

    def phone(self, user: str, domain: str) -> Phone:
        """Return a phone with its right password; it sends to the front."""
        return Phone(self.sip, user, domain, self.passwords[domain, user])

    def config(self, name: str, *, probes: bool = True, webhook: str | None = None) -> Path:
        """Write the lab's dialtone.yaml quickened, with a data folder of its own; return its path.

        Every node is read each second, every flow probed each five. Without `probes` nothing but the
        test itself places calls.
        """
        tree: dict[str, Any] = yaml.safe_load(self.state.config.read_text())
        tree |= {"data": f"./data-{name}", "listen": "127.0.0.1:0"}
        for node in tree["nodes"]:
            node |= {"interval": "1s", "timeout": "1s"}
        if probes:
            for probe in tree["probes"]:
                probe |= {"interval": "5s", "timeout": "2s"}
                probe.pop("media", None)  # it takes longer
        else:
            del tree["probes"], tree["objectives"]
        if webhook is not None:
            tree["alerts"] = {"receivers": [{"name": "test", "url": webhook}]}
        path = self.state.config.with_name(f"{name}.yaml")
        path.write_text(yaml.safe_dump(tree))
        return path


@contextmanager
def staged(root: Path, only: Sequence[str] | None = None) -> Iterator[Stage]:
    """Have a lab up for the time of the block; nothing of it is left afterwards."""
    try:
        state = asyncio.run(lab.up("live", only=only, root=root))
        phones = sample(state.root / "accounts.csv").phones
        clients = tuple(dict.fromkeys(phone.tenant for phone in phones))
        yield Stage(state, clients, {(phone.tenant, phone.user): phone.password for phone in phones})
    finally:
        asyncio.run(lab.down("live", root=root))
        shutil.rmtree(root / "live", ignore_errors=True)


@contextmanager
def fronted_by(server: str) -> Iterator[None]:
    """Choose what the lab takes for its front: `kamailio` or `opensips`; skips where there is no such."""
    with pytest.MonkeyPatch.context() as patch:
        if server == "opensips":
            if shutil.which("opensips") is None:
                pytest.skip("no opensips on PATH")
        else:
            folders = os.environ["PATH"].split(os.pathsep)
            rest = [folder for folder in folders if not (Path(folder) / "opensips").exists()]
            patch.setenv("PATH", os.pathsep.join(rest))
        yield
