"""Parts of a lab that are one small program each, able to fail in every way."""

import asyncio
import sys
from collections.abc import Sequence

from lab.base import LabContext, LabError, PartInfo

PATIENT = "import time; print('ready', flush=True); time.sleep(600)"


class GoodPart:
    """Starts a program and answers, with all that a part can say."""

    name = "sip"

    def missing(self) -> Sequence[str]:
        """Return nothing: it needs nothing."""
        return ()

    async def start(self, lab: LabContext) -> PartInfo:
        """Start one program."""
        lab.processes.start(self.name, [sys.executable, "-c", PATIENT])
        port = lab.ports.take(self.name)
        return PartInfo(
            name=self.name,
            says="a front that only sleeps",
            nodes=({"name": "sip1", "kind": "opensips", "mi": f"http://127.0.0.1:{port}/mi"},),
            addresses={"sip": f"127.0.0.1:{port}"},
        )


class PairPart(GoodPart):
    """Two nodes with a topology and a secret."""

    name = "mysql"

    async def start(self, lab: LabContext) -> PartInfo:
        """Start one program."""
        lab.processes.start(self.name, [sys.executable, "-c", PATIENT])
        return PartInfo(
            name=self.name,
            says="a pair that only sleeps",
            nodes=({"name": "db1", "password": {"file": "secrets/db"}},),
            config={"topologies": [{"name": "main", "nodes": ["db1"]}]},
            secrets={"db": "geheim"},
        )


class FailingPart(GoodPart):
    """Its program ends at once, and it says why."""

    name = "asterisk"

    async def start(self, lab: LabContext) -> PartInfo:
        """Raise LabError after a moment in which others have started."""
        lab.processes.start(self.name, [sys.executable, "-c", "print('no such codec')"])
        for _ in range(1000):
            if not lab.processes.alive(self.name):
                break
            await asyncio.sleep(0.01)
        raise LabError(f"it ended\n{lab.processes.log_tail(self.name)}")


class EndlessPart(GoodPart):
    """Its program runs, but it never answers."""

    async def start(self, lab: LabContext) -> PartInfo:
        """Wait until it is cancelled."""
        lab.processes.start(self.name, [sys.executable, "-c", PATIENT])
        await asyncio.Event().wait()
        raise AssertionError


class LackingPart(GoodPart):
    """Isn't installed, and must not be started."""

    def missing(self) -> Sequence[str]:
        """Return what it lacks."""
        return ["kamailio: apt-get install kamailio"]

    async def start(self, lab: LabContext) -> PartInfo:
        """Never."""
        raise AssertionError
