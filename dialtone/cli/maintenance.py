"""dialtone maintenance: work that is declared beforehand, and what is put right afterwards."""

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click

from dialtone.cli.books import (
    asked,
    author_of,
    author_option,
    flow_option,
    flows_of,
    instant_of,
    moment,
    nothing_yet,
    seconds_of,
    span_told,
    zone_of,
)
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.words import paragraph
from dialtone.cli.words import printable
from dialtone.config import Settings, load
from dialtone.model import Correction, Flow, Maintenance, Scope, SliceState, normalise_domain
from dialtone.sla.calendar import Span
from dialtone.sla.closing import RefusedError
from dialtone.sla.encoding import plain
from dialtone.sla.exclusions import occurrences
from dialtone.wiring.declaring import Corrected
from dialtone.wiring.ledger import Ledger
from dialtone.wiring.pages import lineage

T = TypeVar("T")

_STATES: Final = {state.name.lower(): state for state in reversed(SliceState)}
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for when it is declared, which the ledger says."""

_tenant_option = click.option("--tenant", required=True, metavar="DOMAIN", help="It, and all below it.")
_zone_option = click.option(
    "--zone", metavar="ZONE", help="Whose wall clock it is; the tenant's if not given."
)
_reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it stands on statements.")
_shape_option = click.option(
    "--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group()
def maintenance() -> None:
    """Declare maintenance before it begins; put right afterwards what was measured."""


@maintenance.command()
@config_argument
@_tenant_option
@click.option("--begins", required=True, metavar="TIME", help="Like 2026-11-03T02:00.")
@click.option("--lasts", required=True, metavar="DURATION", help="Like 2h or 90m.")
@click.option(
    "--recurs", default="", metavar="RRULE", help="Like FREQ=WEEKLY;BYDAY=SU (RFC 5545); once if not given."
)
@_zone_option
@flow_option
@_reason_option
@author_option
def add(
    config: Path,
    tenant: str,
    begins: str,
    lasts: str,
    recurs: str,
    zone: str | None,
    flows: tuple[str, ...],
    reason: str,
    author: str | None,
) -> int:
    """Declare maintenance of a tenant of CONFIG and all below it, before it begins.

    Its time is outside the figures, up to the objective's `maintenance` a month; probes go on meanwhile.
    Exit 0; 3 where it can't be declared; 7 where the data folder can't be used.
    """
    settings = load(config)
    domain = domain_of(settings, tenant)
    place = zone_of(settings, domain, zone)
    wanted = Maintenance(
        0,
        domain,
        instant_of(begins, place, "--begins"),
        seconds_of(lasts, "--lasts"),
        author_of(author),
        reason,
        _NEVER,
        flows_of(flows),
        recurs,
        place,
    )
    made = _told_no(settings, lambda ledger: ledger.declare(Scope.everything(), wanted))
    one = made.maintenance
    click.echo(f"maintenance {one.id} is declared:")
    _tell(settings, one)
    if made.overlapping:
        click.echo("it overlaps with this, which is no fault: time is excluded once")
    for other in made.overlapping:
        _tell(settings, other)
    return Exit.OK


@maintenance.command()
@config_argument
@_tenant_option
@click.option("--begins", required=True, metavar="TIME", help="Like 2026-11-03T02:00.")
@click.option("--ends", required=True, metavar="TIME", help="Like 2026-11-03T04:00.")
@click.option("--as", "word", required=True, type=click.Choice(list(_STATES)), help="What it is to count as.")
@_zone_option
@flow_option
@_reason_option
@author_option
def correct(
    config: Path,
    tenant: str,
    begins: str,
    ends: str,
    word: str,
    zone: str | None,
    flows: tuple[str, ...],
    reason: str,
    author: str | None,
) -> int:
    """Put right what was measured of a tenant of CONFIG and all below it, for a time that is over.

    Figures without it stay beside those with it, on statements too. Where corrections overlap the one with
    the higher number counts. A closed month stands as it was closed;
    `dialtone sla verify` says what the correction would change. Exit 0; 3 where it can't be put down; 7 where
    the data folder can't be used.
    """
    settings = load(config)
    domain = domain_of(settings, tenant, known=asked(settings, partial(_measured, tenant)) or ())
    place = zone_of(settings, domain, zone)
    wanted = Correction(
        0,
        domain,
        instant_of(begins, place, "--begins"),
        instant_of(ends, place, "--ends"),
        _STATES[word],
        author_of(author),
        reason,
        _NEVER,
        flows_of(flows),
    )
    made, overlapping, was_placed = _told_no(settings, partial(_corrected, settings, wanted))
    click.echo(f"correction {made.correction.id} is put down:")
    _tell_correction(settings, made.correction)
    if not was_placed:
        click.echo("nothing was to be measured of that then: as it is, this changes no figure")
    if overlapping:
        click.echo(f"it overlaps with this; where both say something, {made.correction.id} counts")
    for other in overlapping:
        _tell_correction(settings, other)
    for closing in made.closed:
        text = (
            f"{closing.tenant} {closing.period} is closed and stands as it was closed; "
            "`dialtone sla verify` says what this would change"
        )
        for line in paragraph(text):
            click.echo(line)
    return Exit.OK


@maintenance.command("list")
@config_argument
@click.option("--past", is_flag=True, help="Also what is over or withdrawn.")
@_shape_option
def list_(config: Path, past: bool, shape: str) -> int:
    """Show the maintenance that is declared: by the service's configuration, by hand, over the API.

    Exit 0; 7 where the data folder can't be used.
    """
    settings = load(config)
    found = asked(settings, lambda ledger: ledger.books.maintenance(Scope.everything()))
    now = datetime.now(UTC)
    shown = [one for one in found or () if past or _is_to_come(one, now)]
    if shape == "json":
        click.echo(json.dumps(plain(shown), indent=2))
    elif found is None:
        click.echo(nothing_yet(settings))
    elif not shown:
        click.echo(
            "no maintenance is declared" if past else "no maintenance is to come; --past shows what was"
        )
    else:
        for one in shown:
            _tell(settings, one)
    return Exit.OK


@maintenance.command()
@config_argument
@_shape_option
def corrections(config: Path, shape: str) -> int:
    """Show all corrections, withdrawn ones too. Exit 0; 7 where the data folder can't be used."""
    settings = load(config)
    found = asked(settings, lambda ledger: ledger.books.corrections(Scope.everything()))
    if shape == "json":
        click.echo(json.dumps(plain(found or []), indent=2))
    elif found is None:
        click.echo(nothing_yet(settings))
    elif not found:
        click.echo("nothing was corrected")
    else:
        for one in found:
            _tell_correction(settings, one)
    return Exit.OK


@maintenance.command()
@config_argument
@click.argument("id_", metavar="ID", type=click.IntRange(1, 2**53))
@click.option("--correction", is_flag=True, help="ID is a correction's.")
@author_option
def withdraw(config: Path, id_: int, correction: bool, author: str | None) -> int:
    """Withdraw maintenance: nothing of it begins from now on; what began stays excluded. Or a correction.

    Exit 0; 3 where there is none of that number; 7 where the data folder can't be used.
    """
    settings = load(config)
    what, command = ("correction", "corrections") if correction else ("maintenance", "list --past")

    async def ask(ledger: Ledger) -> Maintenance | Correction | None:
        change = ledger.books.withdraw_correction if correction else ledger.books.withdraw
        return await change(Scope.everything(), id_, at=datetime.now(UTC), author=author_of(author))

    found = asked(settings, ask)
    if found is None:
        raise click.BadParameter(
            f"there is no {what} {id_}; `dialtone maintenance {command}` shows what there is", param_hint="ID"
        )
    if isinstance(found, Maintenance) and found.source == "config":
        note = (
            f"note: the configuration declares {printable(found.name)}, and the next start of the service "
            f"would again: take it out of {settings.source}"
        )
        click.echo(note, err=True)
    click.echo(f"{what} {id_} is withdrawn:")
    if isinstance(found, Maintenance):
        _tell(settings, found)
        _tell_begun(settings, found)
    else:
        _tell_correction(settings, found)
    return Exit.OK


async def _corrected(
    settings: Settings, wanted: Correction, ledger: Ledger
) -> tuple[Corrected, list[Correction], bool]:
    """Put down a correction; return with it those that it overlaps, and whether any series is in its time."""
    made = await ledger.correct(Scope.everything(), wanted)
    one, tree = made.correction, settings.tree
    known = await ledger.books.corrections(Scope.everything())
    overlapping = [
        other
        for other in known
        if other.id != one.id
        and other.withdrawn is None
        and other.begins < one.ends
        and other.ends > one.begins
        and set(other.flows or Flow) & set(one.flows or Flow)
        and (
            one.tenant in (other.tenant, *lineage(tree, other.tenant))
            or other.tenant in lineage(tree, one.tenant)
        )
    ]
    scope = tree.scope(one.tenant) if one.tenant in tree else Scope.of(one.tenant)
    placed = await ledger.books.slices(scope, since=one.begins, until=one.ends)
    return made, overlapping, any(not one.flows or series.key.flow in one.flows for series in placed)


def _tell_begun(settings: Settings, one: Maintenance) -> None:
    """Say what stays outside the figures of maintenance that was withdrawn."""
    until = one.withdrawn or one.declared
    begun = occurrences(one, Span(one.begins, until)) if one.begins < until else []
    if begun:
        times = "once" if len(begun) == 1 else f"{len(begun)} times"
        last = moment(begun[-1].start, zone_of(settings, one.tenant, None))
        for line in paragraph(f"it began {times}, the last time at {last}: that stays outside the figures"):
            click.echo(line)


async def _measured(tenant: str, ledger: Ledger) -> list[str]:
    """Return the tenant's domain where the books know it, whether the configuration still does or not."""
    try:
        domain = normalise_domain(tenant)
    except ValueError:
        return []
    scope, now = Scope.of(domain), datetime.now(UTC)
    known = await ledger.books.slices(scope, since=_NEVER, until=now, tenants=[domain])
    return [domain] if known else []


def _told_no(settings: Settings, ask: Callable[[Ledger], Awaitable[T]]) -> T:
    """Ask the ledger, whose store is made if need be; what it refuses is an error of usage."""
    try:
        found = asked(settings, ask, make=True)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    if found is None:
        raise click.UsageError(nothing_yet(settings))
    return found


def _is_to_come(one: Maintenance, now: datetime) -> bool:
    if one.withdrawn is not None:
        return False
    return bool(one.recurs) or one.begins + timedelta(seconds=one.seconds) > now


def _tell(settings: Settings, one: Maintenance) -> None:
    zone = zone_of(settings, one.tenant, None)
    when = f"{moment(one.begins, zone)} {zone} for {span_told(one.seconds)}"
    again = f", again {one.recurs}" + ("" if one.zone == zone else f" in {one.zone}") if one.recurs else ""
    where = f", {one.source}" + (f" {one.name}" if one.name else "")
    lines = (
        f"{one.id}  {one.tenant}: {_flows(one)}",
        f"{when}{again}",
        one.reason,
        f"declared {moment(one.declared, zone)} by {one.author}{where}{_withdrawn(one, zone)}",
    )
    _print(lines)


def _tell_correction(settings: Settings, one: Correction) -> None:
    zone = zone_of(settings, one.tenant, None)
    span = f"{moment(one.begins, zone)} to {moment(one.ends, zone)}"
    lines = (
        f"{one.id}  {one.tenant}: {_flows(one)}",
        f"{span} {zone} counts as {one.state.name.lower()}",
        one.reason,
        f"put down {moment(one.declared, zone)} by {one.author}{_withdrawn(one, zone)}",
    )
    _print(lines)


def _print(lines: Iterable[str]) -> None:
    for number, text in enumerate(lines):
        for line in paragraph(text, "      " if number else "  ", "      "):
            click.echo(line)


def _flows(one: Maintenance | Correction) -> str:
    return ", ".join(one.flows) or "all flows"


def _withdrawn(one: Maintenance | Correction, zone: str) -> str:
    if one.withdrawn is None:
        return ""
    return f"; withdrawn {moment(one.withdrawn, zone)} by {one.withdrawn_by}"
