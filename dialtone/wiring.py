"""The composition root: the one module that knows everyone."""

import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Final

import anyio
import structlog

from alerts import AlertWatch, AlertWriter, Rule, WebhookNotifier, load_rules, probe_alerts
from alerts.messages import test_message
from collectors import asterisk, mysql, opensips
from dialtone import __version__
from dialtone.config import Listen, ProbeSpec, Receiver, Settings
from dialtone.export.metrics import METRICS
from dialtone.export.prometheus import Exposition
from dialtone.model import (
    AlertEvent,
    Catalog,
    Engine,
    Evidence,
    MessageState,
    Node,
    NodeKind,
    NodeState,
    Origin,
    OutboxEntry,
    Outcome,
    ProbeResult,
    ProbeRun,
    Sample,
    Scope,
)
from dialtone.ports import Clock, Collector, DeliveryError, Sink, Store, StoreError, TenantLookup
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.runtime.scheduler import JobFigures, Planned, Scheduler
from dialtone.runtime.stop import run_until_signal
from dialtone.store import held_alone, open_store
from dialtone.store.sqlite import FILE_NAME
from dialtone.web import WebContext, WebToken, create_app, open_listener, serve_on
from synthetic.agents.link import sippy_prober
from synthetic.driver import ProbeDriver
from synthetic.evidence import EvidenceStore
from synthetic.sipp.prober import SippProber

_log = structlog.get_logger(__name__)

KEEP_RESULTS: Final = timedelta(days=30)
KEEP_EVIDENCE: Final = timedelta(days=7)
KEEP_MESSAGES: Final = timedelta(days=30)
"""How long results, their records and settled alert messages are kept; counters do not depend on them."""

_BY_HAND: Final = 20
"""Results of probes by hand that may lie between those that a rule's window wants after a restart."""
_HOUSEKEEPING: Final = 3600.0
_SELF_WATCH: Final = 5.0
_STOP_WITHIN: Final = 5.0


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


async def collect(settings: Settings, nodes: Sequence[Node], catalog: Catalog) -> tuple[list[NodeState], str]:
    """Poll these nodes once, at the same time; return their states and the Prometheus text of them."""
    clock = SystemClock()
    board = Board()
    exposition = Exposition(catalog, settings.tree.reseller, clock, settings.caps.series)
    async with (
        _collectors(settings, nodes, clock, (board, exposition)) as runners,
        anyio.create_task_group() as polls,
    ):
        for runner in runners:
            polls.start_soon(runner.poll)
    states = {runner.node.name: runner.state for runner in runners}
    found = [state for node in nodes if (state := states[node.name]) is not None]
    return found, exposition.render().decode()


async def probe(settings: Settings, spec: ProbeSpec, tenant: str, count: int) -> list[ProbeRun]:
    """Run a probe by hand, `count` times in a row. Raises StoreError where the data folder can't be used.

    Accounts are leased in the store, so a probe by hand and the service never share one.
    """
    clock = SystemClock()
    store = await open_store(settings.data)
    try:
        evidence = EvidenceStore(settings.data, KEEP_EVIDENCE)
        async with _driver(settings, store, evidence, clock, ()) as driver:
            slot = int(clock.now().timestamp() // spec.interval)
            return [await driver.run(spec, tenant, origin=Origin.MANUAL, slot=slot) for _ in range(count)]
    finally:
        await store.aclose()


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP.

    Raises ConfigError, ListenError or StoreError where it can't start: who has broken rules, starts a
    second service, or has a full disk, is told before anything runs.
    """
    rules = build_rules(settings)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(open_listener(settings.listen.host, settings.listen.port))
        stack.enter_context(held_alone(settings.data))
        store = await open_store(settings.data)
        stack.push_async_callback(store.aclose)
        # Port 0 has become a real one, which logs and alerts are to name.
        bound = replace(settings, listen=Listen(settings.listen.host, listener.getsockname()[1]))
        await run_until_signal(lambda: _Service(bound, store, rules).run(listener), grace=_STOP_WITHIN)


@asynccontextmanager
async def _collectors(
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
async def _driver(
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


class _Service:
    """Everything that `serve` runs, joined. A part that fails inside is logged there; the others go on."""

    def __init__(self, settings: Settings, store: Store, rules: Sequence[Rule]) -> None:
        self._settings = settings
        self._store = store
        self._clock = SystemClock()
        self._evidence = EvidenceStore(settings.data, KEEP_EVIDENCE)
        self._catalog = build_catalog()
        self._board = Board()
        self._exposition = Exposition(
            self._catalog,
            settings.tree.reseller,
            self._clock,
            settings.caps.series,
            tenants=settings.tree.domains,
        )
        writer = AlertWriter(rules, external_url=external_url(settings), reseller_of=settings.tree.reseller)
        self._watch = AlertWatch(
            store,
            {r.name: WebhookNotifier(r.name, r.url, writer) for r in settings.receivers},
            self._clock,
            rules=rules,
            metric=self._catalog["dialtone_alerts"],
            watched=self._is_watched,
        )
        self._longest_window = max((rule.of for rule in rules), default=1)
        self._probe_alerts = frozenset(
            alert
            for spec in settings.probes
            for tenant in spec.tenants
            for alert in probe_alerts(rules, tenant, spec.flow, spec.name, settings.location)
        )
        self._scheduler = Scheduler(self._clock, random.Random())  # noqa: S311 - jitter, not secrets

    async def run(self, listener: socket.socket) -> None:
        """Run until cancelled; owns the listener."""
        settings, sinks = self._settings, (self._board, self._exposition, self._watch)
        await self._watch.restore()
        await self._recall()
        async with (
            _collectors(settings, settings.nodes, self._clock, sinks) as runners,
            _driver(settings, self._store, self._evidence, self._clock, sinks) as driver,
            anyio.create_task_group() as tasks,
        ):
            self._plan(runners, driver)
            tasks.start_soon(self._watch.run)
            tasks.start_soon(self._scheduler.run)
            await serve_on(listener, create_app(self._web()), started=self._tell_address)

    async def _recall(self) -> None:
        """Go on from what was known before the last stop, however it came about."""
        everything, location = Scope.everything(), self._settings.location
        await self._adopt()
        planned = {(t, spec.name) for spec in self._settings.probes for t in spec.tenants}
        try:
            last = await self._store.latest_results(everything)
            shown = [r for r in last if (r.tenant, r.probe) in planned and r.location == location]
            totals = await self._store.probe_totals(everything)
            # Those that failed last too: a kill may have come between a result and the alert that it raises.
            failed = {(r.tenant, str(r.flow)) for r in shown if r.outcome is Outcome.FAIL}
            recent = [
                result
                for tenant, flow in self._watch.probe_series | failed
                for result in await self._recent(tenant, flow)
            ]
        except StoreError as error:
            _log.warning("what was known before can't be read", error=str(error))
            return
        for result in shown:
            await self._board.probe_ended(ProbeRun(result, Evidence()))
        series = {(t, s.flow, s.engine, location) for s in self._settings.probes for t in s.tenants}
        counted = (one for one in totals if (one.tenant, one.flow, one.engine, one.location) in series)
        self._exposition.recall(counted, shown)
        self._watch.recall(recent)

    async def _adopt(self) -> None:
        """Make inconclusive results of the probes that the last stop cut short."""
        try:
            cut_short = await self._store.adopt_unended()
        except StoreError as error:
            _log.warning("probes that were cut short can't be adopted", error=str(error))
            return
        if cut_short:
            _log.warning("probes were cut short, and are inconclusive", count=len(cut_short))

    async def _recent(self, tenant: str, flow: str) -> list[ProbeResult]:
        """Return the results that the windows of alert rules may still hold of a tenant's flow.

        No more than that: after an outage of the whole platform this is asked for every tenant.
        """
        probes = sum(spec.flow == flow for spec in self._settings.probes)
        limit = 2 * self._longest_window * probes + _BY_HAND
        return await self._store.results(Scope.everything(), tenant=tenant, flow=flow, limit=limit)

    def _plan(self, runners: Sequence[CollectorRunner], driver: ProbeDriver) -> None:
        """Give the scheduler its jobs: a poll a node, a probe a tenant and flow, and our own upkeep."""
        for runner in runners:
            self._scheduler.add(f"collect/{runner.node.name}", runner.node.interval, _polling(runner))
        for spec in self._settings.probes:
            for tenant in spec.tenants:
                self._scheduler.add(
                    f"probe/{spec.name}/{tenant}", spec.interval, _probing(driver, spec, tenant)
                )

        async def watch_ourselves(_: Planned) -> None:
            for runner in runners:
                await runner.expire()
            self._exposition.put("alerts", self._watch.samples(self._clock.now()))
            self._exposition.put("self", self._own_figures(runners, driver))

        async def tidy_results(_: Planned) -> None:
            await self._store.prune_results(self._clock.now() - KEEP_RESULTS)

        async def tidy_messages(_: Planned) -> None:
            await self._store.prune_messages(self._clock.now() - KEEP_MESSAGES)

        async def tidy_evidence(_: Planned) -> None:
            await self._evidence.prune(self._clock.now())

        self._scheduler.add("self", _SELF_WATCH, watch_ourselves)
        self._scheduler.add("tidy/results", _HOUSEKEEPING, tidy_results)
        self._scheduler.add("tidy/messages", _HOUSEKEEPING, tidy_messages)
        self._scheduler.add("tidy/evidence", _HOUSEKEEPING, tidy_evidence)

    def _own_figures(self, runners: Sequence[CollectorRunner], driver: ProbeDriver) -> Iterator[Sample]:
        """Yield what the service knows of itself; jobs are summed by kind: series don't grow with tenants."""

        def of(name: str, value: float, *labels: str) -> Sample:
            return self._catalog[name].sample(*labels, value=value, at=now)

        now = self._clock.now()
        yield of("dialtone_info", 1, __version__)
        kinds: dict[str, list[JobFigures]] = {}
        for job in self._scheduler.figures():
            kinds.setdefault(job.name.partition("/")[0], []).append(job)
        for kind, jobs in kinds.items():
            yield of("dialtone_scheduler_lateness_seconds", max(job.lateness for job in jobs), kind)
            yield of("dialtone_scheduler_skipped_total", sum(job.skipped for job in jobs), kind)
            yield of("dialtone_scheduler_errors_total", sum(job.errors for job in jobs), kind)
        for runner in runners:
            yield of("dialtone_collect_internal_errors_total", runner.internal_errors, runner.node.name)
        yield of("dialtone_results_waiting", driver.backlog)
        yield of("dialtone_results_lost_total", driver.lost)
        yield of("dialtone_evidence_lost_total", self._evidence.lost)
        for receiver, counts in self._watch.deliveries.items():
            for outcome, count in asdict(counts).items():
                yield of("dialtone_alert_messages_total", count, receiver, outcome)
        for receiver, waiting in self._watch.waiting.items():
            yield of("dialtone_alert_messages_waiting", waiting, receiver)

    def _web(self) -> WebContext:
        settings, tree = self._settings, self._settings.tree
        return WebContext(
            store=self._store,
            board=self._board,
            tenants=lambda: tuple(tree),
            clock=self._clock,
            render_metrics=self._exposition.render,
            ready=self._is_ready,
            location=settings.location,
            version=__version__,
            host=settings.listen.host,
            external_url=external_url(settings),
            tokens=tuple(WebToken(t.name, tree.scope(t.scope), t.token) for t in settings.tokens),
        )

    def _is_ready(self) -> bool:
        """Whether every node has been polled once, whatever came of it."""
        return len(self._board.nodes(Scope.everything())) == len(self._settings.nodes)

    def _is_watched(self, event: AlertEvent) -> bool:
        """Whether an alert of an earlier run is about a node or a probe that is still configured."""
        if event.node is not None:
            return any(node.name == event.node for node in self._settings.nodes)
        return event.fingerprint in self._probe_alerts

    def _tell_address(self) -> None:
        _log.info("serving", address=external_url(self._settings), nodes=len(self._settings.nodes))


def _polling(runner: CollectorRunner) -> Callable[[Planned], Awaitable[None]]:
    async def poll(_: Planned) -> None:
        await runner.poll()

    return poll


def _probing(driver: ProbeDriver, spec: ProbeSpec, tenant: str) -> Callable[[Planned], Awaitable[None]]:
    async def probe(planned: Planned) -> None:
        await driver.run(spec, tenant, origin=Origin.SCHEDULE, slot=planned.slot)

    return probe


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
    writer = AlertWriter(
        build_rules(settings),
        external_url=external_url(settings),
        reseller_of=settings.tree.reseller,
    )
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
