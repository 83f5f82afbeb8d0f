"""dialtone sla verify: whether the books still give what was closed."""

import json
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import click

from dialtone.cli.books import asked, nothing_yet, percent
from dialtone.cli.exits import Exit
from dialtone.cli.options import config_argument, domain_of
from dialtone.cli.sla.words import paragraph
from dialtone.cli.words import printable
from dialtone.config import load
from dialtone.model import Scope
from dialtone.sla.figures import Figures
from dialtone.sla.statements.numbers import MOST_DIGITS
from dialtone.sla.verifying import Change, Verified
from dialtone.wiring.ledger import Ledger

_VERDICTS = {True: "met", False: "missed", None: "nothing measured"}


@click.command()
@config_argument
@click.option("--tenant", metavar="DOMAIN", help="This tenant's months only.")
@click.option("--period", metavar="YYYY-MM", help="This month only.")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(config: Path, tenant: str | None, period: str | None, shape: str) -> int:
    """Compute the closed months of CONFIG again from the slices, and compare them byte by byte.

    The chain of hashes is checked too. Exit 0 when all verify; corrections that were put down after a closing
    are told, with what they would change, and are no fault. Exit 2 when a month does not verify: it says
    which day of which series, entry or link differs. 7 where the data folder can't be used.
    """
    settings = load(config)
    found = asked(settings, partial(_verified, None, period))
    if found is None:
        click.echo(nothing_yet(settings) if shape == "text" else "[]")
        return Exit.OK
    if tenant is not None:
        domain = domain_of(settings, tenant, known={one.closing.tenant for one in found})
        found = [one for one in found if one.closing.tenant == domain]
    if shape == "json":
        click.echo(json.dumps([_as_json(one) for one in found], indent=2))
    elif not found:
        click.echo("nothing of that is closed yet: `dialtone sla close` does it")
    else:
        for one in found:
            for line in _told(one):
                click.echo(line)
    return Exit.OK if all(one.is_good for one in found) else Exit.FAILED


async def _verified(tenant: str | None, period: str | None, ledger: Ledger) -> list[Verified]:
    return await ledger.verify(Scope.everything(), tenant=tenant, period=period)


def _told(one: Verified) -> Iterator[str]:
    closing = one.closing
    verdict = "verified" if one.is_good else "DOES NOT VERIFY"
    yield f"{printable(closing.tenant)} {printable(closing.period)}: {verdict}"
    who = f"closed {closing.closed:%Y-%m-%d %H:%M} UTC by {printable(closing.author)}"
    yield from paragraph(f"number {closing.sequence}, {who}", "  ", "    ")
    yield f"  hash {printable(closing.hash)}"
    for problem in one.problems:
        yield from paragraph(f"- {problem}", "  ", "    ")
    if one.later:
        yield "  the closing stands; put down since:"
        for later in one.later:
            yield from paragraph(f"- {later}", "    ", "      ")
        for change in one.changes:
            yield from paragraph(f"with that {_change(change)}", "  ", "    ")
        if not one.changes:
            yield "  which changes no figure"


def _change(change: Change) -> str:
    was, now = change.was, change.now
    verdicts = f"{_VERDICTS[change.was_met]} -> {_VERDICTS[change.now_met]}"
    said = verdicts if change.was_met != change.now_met else f"still {_VERDICTS[change.now_met]}"
    if was.availability == now.availability:
        moves = f"stays at {percent(now.availability)}"
    else:
        moves = "goes from {} to {}".format(*_apart(was.availability, now.availability))
    parts = [
        f"{name} {before} s -> {after} s" for name, before, after in _seconds(was, now) if before != after
    ]
    if was.coverage != now.coverage:
        parts.append("covered {} -> {}".format(*_apart(was.coverage, now.coverage)))
    return f"{change.service} {moves} ({said}): {', '.join(parts) or 'the same time, at other moments'}"


def _seconds(was: Figures, now: Figures) -> Iterator[tuple[str, int, int]]:
    for name in ("bad", "unknown", "excluded"):
        yield name, getattr(was, name), getattr(now, name)


def _apart(was: Fraction | None, now: Fraction | None) -> tuple[str, str]:
    """Return two shares with as many decimals as tell them apart."""
    digits = next((n for n in range(3, MOST_DIGITS) if percent(was, n) != percent(now, n)), MOST_DIGITS)
    return percent(was, digits), percent(now, digits)


def _as_json(one: Verified) -> dict[str, object]:
    closing = one.closing
    return {
        "tenant": closing.tenant,
        "period": closing.period,
        "sequence": closing.sequence,
        "closed": closing.closed.isoformat(),
        "author": closing.author,
        "hash": closing.hash,
        "verified": one.is_good,
        "problems": list(one.problems),
        "later": list(one.later),
        "changes": [
            {
                "service": change.service,
                "was": _share(change.was.availability),
                "now": _share(change.now.availability),
                "seconds": {
                    name: {"was": was, "now": now} for name, was, now in _seconds(change.was, change.now)
                },
                "coverage": {"was": _share(change.was.coverage), "now": _share(change.now.coverage)},
                "was_met": change.was_met,
                "now_met": change.now_met,
            }
            for change in one.changes
        ],
    }


def _share(found: Fraction | None) -> str | None:
    return None if found is None else str(found)
