"""The lab as Dialtone sees it: by `dialtone serve` while a test runs, and by `dialtone collect`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from dialtone.model import Flow
from dialtone.wiring.parts import build_catalog
from tests.integration.service import Service, dialtone, serving, until
from tests.live.figures import Figure, Figures

_CATALOG: Final = build_catalog()


async def collected(config: Path) -> Figures:
    """Return what `dialtone collect --format json` prints of every node."""
    ended = await dialtone("collect", config, "--format", "json")
    assert ended.code == 0, ended.err
    return Figures(
        tuple(
            Figure(sample["metric"], sample["labels"], sample["value"])
            for node in ended.json
            for sample in node["samples"]
        )
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """What a service that runs says of the lab."""

    service: Service

    async def metrics(self) -> Figures:
        """Scrape /metrics."""
        status, body = await self.service.ask("/metrics")
        assert status == 200
        return Figures.of_exposition(body)

    async def figures(self, *nodes: str) -> Figures:
        """Return these nodes' figures, as the API has them; label names come from the catalogue."""
        samples: list[dict[str, Any]] = []
        for node in nodes:
            samples += (await self.service.api(f"/nodes/{node}"))["samples"]
        return Figures(
            tuple(
                Figure(
                    s["metric"], dict(zip(_CATALOG[s["metric"]].labels, s["labels"], strict=True)), s["value"]
                )
                for s in samples
            )
        )

    async def ends(self, flow: Flow, since: datetime) -> dict[str, list[str]]:
        """Return how the probes of a flow ended that began after `since`, by tenant.

        In words: `pass`, `fail timeout`, `inconclusive overloaded` ...
        """
        query = urlencode({"flow": flow, "since": since.isoformat()})
        found: dict[str, list[str]] = {}
        for result in await self.service.results(f"&{query}"):
            if datetime.fromisoformat(result["started"]) > since:
                words = f"{result['outcome']} {result['failure'] or ''}".strip()
                found.setdefault(result["tenant"], []).append(words)
        return found

    async def firing(self) -> set[tuple[str, str]]:
        """Return rule and subject (node or tenant) of the alerts that fire."""
        return {
            (alert["rule"], alert["node"] or alert["tenant"])
            for alert in (await self.service.api("/alerts"))["items"]
            if alert["state"] == "firing"
        }


@asynccontextmanager
async def watching(config: Path) -> AsyncIterator[Watched]:
    """Run `dialtone serve` for the time of the block, once it is ready; it must end in time and with 0."""
    async with serving(config) as service:

        async def ready() -> bool:
            status, _ = await service.ask("/readyz")
            return status == 200

        await until("the service is ready", ready)
        yield Watched(service)
        assert await service.stop() == 0, service.log.read_text()
