"""The service: everything that `serve` runs, joined."""

import random
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Final

import anyio
import structlog

from alerts import AlertWatch, Rule, WebhookNotifier, probe_alerts
from collectors.mysql.fleet import Fleet
from collectors.mysql.topology.watch import TopologyWatch
from dialtone import __version__
from dialtone.config import Listen, ProbeSpec, Settings, TenantDirectory
from dialtone.export.prometheus import Exposition
from dialtone.model import (
    AlertEvent,
    Engine,
    Evidence,
    NodeKind,
    Origin,
    Outcome,
    ProbeResult,
    ProbeRun,
    Sample,
    Scope,
)
from dialtone.ports import Store, StoreError
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.discovery import Discovery
from dialtone.runtime.passive import PassiveSlices
from dialtone.runtime.runner import CollectorRunner
from dialtone.runtime.scheduler import JobFigures, Planned, Scheduler
from dialtone.runtime.stop import run_until_signal
from dialtone.runtime.tenantquery import TopologyTenants
from dialtone.runtime.traffic import TrafficBooks
from dialtone.sla.passive import passive_measures
from dialtone.store import held_alone, open_store
from dialtone.web import WebContext, WebToken, create_app, open_listener, serve_on
from dialtone.wiring import discovery as looks
from dialtone.wiring import topologies as databases
from dialtone.wiring.accounting import REFRESH, Accounting, traffic_samples
from dialtone.wiring.ledger import Ledger
from dialtone.wiring.parts import (
    KEEP_COUNTS,
    Probing,
    alert_writer,
    build_catalog,
    build_rules,
    external_url,
    probing,
    running_collectors,
)
from dialtone.wiring.upkeep import plan_upkeep
from synthetic import canary
from synthetic.driver import ProbeDriver
from synthetic.evidence import EvidenceStore
from synthetic.quiet import is_quiet
from synthetic.schedule import phase

_log = structlog.get_logger(__name__)

_BY_HAND: Final = 20
"""Results of probes by hand that may lie between those that a rule's window wants after a restart."""
_SELF_WATCH: Final = 5.0
_STOP_WITHIN: Final = 5.0
_SOON: Final = 3.0
"""Seconds after the start when the engines are tried for the first time."""


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


class _Service:
    """Everything that `serve` runs, joined. A part that fails inside is logged there; the others go on."""

    def __init__(self, settings: Settings, store: Store, rules: Sequence[Rule]) -> None:
        self._settings = settings
        self._store = store
        self._clock = SystemClock()
        self._topologies = databases.topologies_of(settings)
        self._tenants = TenantDirectory(settings.tree)
        self._evidence = EvidenceStore(settings.data, settings.evidence)
        self._catalog = build_catalog()
        self._board = Board()
        self._exposition = Exposition(
            self._catalog,
            self._tenants.reseller,
            self._clock,
            settings.caps.series,
            tenants=settings.tree.domains,
        )
        writer = alert_writer(settings, rules, self._tenants)
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
        self._traffic = TrafficBooks(
            store,
            self._clock,
            lambda: self._tenants.domains,
            KEEP_COUNTS,
            sessions=self._catalog["opensips_tenant_sessions_total"],
            uptime=self._catalog["opensips_uptime_seconds"],
        )
        self._passive = PassiveSlices(
            store.books.mark_slices,
            self._clock,
            passive_measures(settings.objectives),
            sessions=self._catalog["opensips_tenant_sessions_total"],
            uptime=self._catalog["opensips_uptime_seconds"],
        )
        self._ledger = Ledger(settings, store.books, self._clock)
        self._accounting = Accounting(
            self._ledger,
            (one.tenant for one in settings.objectives),
            self._tenants.reseller,
            self._exposition.put,
            self._clock,
        )
        self._rng = random.Random()  # noqa: S311 - jitter, not secrets
        self._scheduler = Scheduler(self._clock, self._rng)

    async def run(self, listener: socket.socket) -> None:
        """Run until cancelled; owns the listener."""
        settings, tenants, clock = self._settings, self._tenants, self._clock
        sinks = (self._board, self._exposition, self._watch, self._traffic, self._passive)
        fleet = Fleet()
        clients = looks.mi_clients(settings)
        await self._watch.restore()
        await self._recall()
        await self._accounting.settle()
        async with (
            looks.discovering(settings, tenants, clock, clients) as discovery,
            databases.topology_tenants(settings.tenant_queries, tenants, clock) as tenants_of,
            running_collectors(
                settings.nodes, tenants, clock, (*sinks, self._judging(fleet, tenants_of)), clients, fleet
            ) as runners,
            probing(settings, self._store, self._evidence, clock, sinks) as probes,
            anyio.create_task_group() as tasks,
        ):
            looks.plan(discovery, self._scheduler)
            databases.plan(tenants_of, self._scheduler)
            self._plan(runners, probes, discovery)
            tasks.start_soon(self._watch.run)
            tasks.start_soon(self._traffic.run)
            tasks.start_soon(self._passive.run)
            tasks.start_soon(self._scheduler.run)
            await serve_on(listener, create_app(self._web()), started=self._tell_address)

    def _judging(self, fleet: Fleet, tenants_of: TopologyTenants) -> TopologyWatch:
        """Return the sink that judges topologies, and tells the board, the exposition and the alerts."""
        figures = databases.TopologyFigures(self._exposition, self._tenants)
        tell = (self._board, figures, self._watch)
        return TopologyWatch(self._topologies, fleet, self._clock, tenants_of=tenants_of, tell=tell)

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

    def _plan(self, runners: Sequence[CollectorRunner], probes: Probing, discovery: Discovery) -> None:
        """Give the scheduler its jobs: a poll a node, a probe a tenant and flow, and our own upkeep."""
        for runner in runners:
            self._scheduler.add(f"collect/{runner.node.name}", runner.node.interval, _polling(runner))
        self._plan_probes(probes)

        async def watch_ourselves(_: Planned) -> None:
            for runner in runners:
                await runner.expire()
            self._exposition.put("alerts", self._watch.samples(self._clock.now()))
            self._exposition.put("self", self._own_figures(runners, probes))
            found = looks.figures(discovery, self._tenants, self._catalog, self._clock.now())
            self._exposition.put("discovery", found)

        async def account(_: Planned) -> None:
            await self._accounting.settle()
            await self._accounting.refresh()

        self._scheduler.add("self", _SELF_WATCH, watch_ourselves)
        self._scheduler.add("sla", REFRESH, account, at_once=True)
        plan_upkeep(self._scheduler, self._store, self._evidence, self._settings.results, self._clock)

    def _plan_probes(self, probes: Probing) -> None:
        """Spread the probes of all tenants over their intervals, and watch the engines that they use."""
        specs, offset = self._settings.probes, self._rng.random()
        for number, spec in enumerate(specs):
            for place, tenant in enumerate(spec.tenants):
                begin = phase(place, len(spec.tenants), number, len(specs), offset)
                action = self._placing(probes.driver, spec, tenant)
                self._scheduler.add(f"probe/{spec.name}/{tenant}", spec.interval, action, phase=begin)
        for engine in sorted({spec.engine for spec in specs if spec.tenants}):
            self._scheduler.add(
                f"canary/{engine}", canary.EVERY, _watching(probes.canary, engine), phase=_SOON / canary.EVERY
            )

    def _placing(
        self, driver: ProbeDriver, spec: ProbeSpec, tenant: str
    ) -> Callable[[Planned], Awaitable[None]]:
        """Return what places a tenant's probe, but in its quiet hours: they leave no result at all."""
        found = self._settings.tree.get(tenant)
        zone = found.timezone if found is not None else self._settings.tree.platform.timezone

        async def place(planned: Planned) -> None:
            if not is_quiet(spec.quiet, zone, planned.at):
                await driver.run(spec, tenant, origin=Origin.SCHEDULE, slot=planned.slot)

        return place

    def _own_figures(self, runners: Sequence[CollectorRunner], probes: Probing) -> Iterator[Sample]:
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
        for engine, passed in probes.canary.successes.items():
            yield of("dialtone_canary_success", passed, engine)
        yield of("dialtone_results_waiting", probes.driver.backlog)
        yield of("dialtone_results_lost_total", probes.driver.lost)
        yield of("dialtone_evidence_lost_total", self._evidence.lost)
        yield from self._accounting.figures()
        yield from traffic_samples(self._passive, now)
        for receiver, counts in self._watch.deliveries.items():
            for outcome, count in asdict(counts).items():
                yield of("dialtone_alert_messages_total", count, receiver, outcome)
        for receiver, waiting in self._watch.waiting.items():
            yield of("dialtone_alert_messages_waiting", waiting, receiver)

    def _web(self) -> WebContext:
        settings, tenants = self._settings, self._tenants
        return WebContext(
            store=self._store,
            board=self._board,
            ledger=self._ledger,
            tenants=lambda: tuple(tenants),
            clock=self._clock,
            metrics_page=self._exposition.page,
            ready=self._is_ready,
            has_probes=bool(settings.probes),
            location=settings.location,
            version=__version__,
            host=settings.listen.host,
            external_url=external_url(settings),
            tokens=tuple(
                WebToken(t.name, partial(tenants.scope, t.scope), t.token, t.role) for t in settings.tokens
            ),
        )

    def _is_ready(self) -> bool:
        """Whether every node has been polled once, whatever came of it."""
        return len(self._board.nodes(Scope.everything())) == len(self._settings.nodes)

    def _is_watched(self, event: AlertEvent) -> bool:
        """Whether an alert of an earlier run is about a node, topology or probe that is still configured."""
        if event.node is not None:
            of_database = event.topology is not None or event.channel is not None
            kinds = {node.name: node.kind for node in self._settings.nodes}
            kind = kinds.get(event.node)
            return kind is NodeKind.MYSQL if of_database else kind is not None
        if event.topology is not None:
            # A server that stands alone has alerts as a node.
            return any(topology.name == event.topology for topology in self._settings.topologies)
        return event.fingerprint in self._probe_alerts

    def _tell_address(self) -> None:
        _log.info("serving", address=external_url(self._settings), nodes=len(self._settings.nodes))


def _polling(runner: CollectorRunner) -> Callable[[Planned], Awaitable[None]]:
    async def poll(_: Planned) -> None:
        await runner.poll()

    return poll


def _watching(watched: canary.Canary, engine: Engine) -> Callable[[Planned], Awaitable[None]]:
    async def check(_: Planned) -> None:
        await watched.check(engine)

    return check
