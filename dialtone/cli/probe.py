"""dialtone probe: one test now, its phases and its SIP ladder."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import click

from dialtone import wiring
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument
from dialtone.cli.signals import until_signal
from dialtone.config import ProbeSpec, Settings, load
from dialtone.model import TIMINGS, Engine, Flow, Outcome, ProbeRun, normalise_domain
from dialtone.ports import StoreError
from synthetic.evidence import ladder

_CODES: Final = {Outcome.FAIL: Exit.FAILED, Outcome.INCONCLUSIVE: Exit.USAGE, Outcome.PASS: Exit.OK}
"""The worst first: of several probes one failure is a failure, whatever became of the others."""


@click.command()
@click.argument("flow", type=click.Choice([flow.value for flow in Flow]))
@config_argument
@click.option("--tenant", required=True, metavar="DOMAIN", help="As whose phone.")
@click.option("--engine", type=click.Choice([engine.value for engine in Engine]), help="What runs the flow.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many, one by one."
)
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def probe(flow: str, config: Path, tenant: str, engine: str | None, count: int, shape: str) -> int:
    """Place one FLOW probe of CONFIG now, as a phone of a tenant.

    Exit 0 when it passed, 2 when it failed, 3 for anything else (inconclusive: our own side was
    broken; usage; configuration): the codes that Nagios-style schedulers know.
    """
    settings = load(config)
    spec = _spec(settings, Flow(flow), _domain(settings, tenant), engine)
    try:
        runs = anyio.run(until_signal, partial(wiring.probe, settings, spec, spec.tenants[0], count))
    except StoreError as error:
        # Not 7: a scheduler would not know the code, and nothing was learnt about the platform.
        click.echo(f"dialtone: {error}", err=True)
        return Exit.USAGE
    if shape == "json":
        click.echo(json.dumps([_as_json(run) for run in runs], indent=2))
    else:
        for run in runs:
            _print(run)
    ended = {run.result.outcome for run in runs}
    return next(code for outcome, code in _CODES.items() if outcome in ended)


def _domain(settings: Settings, text: str) -> str:
    try:
        domain = normalise_domain(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--tenant") from None
    if settings.tree.get(domain) is None:
        raise click.BadParameter(f"{domain} is not a tenant of {settings.source}", param_hint="--tenant")
    return domain


def _spec(settings: Settings, flow: Flow, domain: str, engine: str | None) -> ProbeSpec:
    """Return the configured probe of that flow, for one tenant; its target and timeout are the tenant's."""
    fitting = [p for p in settings.probes if p.flow is flow]
    if not fitting:
        raise click.UsageError(f"{settings.source} has no probe with flow: {flow}; add one under probes:")
    chosen = next((p for p in fitting if domain in p.tenants), fitting[0])
    have = len(settings.accounts.get(domain, ()))
    if have < flow.accounts:
        raise click.UsageError(
            f"{domain} has {have} accounts, a {flow} probe needs {flow.accounts}: "
            "add them to the accounts file"
        )
    return replace(chosen, tenants=(domain,), skipped=(), engine=Engine(engine) if engine else chosen.engine)


def _as_json(run: ProbeRun) -> dict[str, object]:
    result = run.result
    return {
        "id": result.id,
        "flow": result.flow,
        "engine": result.engine,
        "tenant": result.tenant,
        "target": result.target,
        "account": result.account,
        "started": result.started.isoformat(),
        "duration": result.duration,
        "outcome": result.outcome,
        "failure": result.failure.code if result.failure else None,
        "detail": result.failure.detail if result.failure else "",
        "sip_status": result.sip_status,
        "timings": dict(result.timings),
        "marks": [{"name": mark.name, "at": mark.at} for mark in run.evidence.marks],
        "evidence": result.evidence,
    }


def _print(run: ProbeRun) -> None:
    result = run.result
    click.echo(f"{result.flow} {result.tenant}")
    click.echo(f"  phone   {result.account}")
    click.echo(f"  target  {result.target} (engine {result.engine})")
    word = result.outcome.value.upper() + (f" {result.failure.code}" if result.failure else "")
    why = f": {result.failure.detail}" if result.failure and result.failure.detail else ""
    click.echo(f"{word} in {result.duration * 1000:.0f} ms{why}")
    for name, seconds in result.timings.items():
        click.echo(f"  {name.upper():4} {seconds * 1000:10.2f} ms  {TIMINGS[name].partition(':')[0]}")
    if run.evidence.marks:
        click.echo("phases:")
    for mark in run.evidence.marks:
        click.echo(f"  {mark.at * 1000:10.2f} ms  {mark.name}")
    if run.evidence.messages:
        click.echo(ladder(replace(run.evidence, marks=())), nl=False)
