"""`probes:` -> what is placed as whom, how often; tenants without enough phones are left out aloud."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from dialtone.config.nodes import choose
from dialtone.config.plans import read_plan
from dialtone.config.problem import listing
from dialtone.config.report import Report
from dialtone.config.schema import ProbeEntry
from dialtone.config.settings import Caps, ProbeSpec
from dialtone.config.tree import TenantTree
from dialtone.model import CONFIRM_AFTER, Account, Flow

_DEFAULT_TIMEOUT: Final = 10.0
_LEAVING: Final = 2.0
"""Seconds after its timeout in which a probe still tidies up, and holds its place."""
_ROOM: Final = 0.25
"""Seconds for all else that a probe takes: an outage in which each takes its longest must not cost slots."""


def read_probes(
    report: Report,
    raw: object,
    accounts: Mapping[str, Sequence[Account]],
    tree: TenantTree | None,
    folder: Path,
) -> tuple[ProbeSpec, ...]:
    """Return the probes that are right; notes say which tenants each leaves out, and who has few phones.

    Relative paths start from `folder`.
    """
    found: dict[str, ProbeSpec] = {}
    for where, item in report.entries(raw, ("probes",)):
        entry = report.take(ProbeEntry, item, where)
        if entry is None:
            continue
        before = len(report.problems)
        # A probe that fails at its deadline and is confirmed by another must end before the next is due.
        longest = (entry.interval - CONFIRM_AFTER) / 2
        timeout = entry.timeout or min(_DEFAULT_TIMEOUT, max(longest - _LEAVING - _ROOM, longest / 2))
        if longest <= 0:
            report.problem((*where, "interval"), _too_often(entry.interval))
        elif timeout > longest:
            report.problem((*where, "timeout"), _too_long(timeout, entry.interval, longest))
        engine, plan = read_plan(report, where, entry, timeout, folder)
        wanted = choose(report, (*where, "tenants"), entry.tenants, tree)
        if entry.name in found:
            report.problem((*where, "name"), f"{entry.name} is the name of another probe already")
        if len(report.problems) > before:
            continue
        flow = Flow(entry.flow)
        need = plan.accounts(flow)
        able = tuple(d for d in wanted if _enough(accounts.get(d, ()), need, plan.callee))
        skipped = tuple(d for d in wanted if d not in able)
        if skipped:
            report.note(_left_out(entry.name, flow, need, skipped, accounts, plan.callee))
        if able and need and timeout > longest - _LEAVING - _ROOM:
            most = longest - _LEAVING - _ROOM
            report.note(_no_time_to_leave(entry.name, timeout, entry.interval, most))
        found[entry.name] = ProbeSpec(
            entry.name, flow, engine, entry.target, able, skipped, entry.interval, timeout, plan, entry.quiet
        )
    for note in _overlaps(tuple(found.values()), accounts):
        report.note(note)
    return tuple(found.values())


def _overlaps(probes: Sequence[ProbeSpec], accounts: Mapping[str, Sequence[Account]]) -> Iterator[str]:
    """Yield a note for each set of probes that, all under way at once, need more phones than tenants have."""
    of_tenant: dict[str, list[ProbeSpec]] = {}
    for probe in probes:
        if probe.plan.accounts(probe.flow):
            for domain in probe.tenants:
                of_tenant.setdefault(domain, []).append(probe)
    short: dict[tuple[str, ...], list[str]] = {}
    for domain, theirs in of_tenant.items():
        need = sum(probe.plan.accounts(probe.flow) for probe in theirs)
        if len(theirs) > 1 and need > len(accounts.get(domain, ())):
            short.setdefault(tuple(probe.name for probe in theirs), []).append(domain)
    by_name = {probe.name: probe for probe in probes}
    for names, domains in short.items():
        needs = [by_name[name].plan.accounts(by_name[name].flow) for name in names]
        sum_up = listing(f"{name} {need}" for name, need in zip(names, needs, strict=True))
        have = [f"{domain} ({len(accounts.get(domain, ()))})" for domain in domains[:11]]
        yield (
            f"when they fall together, these probes need {sum(needs)} accounts of a tenant ({sum_up}), and "
            f"{len(domains):,} tenant{'s have' if len(domains) > 1 else ' has'} fewer; the one that finds "
            f"none free is inconclusive (account-busy): {listing([*have, *domains[11:]])}"
        )


def outage_note(probes: Sequence[ProbeSpec], caps: Caps) -> str | None:
    """Return a note where an outage would ask for more than the caps: what is overloaded is not counted."""
    rate = 2 * sum(len(probe.tenants) / probe.interval for probe in probes)
    at_once = 2 * sum(len(probe.tenants) / probe.interval * (probe.timeout + _LEAVING) for probe in probes)
    asked = (
        ("concurrent_calls", at_once, caps.concurrent_calls),
        ("calls_per_second", rate, caps.calls_per_second),
    )
    short = [
        f"{key} is {cap:g} and would have to be {math.ceil(need):,}" for key, need, cap in asked if need > cap
    ]
    if not short:
        return None
    return (
        "in an outage every probe lasts its whole timeout and is confirmed by another; the caps are too low "
        f"for that: {listing(short)}. The probes that find no place then are inconclusive (overloaded), "
        "and the outage would not be counted for their tenants"
    )


def _too_often(interval: float) -> str:
    return f"{interval:g}s leaves no time for a probe and its confirmation; use 5s or more"


def _too_long(timeout: float, interval: float, longest: float) -> str:
    return (
        f"{timeout:g}s is too long for an interval of {interval:g}s: a probe and its confirmation, "
        f"{CONFIRM_AFTER:g} s later, must both fit in; use at most {longest:g}s"
    )


def _no_time_to_leave(name: str, timeout: float, interval: float, most: float) -> str:
    better = f"with a timeout of {most:g}s or less" if most > 0 else "with a longer interval"
    return (
        f"probe {name}: phones that get no answer take up to {_LEAVING:g} s more to leave; a timeout of "
        f"{timeout:g}s, twice, is in an outage longer than the interval of {interval:g}s then, and every "
        f"second interval would have no result; {better} none is left out"
    )


def _enough(accounts: Sequence[Account], need: int, callee: str) -> bool:
    return len(accounts) >= need and (not callee or any(one.user == callee for one in accounts))


def _left_out(
    name: str,
    flow: Flow,
    need: int,
    skipped: Sequence[str],
    accounts: Mapping[str, Sequence[Account]],
    callee: str,
) -> str:
    have = [f"{domain} ({len(accounts.get(domain, ()))})" for domain in skipped[:11]]
    shown = listing([*have, *skipped[11:]])
    return (
        f"probe {name} leaves out {len(skipped):,} tenant{'s'[: len(skipped) != 1]} with too few accounts "
        f"({flow} needs {need}{f', one of them {callee}' if callee else ''}): {shown}"
    )
