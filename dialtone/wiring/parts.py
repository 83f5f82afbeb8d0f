"""What the service and single commands are both made of."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import anyio

from alerts import AlertWriter, Rule, load_rules
from collectors import asterisk, mysql, opensips
from dialtone.config import Listen, Settings
from dialtone.export.metrics import METRICS
from dialtone.model import (
    Catalog,
    Engine,
    Node,
    NodeKind,
)
from dialtone.ports import Clock, Collector, Sink, Store, TenantLookup
from dialtone.runtime.runner import CollectorRunner
from synthetic.agents.link import sippy_prober
from synthetic.driver import ProbeDriver
from synthetic.evidence import EvidenceStore
from synthetic.sipp.prober import SippProber

KEEP_RESULTS: Final = timedelta(days=30)
KEEP_EVIDENCE: Final = timedelta(days=7)
KEEP_MESSAGES: Final = timedelta(days=30)
"""How long results, their records and settled alert messages are kept; counters do not depend on them."""


def build_catalog() -> Catalog:
    """Return every metric there is."""
    return Catalog(METRICS, opensips.METRICS, asterisk.METRICS, mysql.METRICS)


def build_rules(settings: Settings) -> tuple[Rule, ...]:
    """Return the alert rules: the pack with the operator's file over it. Raises ConfigError."""
    return load_rules(build_catalog(), settings.rules)


_COLLECTORS: Final[Mapping[NodeKind, Callable[[Node, TenantLookup, Clock], Collector]]] = {
    NodeKind.OPENSIPS: opensips.OpensipsCollector,
    NodeKind.ASTERISK: asterisk.AsteriskCollector,
    NodeKind.MYSQL: lambda node, tenants, clock: mysql.MysqlCollector(node, clock),
}


@asynccontextmanager
async def running_collectors(
    settings: Settings, nodes: Sequence[Node], clock: Clock, sinks: Sequence[Sink]
) -> AsyncIterator[list[CollectorRunner]]:
    """Own a collector a node; their connections are given back at the end, within a deadline."""
    collectors = [_COLLECTORS[node.kind](node, settings.tree, clock) for node in nodes]
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


@asynccontextmanager
async def probe_driver(
    settings: Settings, store: Store, evidence: EvidenceStore, clock: Clock, sinks: Sequence[Sink]
) -> AsyncIterator[ProbeDriver]:
    """Own the engines and what drives them."""
    async with sippy_prober(clock) as sippy:
        driver = ProbeDriver(
            {Engine.SIPPY: sippy, Engine.SIPP: SippProber(clock, settings.data / "spool")},
            store,
            clock,
            sinks,
            settings.accounts,
            settings.location,
            (settings.caps.calls_per_second, settings.caps.concurrent_calls),
            evidence,
            random.Random(),  # noqa: S311 - jitter and ids, not secrets
        )
        try:
            yield driver
        finally:
            await driver.aclose()


def external_url(settings: Settings) -> str:
    """Return the address under which people reach the service."""
    return settings.external_url or f"http://{_place(settings.listen)}"


def _place(listen: Listen) -> str:
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"


def alert_writer(settings: Settings, rules: Sequence[Rule]) -> AlertWriter:
    """Return what puts alerts into words for receivers."""
    return AlertWriter(rules, external_url=external_url(settings), reseller_of=settings.tree.reseller)
