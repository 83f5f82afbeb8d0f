"""`probes:` -> what is placed as whom, how often; tenants without enough phones are left out aloud."""

from collections.abc import Mapping, Sequence
from typing import Final

from dialtone.config.nodes import choose
from dialtone.config.problem import listing
from dialtone.config.report import Report
from dialtone.config.schema import ProbeEntry
from dialtone.config.settings import ProbeSpec
from dialtone.config.tree import TenantTree
from dialtone.model import CONFIRM_AFTER, Account, Engine, Flow

_DEFAULT_TIMEOUT: Final = 10.0


def read_probes(
    report: Report, raw: object, accounts: Mapping[str, Sequence[Account]], tree: TenantTree | None
) -> tuple[ProbeSpec, ...]:
    """Return the probes that are right; notes say which tenants each leaves out."""
    found: dict[str, ProbeSpec] = {}
    for where, item in report.entries(raw, ("probes",)):
        entry = report.take(ProbeEntry, item, where)
        if entry is None:
            continue
        before = len(report.problems)
        # A probe that fails at its deadline and is confirmed by another must end before the next is due.
        longest = (entry.interval - CONFIRM_AFTER) / 2
        timeout = entry.timeout or min(_DEFAULT_TIMEOUT, longest)
        if longest <= 0:
            report.problem((*where, "interval"), _too_often(entry.interval))
        elif timeout > longest:
            report.problem((*where, "timeout"), _too_long(timeout, entry.interval, longest))
        wanted = choose(report, (*where, "tenants"), entry.tenants, tree)
        if entry.name in found:
            report.problem((*where, "name"), f"{entry.name} is the name of another probe already")
        if len(report.problems) > before:
            continue
        flow = Flow(entry.flow)
        able = tuple(d for d in wanted if len(accounts.get(d, ())) >= flow.accounts)
        skipped = tuple(d for d in wanted if len(accounts.get(d, ())) < flow.accounts)
        if skipped:
            report.note(_left_out(entry.name, flow, skipped, accounts))
        found[entry.name] = ProbeSpec(
            entry.name, flow, Engine(entry.engine), entry.target, able, skipped, entry.interval, timeout
        )
    return tuple(found.values())


def _too_often(interval: float) -> str:
    return f"{interval:g}s leaves no time for a probe and its confirmation; use 5s or more"


def _too_long(timeout: float, interval: float, longest: float) -> str:
    return (
        f"{timeout:g}s is too long for an interval of {interval:g}s: a probe and its confirmation, "
        f"{CONFIRM_AFTER:g} s later, must both fit in; use at most {longest:g}s"
    )


def _left_out(
    name: str, flow: Flow, skipped: Sequence[str], accounts: Mapping[str, Sequence[Account]]
) -> str:
    have = [f"{domain} ({len(accounts.get(domain, ()))})" for domain in skipped[:11]]
    shown = listing([*have, *skipped[11:]])
    need = flow.accounts
    return (
        f"probe {name} leaves out {len(skipped):,} tenant{'s'[: len(skipped) != 1]} with too few accounts "
        f"({flow} needs {need}): {shown}"
    )
