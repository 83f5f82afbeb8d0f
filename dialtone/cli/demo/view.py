"""What the demo sees of the service: its public API, read like any other client would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

_DEADLINE: Final = aiohttp.ClientTimeout(total=3)
_PAGES: Final = 50
_DELAYS: Final = {
    "options": "options_delay",
    "register": "rrd",
    "call": "srd",
    "presence": "presence_delay",
    "blind-transfer": "transfer_delay",
    "attended-transfer": "transfer_delay",
    "http": "http_duration",
}
"""The timing that is shown of a flow."""


@dataclass(frozen=True, slots=True)
class FlowView:
    """How one flow of one tenant last ended, of several probes the worst; `delay` in seconds is _DELAYS'.

    `mos` is the least score of what was heard, None where nothing was to be.
    """

    outcome: str
    why: str
    delay: float | None
    mos: float | None = None


@dataclass(frozen=True, slots=True)
class TenantView:
    """A client and its flows by name."""

    domain: str
    flows: Mapping[str, FlowView]


@dataclass(frozen=True, slots=True)
class NodeView:
    """A server; `figures` are values by metric name, or by (metric name, tenant)."""

    name: str
    kind: str
    up: bool
    detail: str
    version: str
    figures: Mapping[str | tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class View:
    """The platform as it stood at one look."""

    clients: tuple[TenantView, ...]
    nodes: tuple[NodeView, ...]

    def live(self, metric: str, domain: str) -> float | None:
        """Return a tenant's figure, summed over the nodes that have it; None where none has."""
        found = [v for node in self.nodes if (v := node.figures.get((metric, domain))) is not None]
        return sum(found) if found else None


class Api:
    """Reads the service at a base URL; errors are aiohttp's and TimeoutError."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def look(self) -> View:
        """Read status and nodes."""
        status = await self._get("/status")
        names = [node["name"] for node in (await self._get("/nodes"))["items"]]
        nodes = [_node(await self._get(f"/nodes/{name}")) for name in names]
        clients = [_tenant(tenant) for tenant in status["tenants"] if tenant["level"] == "client"]
        return View(
            tuple(sorted(clients, key=lambda c: c.domain)), tuple(sorted(nodes, key=lambda n: n.name))
        )

    async def outcomes(self) -> dict[tuple[str, str], set[str]]:
        """Return every outcome seen since the start, by (tenant, flow)."""
        seen: dict[tuple[str, str], set[str]] = {}
        query = "/results?limit=1000"
        for _ in range(_PAGES):
            page = await self._get(query)
            for result in page["items"]:
                seen.setdefault((result["tenant"], result["flow"]), set()).add(result["outcome"])
            if not page["next"]:
                break
            query = f"/results?limit=1000&cursor={page['next']}"
        return seen

    async def _get(self, path: str) -> Any:
        async with self._session.get(f"{self._base}/api/v1{path}", timeout=_DEADLINE) as answer:
            answer.raise_for_status()
            return await answer.json()


def _tenant(found: Mapping[str, Any]) -> TenantView:
    # The API has the worst first, which is to stay.
    return TenantView(found["domain"], {flow["flow"]: _flow(flow) for flow in reversed(found["flows"])})


def _flow(found: Mapping[str, Any]) -> FlowView:
    delay = found["timings"].get(_DELAYS[found["flow"]])
    scores = [stream["mos"] for stream in found["media"] if stream["mos"] is not None]
    return FlowView(found["outcome"], found["failure"] or "", delay, min(scores, default=None))


def _node(found: Mapping[str, Any]) -> NodeView:
    return NodeView(
        found["name"],
        found["kind"],
        found["up"],
        found["detail"],
        found["info"].get("version", ""),
        dict(_figures(found["samples"])),
    )


def _figures(samples: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str | tuple[str, str], float]]:
    for sample in samples:
        metric, labels = sample["metric"], sample["labels"]
        if "_tenant_" in metric:
            yield (metric, labels[1]), sample["value"]
        else:
            yield metric, sample["value"]
