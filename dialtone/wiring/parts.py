"""What the service and single commands are both made of."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio

from alerts import AlertWriter, Rule, load_rules
from collectors import asterisk, mysql, opensips
from collectors.mysql.fleet import Fleet
from collectors.mysql.topology.metrics import METRICS as TOPOLOGY_METRICS
from dialtone.config import Listen, Settings
from dialtone.export.metrics import METRICS
from dialtone.model import Catalog, Engine, Node, NodeKind
from dialtone.ports import Clock, Collector, Prober, Sink, Store, TenantLookup
from dialtone.runtime.runner import CollectorRunner
from synthetic.agents.link import sippy_prober
from synthetic.canary import Canary, canary_of
from synthetic.driver import ProbeDriver
from synthetic.evidence import EvidenceStore
from synthetic.http.prober import HttpProber
from synthetic.sipp.prober import SippProber

KEEP_COUNTS: Final = timedelta(days=8)
"""How long hours of counts are kept: ratios are asked for over a week at most (dialtone/web/api.py)."""
KEEP_MESSAGES: Final = timedelta(days=30)
"""How long settled alert messages are kept; counters do not depend on them."""


def build_catalog() -> Catalog:
    """Return every metric there is."""
    return Catalog(METRICS, opensips.METRICS, asterisk.METRICS, mysql.METRICS, TOPOLOGY_METRICS)


def build_rules(settings: Settings) -> tuple[Rule, ...]:
    """Return the alert rules: the pack with the operator's file over it. Raises ConfigError."""
    return load_rules(settings.rules)


MiClients = Mapping[str, opensips.MiClient]
"""The clients of opensips nodes that not only their collectors ask, by node."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What collectors have in common: the tenants, the clock, clients, and what MySQL servers said last."""

    tenants: TenantLookup
    clock: Clock
    clients: MiClients
    fleet: Fleet


_COLLECTORS: Final[Mapping[NodeKind, Callable[[Node, _Shared], Collector]]] = {
    NodeKind.OPENSIPS: lambda node, shared: opensips.OpensipsCollector(
        node, shared.tenants, shared.clock, shared.clients.get(node.name)
    ),
    NodeKind.ASTERISK: lambda node, shared: asterisk.AsteriskCollector(node, shared.tenants, shared.clock),
    NodeKind.MYSQL: lambda node, shared: mysql.MysqlCollector(node, shared.clock, shared.fleet),
}


@asynccontextmanager
async def running_collectors(
    nodes: Sequence[Node],
    tenants: TenantLookup,
    clock: Clock,
    sinks: Sequence[Sink],
    clients: MiClients,
    fleet: Fleet | None = None,
) -> AsyncIterator[list[CollectorRunner]]:
    """Own a collector a node; their connections are given back at the end, within a deadline.

    `fleet` is where those of MySQL servers leave what they read, for who judges topologies.
    """
    shared = _Shared(tenants, clock, clients, Fleet() if fleet is None else fleet)
    collectors = [_COLLECTORS[node.kind](node, shared) for node in nodes]
    try:
        yield [
            CollectorRunner(node, collector, clock, sinks)
            for node, collector in zip(nodes, collectors, strict=True)
        ]
    finally:
        with anyio.move_on_after(1, shield=True):
            async with anyio.create_task_group() as closing:
                for collector in collectors:
                    closing.start_soon(collector.aclose)


@dataclass(frozen=True, slots=True)
class Probing:
    """What runs probes, and the canary that says whether it can."""

    driver: ProbeDriver
    canary: Canary


@asynccontextmanager
async def engines(clock: Clock, spool: Path) -> AsyncIterator[dict[Engine, Prober]]:
    """Own everything that runs probes; SIPp's files go to `spool`."""
    async with sippy_prober(clock) as sippy:
        yield {
            Engine.SIPPY: sippy,
            Engine.SIPP: SippProber(clock, spool),
            Engine.SERVICE: HttpProber(clock),
        }


@asynccontextmanager
async def probing(
    settings: Settings, store: Store, evidence: EvidenceStore, clock: Clock, sinks: Sequence[Sink]
) -> AsyncIterator[Probing]:
    """Own the engines, their canary and what drives them."""
    async with AsyncExitStack() as stack:
        probers = await stack.enter_async_context(engines(clock, settings.data / "spool"))
        canary = await stack.enter_async_context(canary_of(probers, clock))
        driver = ProbeDriver(
            probers,
            store,
            clock,
            sinks,
            settings.accounts,
            settings.location,
            (settings.caps.calls_per_second, settings.caps.concurrent_calls),
            evidence,
            random.Random(),  # noqa: S311 - jitter and ids, not secrets
            canary,
        )
        stack.push_async_callback(driver.aclose)
        yield Probing(driver, canary)


def external_url(settings: Settings) -> str:
    """Return the address under which people reach the service."""
    return settings.external_url or f"http://{_place(settings.listen)}"


def _place(listen: Listen) -> str:
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"


def alert_writer(settings: Settings, rules: Sequence[Rule], tenants: TenantLookup) -> AlertWriter:
    """Return what puts alerts into words for receivers."""
    return AlertWriter(rules, external_url=external_url(settings), reseller_of=tenants.reseller)
