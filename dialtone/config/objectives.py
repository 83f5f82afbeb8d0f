"""`objectives:` -> what each tenant is promised: the nearest entry at or above it wins, key by key.

Entries of one name are one service. An entry without `tenants` stands at the platform, above all. An
objective holds for the tenants that have a probe of each of its flows; a note names the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from dialtone.config.merging import Chain, Merging, measures
from dialtone.config.nodes import choose
from dialtone.config.problem import listing
from dialtone.config.promises import Promise, read_promise
from dialtone.config.proof import notes_of, wrong_interval
from dialtone.config.report import Report
from dialtone.config.settings import ProbeSpec
from dialtone.config.tree import TenantTree
from dialtone.model import EvidenceKind, Flow, Level, Node, Objective, Sli, Tenant

MOST_SERVICES: Final = 50
"""Objectives of different names."""

_NOTES: Final = 50


def read_objectives(
    report: Report,
    raw: object,
    tree: TenantTree | None,
    probes: Sequence[ProbeSpec] | None,
    nodes: Sequence[Node] | None,
) -> tuple[Objective, ...]:
    """Return every tenant's objectives, in the order of the file, then of the tree.

    None for tree, probes or nodes means that they can't be judged by.
    """
    services: dict[str, list[Promise]] = {}
    unread: set[object] = set()
    for where, item in report.entries(raw, ("objectives",)):
        promise = read_promise(report, item, where)
        if promise is not None:
            services.setdefault(promise.name, []).append(promise)
        elif isinstance(item, Mapping) and isinstance(item.get("name"), str):
            unread.add(item["name"])
    if len(services) > MOST_SERVICES:
        report.problem(
            ("objectives",), f"has {len(services):,} different names; {MOST_SERVICES} are the most"
        )
        return ()
    if tree is None:
        return ()
    resolving = _Resolving(report, tree, probes, nodes)
    # What an entry gives that can't be read is not known: the others of its name are not judged.
    whole = [promises for name, promises in services.items() if name not in unread]
    found = [one for promises in whole for one in resolving.objectives(promises)]
    resolving.note()
    return tuple(found)


class _Resolving:
    """Finds what each tenant is promised. What is the same for many is worked out once."""

    def __init__(
        self,
        report: Report,
        tree: TenantTree,
        probes: Sequence[ProbeSpec] | None,
        nodes: Sequence[Node] | None,
    ) -> None:
        self._report, self._tree, self._judged = report, tree, probes is not None
        self._merging = Merging(report, probes, nodes)
        theirs: dict[str, list[ProbeSpec]] = {}
        for probe in probes or ():
            for domain in probe.tenants:
                theirs.setdefault(domain, []).append(probe)
        # Most tenants have the same probes: each set is kept once, and known by its number.
        self._sets: dict[tuple[str, ...], int] = {(): 0}
        self._probes: list[Sequence[ProbeSpec]] = [()]
        self._set_of: dict[str, int] = {}
        for domain, having in theirs.items():
            names = tuple(probe.name for probe in having)
            number = self._set_of[domain] = self._sets.setdefault(names, len(self._probes))
            if number == len(self._probes):
                self._probes.append(having)
        self._cut: dict[object, Objective | tuple[Flow, ...]] = {}
        self._notes: dict[str, None] = {}
        self._held: set[str] = set()
        self._unheld: dict[str, tuple[Flow, ...]] = {}
        self._lacking: dict[tuple[str, str], list[str]] = {}

    def objectives(self, promises: Sequence[Promise]) -> Iterator[Objective]:
        """Yield those of one service."""
        placed = self._placed(promises)
        chains: dict[str, Chain] = {}
        for tenant in self._tree:
            above = chains.get(tenant.parent, ()) if tenant.parent is not None else ()
            own = placed.get(tenant.domain)
            chain = chains[tenant.domain] = above if own is None else (*above, own)
            merged = self._merging.merged(chain) if chain else None
            if merged is None or not self._judged:
                continue
            found = self._of_tenant(chain, merged, tenant)
            if isinstance(found, Objective):
                self._held.add(merged.service)
                yield replace(found, tenant=tenant.domain)
                continue
            self._unheld.setdefault(merged.service, merged.flows)
            if tenant.level is not Level.PLATFORM:
                sound = " with media" if merged.sli is Sli.MOS else ""
                lacks = f"{' or '.join(found)}{sound}"
                self._lacking.setdefault((merged.service, lacks), []).append(tenant.domain)

    def note(self) -> None:
        """Note what was found on the way."""
        for service, flows in self._unheld.items():
            if service not in self._held:
                self._report.note(
                    f"objective {service} holds for nobody: no tenant has a probe of each of its flows "
                    f"({listing(flows)})"
                )
        for (service, lacks), domains in self._lacking.items():
            if service not in self._held:
                continue
            has = "tenants has" if len(domains) > 1 else "tenant has"
            self._report.note(
                f"objective {service} of {len(domains):,} {has} no probe of flow {lacks}, and is not "
                f"accounted for: {listing(domains)}"
            )
        notes = list(self._notes)
        for note in notes[:_NOTES]:
            self._report.note(note)
        if len(notes) > _NOTES:
            self._report.note(f"objectives: and {len(notes) - _NOTES:,} notes more like these")

    def _placed(self, promises: Sequence[Promise]) -> Mapping[str, Promise]:
        """Return the entries by the tenants that they are for; a second one of a tenant is refused."""
        found: dict[str, Promise] = {}
        for promise in promises:
            if promise.tenants == "all":
                domains: tuple[str, ...] = (self._tree.platform.domain,)
            else:
                domains = choose(self._report, (*promise.where, "tenants"), promise.tenants, self._tree)
            if twice := [domain for domain in domains if domain in found]:
                first = self._report.line(found[twice[0]].where)
                whom = "all" if promise.tenants == "all" else listing(twice)
                self._report.problem(
                    (*promise.where, "tenants"),
                    f"{promise.name} has an entry for {whom} already, in line {first}; keep one of them",
                )
            found.update({domain: promise for domain in domains if domain not in found})
        return found

    def _of_tenant(self, chain: Chain, merged: Objective, tenant: Tenant) -> Objective | tuple[Flow, ...]:
        """Return the objective with zone and probes, or the flows that the tenant has no probe of."""
        number = self._set_of.get(tenant.domain, 0)
        key = (tuple(promise.where for promise in chain), number, tenant.timezone, tenant.level)
        found = self._cut.get(key)
        if found is None:
            found = self._cut[key] = self._fitted(chain, merged, tenant, self._probes[number])
        return found

    def _fitted(
        self, chain: Chain, merged: Objective, tenant: Tenant, probes: Sequence[ProbeSpec]
    ) -> Objective | tuple[Flow, ...]:
        made = replace(merged, zone=merged.zone or tenant.timezone)
        if made.evidence is EvidenceKind.PASSIVE:
            # The platform's own domain has no traffic of a tenant.
            return made.flows if tenant.level is Level.PLATFORM else made
        theirs = [probe for probe in probes if made.has_flow(probe.flow, probe.name)]
        able = [probe for probe in theirs if measures(probe, made)]
        if lacks := tuple(flow for flow in made.flows if not any(probe.flow is flow for probe in able)):
            return lacks
        if len(able) < len(theirs):
            # What never measures it would leave the service unknown for ever.
            made = replace(made, probes=tuple(probe.name for probe in able))
        for probe in able:
            if message := wrong_interval(made, probe):
                self._merging.problem(chain[-1].where, message)
        self._notes.update(dict.fromkeys(notes_of(made, able, tenant.timezone)))
        return made
