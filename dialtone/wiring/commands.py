"""Commands that do one thing now, with or without a service beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from alerts import WebhookNotifier
from alerts.messages import test_message
from collectors.mysql.fleet import Fleet
from collectors.mysql.topology.watch import TopologyWatch
from dialtone.config import ProbeSpec, Receiver, Settings, TenantDirectory
from dialtone.export.prometheus import Exposition
from dialtone.model import (
    AlertEvent,
    Catalog,
    CollectError,
    MessageState,
    Node,
    NodeState,
    Origin,
    OutboxEntry,
    ProbeRun,
    Scope,
    TopologyState,
)
from dialtone.ports import DeliveryError
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.store import open_store
from dialtone.store.sqlite import FILE_NAME
from dialtone.wiring.discovery import discovering, mi_clients
from dialtone.wiring.parts import alert_writer, build_rules, probing, running_collectors
from dialtone.wiring.topologies import TopologyFigures, topologies_of, topology_tenants
from synthetic.evidence import EvidenceStore


@dataclass(frozen=True, slots=True)
class Collected:
    """What one poll gave: the nodes' states, all as Prometheus text, and topologies.

    Those are the ones of which every node was polled. `undiscovered` says why sources told no tenants,
    `untold` why databases did not tell those of topologies.
    """

    states: tuple[NodeState, ...]
    exposition: str
    undiscovered: Mapping[str, CollectError]
    topologies: tuple[TopologyState, ...] = ()
    untold: Mapping[str, CollectError] = field(default_factory=dict)


async def collect(settings: Settings, nodes: Sequence[Node], catalog: Catalog) -> Collected:
    """Look for tenants, where the configuration says so, and poll these nodes once, all at the same time."""
    clock = SystemClock()
    board = Board()
    fleet = Fleet()
    directory = TenantDirectory(settings.tree)
    exposition = Exposition(catalog, directory.reseller, clock, settings.caps.series)
    clients = mi_clients(settings)
    polled = {node.name for node in nodes}
    whole = [topology for topology in topologies_of(settings) if polled.issuperset(topology.nodes)]
    names = {topology.name for topology in whole}
    queries = [query for query in settings.tenant_queries if query.topology in names]
    async with (
        discovering(settings, directory, clock, clients) as discovery,
        topology_tenants(queries, directory, clock) as tenants_of,
    ):
        figures = TopologyFigures(exposition, directory)
        watch = TopologyWatch(whole, fleet, clock, tenants_of=tenants_of, tell=(board, figures))
        sinks = (board, exposition, watch)
        async with running_collectors(nodes, directory, clock, sinks, clients, fleet) as runners:
            looked, told = await discovery.run_all(), await tenants_of.run_all()
            async with anyio.create_task_group() as polls:
                for runner in runners:
                    polls.start_soon(runner.poll)
    states = {runner.node.name: runner.state for runner in runners}
    return Collected(
        tuple(state for node in nodes if (state := states[node.name]) is not None),
        exposition.render().decode(),
        {name: error for name, error in looked.items() if error is not None},
        watch.states,
        {name: error for name, error in told.items() if error is not None},
    )


async def probe(settings: Settings, spec: ProbeSpec, tenant: str, count: int) -> list[ProbeRun]:
    """Run a probe by hand, `count` times in a row. Raises StoreError where the data folder can't be used.

    Accounts are leased in the store, so a probe by hand and the service never share one.
    """
    clock = SystemClock()
    store = await open_store(settings.data)
    try:
        evidence = EvidenceStore(settings.data, settings.evidence)
        async with probing(settings, store, evidence, clock, ()) as probes:
            slot = int(clock.now().timestamp() // spec.interval)
            return [
                await probes.driver.run(spec, tenant, origin=Origin.MANUAL, slot=slot) for _ in range(count)
            ]
    finally:
        await store.aclose()


async def alerts_listed(settings: Settings) -> tuple[list[AlertEvent], list[OutboxEntry]] | None:
    """Return the alerts and messages that the data folder holds; None where no service ever ran in it.

    Raises StoreError where the data folder can't be used.
    """
    if not (settings.data / FILE_NAME).exists():
        return None
    store = await open_store(settings.data)
    try:
        entries = [
            entry
            for state in (MessageState.WAITING, MessageState.REFUSED, MessageState.DROPPED)
            for entry in await store.outbox(state)
        ]
        return await store.alerts(Scope.everything()), entries
    finally:
        await store.aclose()


async def alerts_tested(
    settings: Settings, receivers: Sequence[Receiver]
) -> list[tuple[float, DeliveryError | None]]:
    """Send each of these receivers a test message, all at the same time, once.

    Return how long each took, in seconds, and what went wrong, in their order.
    """
    clock = SystemClock()
    writer = alert_writer(settings, build_rules(settings), settings.tree)
    ended: dict[str, tuple[float, DeliveryError | None]] = {}

    async def send(receiver: Receiver) -> None:
        before, problem = clock.monotonic(), None
        try:
            notifier = WebhookNotifier(receiver.name, receiver.url, writer)
            await notifier.send(test_message(receiver.name, clock.now()))
        except DeliveryError as error:
            problem = error
        ended[receiver.name] = clock.monotonic() - before, problem

    async with anyio.create_task_group() as sending:
        for receiver in receivers:
            sending.start_soon(send, receiver)
    return [ended[receiver.name] for receiver in receivers]
