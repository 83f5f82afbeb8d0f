"""What the commands about the books share: tenants, times, authors, and words of their own."""

import getpass
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import anyio
import click

from dialtone.config import Settings, values
from dialtone.model import Flow
from dialtone.sla.statements.numbers import percent_text
from dialtone.wiring.books import opened_ledger
from dialtone.wiring.ledger import Ledger

T = TypeVar("T")

_MINUTE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))

period_option: Final = click.option(
    "--period", metavar="YYYY-MM", help="A month, by the zone of each objective."
)
author_option: Final = click.option(
    "--author", metavar="NAME", help="Who does it; the system's user if not given."
)
flow_option: Final = click.option(
    "--flow", "flows", multiple=True, type=click.Choice([flow.value for flow in Flow]),
    help="Of this flow only; may be repeated. Of all if not given.",
)  # fmt: skip


def flows_of(words: Iterable[str]) -> tuple[Flow, ...]:
    """Return flows in the order of their kind, each once."""
    named = {Flow(word) for word in words}
    return tuple(flow for flow in Flow if flow in named)


def zone_of(settings: Settings, domain: str, given: str | None) -> str:
    """Return the zone by whose wall clock times are written: the given one, or the tenant's."""
    if given is None:
        tenant = settings.tree.get(domain)
        return tenant.timezone if tenant is not None else settings.tree.platform.timezone
    try:
        return values.timezone(given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--zone") from None


def instant_of(text: str, zone: str, option: str) -> datetime:
    """Return the instant (UTC) of a time like 2026-11-03T02:00 by the clock of a zone.

    With Z or an offset of its own it is that instant. Raises click.BadParameter, also for a time that the
    zone's clock skips or has twice.
    """
    if _MINUTE.fullmatch(text.strip()) is None:
        raise click.BadParameter(f"{text!r} is no time; write it like 2026-11-03T02:00", param_hint=option)
    try:
        given = datetime.fromisoformat(text.strip())
        local = given if given.tzinfo is not None else given.replace(tzinfo=ZoneInfo(zone))
        found = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is no time: {error}", param_hint=option) from None
    if given.tzinfo is not None:
        return found
    if found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != given:
        raise click.BadParameter(
            f"{text} does not exist in {zone}: the clock is put forward over it", param_hint=option
        )
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        later = local.replace(fold=1)
        raise click.BadParameter(
            f"{zone} has {text} twice that night; write which: {local.isoformat(timespec='minutes')} or "
            f"{later.isoformat(timespec='minutes')}",
            param_hint=option,
        )
    return found


def seconds_of(text: str, option: str) -> int:
    """Return the seconds of a duration like 2h or 90m. Raises click.BadParameter."""
    try:
        seconds = values.duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if seconds != int(seconds):
        raise click.BadParameter(f"{text} is no whole number of seconds", param_hint=option)
    return int(seconds)


def author_of(given: str | None) -> str:
    """Return who does it: as given, or the system's name of who runs the command."""
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"user {os.getuid()}"


def nothing_yet(settings: Settings) -> str:
    """Return what is said of a data folder in which no service ever ran."""
    return f"no data yet: {settings.data} holds no store; `dialtone serve` makes it"


def percent(share: Fraction | None, digits: int = 3) -> str:
    """Return a share in percent, cut off after so many decimals; a dash where there is none."""
    return "-" if share is None else f"{percent_text(share, digits)} %"


def span_told(seconds: float) -> str:
    """Return a span like "2 d 3 h", "45 min" or "8 s": its two greatest units."""
    left = int(seconds)
    found: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not found):
            found.append(f"{count} {unit}")
        if len(found) == 2 or (found and not count):
            break
    return " ".join(found[:2])


def minute(at: datetime, zone: str = "UTC") -> str:
    """Return an instant by the wall clock of a zone, to the minute."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def moment(at: datetime, zone: str) -> str:
    """Return an instant by the wall clock of a zone, with its offset: 2026-11-03 02:00-05:00."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M}{local.isoformat()[-6:]}"


def asked(settings: Settings, ask: Callable[[Ledger], Awaitable[T]], *, make: bool = False) -> T | None:
    """Run what asks the ledger of a configuration; None where there is no store and none is to be made."""

    async def run() -> T | None:
        async with opened_ledger(settings, make=make) as ledger:
            return None if ledger is None else await ask(ledger)

    return anyio.run(run)
