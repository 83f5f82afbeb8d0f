"""dialtone probe: one test now, its phases and its ladder."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import click

from dialtone.cli.exits import Exit
from dialtone.cli.media import told
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.signals import until_signal
from dialtone.config import ProbeSpec, Settings, load
from dialtone.config.plans import engine_contradictions
from dialtone.model import TIMINGS, Engine, Flow, Outcome, ProbeRun, stream_to_json
from dialtone.ports import StoreError
from dialtone.wiring import commands
from synthetic.ladder import WIDTH, ladder

_CODES: Final = {Outcome.FAIL: Exit.FAILED, Outcome.INCONCLUSIVE: Exit.USAGE, Outcome.PASS: Exit.OK}
"""The worst first: of several probes one failure is a failure, whatever became of the others."""
_SHORT: Final = 4
"""Timings of so few letters are the field's abbreviations."""


@click.command()
@click.argument("flow", type=click.Choice([flow.value for flow in Flow]))
@config_argument
@click.option("--tenant", required=True, metavar="DOMAIN", help="As whose phone.")
@click.option("--probe", "name", metavar="NAME", help="Which of the probes with that flow, by its name.")
@click.option("--engine", type=click.Choice([engine.value for engine in Engine]), help="What runs the flow.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many, one by one."
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def probe(
    flow: str, config: Path, tenant: str, name: str | None, engine: str | None, count: int, shape: str
) -> int:
    """Place one FLOW probe of CONFIG now, as a phone of a tenant; quiet hours are for the schedule alone.

    Exit 0 when it passed, 2 when it failed, 3 for anything else (inconclusive: our own side was
    broken; usage; configuration): the codes that Nagios-style schedulers know.
    """
    settings = load(config)
    spec = _spec(settings, Flow(flow), domain_of(settings, tenant), name, engine)
    try:
        runs = anyio.run(until_signal, partial(commands.probe, settings, spec, spec.tenants[0], count))
    except StoreError as error:
        # Not 7: a scheduler would not know the code, and nothing was learnt about the platform.
        click.echo(f"dialtone: {error}", err=True)
        return Exit.USAGE
    if shape == "json":
        click.echo(json.dumps([_as_json(run) for run in runs], indent=2))
    else:
        for run in runs:
            _print(run, settings.data)
    ended = {run.result.outcome for run in runs}
    return next(code for outcome, code in _CODES.items() if outcome in ended)


def _spec(settings: Settings, flow: Flow, domain: str, name: str | None, engine: str | None) -> ProbeSpec:
    """Return the configured probe of that flow, for one tenant; its target and timeout are the tenant's.

    Of several the one that was named, else the first that is placed for the tenant.
    """
    fitting = [p for p in settings.probes if p.flow is flow]
    if not fitting:
        raise click.UsageError(f"{settings.source} has no probe with flow: {flow}; add one under probes:")
    chosen = next((p for p in fitting if domain in p.tenants), fitting[0])
    if name is not None:
        chosen = _named(settings, fitting, flow, name)
    have = len(settings.accounts.get(domain, ()))
    needed = chosen.plan.accounts(flow)
    if have < needed:
        raise click.UsageError(
            f"{domain} has {have} accounts, a {flow} probe needs {needed}: add them to the accounts file"
        )
    wanted = Engine(engine) if engine else chosen.engine
    for _, why in engine_contradictions(flow, wanted, chosen.target, chosen.plan):
        raise click.BadParameter(f"of probe {chosen.name}: {why}", param_hint="--engine")
    return replace(chosen, tenants=(domain,), skipped=(), engine=wanted)


def _named(settings: Settings, fitting: Sequence[ProbeSpec], flow: Flow, name: str) -> ProbeSpec:
    for spec in fitting:
        if spec.name == name:
            return spec
    other = next((p for p in settings.probes if p.name == name), None)
    known = ", ".join(p.name for p in fitting)
    what = f"{name} has flow {other.flow}" if other is not None else f"no probe is called {name!r}"
    raise click.BadParameter(f"{what}; of flow {flow} there are {known}", param_hint="--probe")


def _as_json(run: ProbeRun) -> dict[str, object]:
    result = run.result
    return {
        "id": result.id,
        "probe": result.probe,
        "flow": result.flow,
        "engine": result.engine,
        "tenant": result.tenant,
        "target": result.target,
        "location": result.location,
        "account": result.account,
        "started": result.started.isoformat(),
        "duration": result.duration,
        "outcome": result.outcome,
        "failure": result.failure.code if result.failure else None,
        "detail": result.failure.detail if result.failure else "",
        "sip_status": result.sip_status,
        "timings": dict(result.timings),
        "counts": dict(result.counts),
        "certificate_expires": expires.isoformat() if (expires := result.certificate_expires) else None,
        "media": [stream_to_json(stream) for stream in result.media],
        "marks": [{"name": mark.name, "at": mark.at} for mark in run.evidence.marks],
        "evidence": result.evidence,
    }


def _print(run: ProbeRun, data: Path) -> None:
    result = run.result
    click.echo(f"{result.flow} {result.tenant}")
    if result.account:
        click.echo(f"  phone   {result.account}")
    click.echo(f"  target  {result.target} (engine {result.engine})")
    word = result.outcome.value.upper() + (f" {result.failure.code}" if result.failure else "")
    why = f": {result.failure.detail}" if result.failure and result.failure.detail else ""
    click.echo(_folded(f"{word} in {result.duration * 1000:.0f} ms{why}", "  "))
    for name, seconds in result.timings.items():
        known = name.upper() if len(name) <= _SHORT else name
        click.echo(f"  {known:<15} {seconds * 1000:10.2f} ms  {TIMINGS[name].partition(':')[0]}")
    if result.certificate_expires is not None:
        click.echo(f"  the server's certificate ends {result.certificate_expires:%Y-%m-%d %H:%M} UTC")
    for line in told(result.media):
        click.echo(line)
    if result.evidence is not None:
        click.echo(f"evidence  {data / result.evidence}")
    if run.evidence.marks:
        click.echo("phases:")
    for mark in run.evidence.marks:
        click.echo(_folded(f"  {mark.at * 1000:10.2f} ms  {mark.name}", " " * 17))
    if run.evidence.messages:
        click.echo(ladder(replace(run.evidence, marks=())), nl=False)


def _folded(line: str, indent: str) -> str:
    """Return a line in 80 columns; what follows the first is indented."""
    return textwrap.fill(line, WIDTH, subsequent_indent=indent)
