"""`platform:` and `tenants:` -> the tenant tree: levels by label depth, parents, inheritance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dialtone.config.problem import Where, nearest, quote
from dialtone.config.report import Report
from dialtone.config.schema import PlatformEntry, TenantEntry
from dialtone.config.tree import TenantTree
from dialtone.model import Level, Tenant


@dataclass(frozen=True, slots=True)
class _Given:
    """A valid entry and where it stands."""

    where: Where
    entry: TenantEntry


def read_tree(report: Report, platform: object, tenants: object) -> TenantTree | None:
    """Return the tree, or None with its problems noted; then nothing can be said about tenants elsewhere."""
    if not isinstance(platform, Mapping):
        return None
    before = len(report.problems)
    root = report.take(PlatformEntry, platform, ("platform",))
    given = [
        _Given(where, entry)
        for where, raw in report.entries(tenants, ("tenants",))
        if (entry := report.take(TenantEntry, raw, where)) is not None
    ]
    if root is None or not isinstance(tenants, list):
        return None
    # An entry that can't be read may be anybody's reseller: then nobody is called an orphan.
    whole = len(given) == len(tenants)
    given = _without_duplicates(report, root.domain, given)
    top = Tenant(
        root.domain, None, Level.PLATFORM, root.name or root.domain, root.timezone or "UTC",
        root.language or "en", root.account_codes, root.contexts, root.labels,
    )  # fmt: skip
    made = _Placing(report, top, given, judge_orphans=whole).tenants()
    everybody = [(("platform",), root), *((one.where, one.entry) for one in given)]
    _check_unique(report, everybody, "account_codes", "a code")
    _check_unique(report, everybody, "contexts", "a context")
    _check_apart(report, everybody)
    return None if len(report.problems) > before else TenantTree(top, made)


class _Placing:
    """Finds each tenant's level and parent."""

    def __init__(self, report: Report, top: Tenant, given: Sequence[_Given], *, judge_orphans: bool) -> None:
        self._report = report
        self._top = top
        self._given = given
        self._judge_orphans = judge_orphans
        self._levels = {one.entry.domain: self._level(one.entry) for one in given}

    def tenants(self) -> list[Tenant]:
        """Return all tenants, resellers first, so that clients can inherit from them."""
        made: dict[str, Tenant] = {self._top.domain: self._top}
        for level in (Level.RESELLER, Level.CLIENT):
            for one in self._given:
                if self._levels[one.entry.domain] is level:
                    parent = self._parent(one, level)
                    if parent is not None and (above := made.get(parent)) is not None:
                        made[one.entry.domain] = _tenant(one.entry, above, level)
        return [made[one.entry.domain] for one in self._given if one.entry.domain in made]

    def _level(self, entry: TenantEntry) -> Level:
        """One label below the platform is a reseller, deeper a client; a custom domain is by its parent."""
        if entry.level is not None:
            return Level(entry.level)
        depth = _depth(entry.domain, self._top.domain)
        if depth is None:
            return Level.RESELLER if entry.parent == self._top.domain else Level.CLIENT
        return Level.RESELLER if depth == 1 else Level.CLIENT

    def _parent(self, one: _Given, level: Level) -> str | None:
        """Return the domain above, or None with the reason noted."""
        entry, top = one.entry, self._top.domain
        if level is Level.RESELLER:
            if entry.parent not in (None, top):
                self._report.problem(
                    (*one.where, "parent"), f"a reseller stands directly under the platform; write {top}"
                )
                return None
            if entry.parent is None and _depth(entry.domain, top) is None:
                self._report.problem(one.where, _needs_parent(entry.domain, top))
                return None
            return top
        if entry.parent is not None:
            return self._given_parent(one, entry.parent)
        if _depth(entry.domain, top) == 1:
            return top
        for domain in _suffixes(entry.domain):
            if self._levels.get(domain) is Level.RESELLER:
                return domain
        if self._judge_orphans:
            self._report.problem(one.where, self._orphan(entry.domain))
        return None

    def _given_parent(self, one: _Given, parent: str) -> str | None:
        if parent == self._top.domain or self._levels.get(parent) is Level.RESELLER:
            return parent
        there = (*one.where, "parent")
        if parent in self._levels:
            self._report.problem(there, f"{parent} is a client; name its reseller, or the platform")
        elif self._judge_orphans:
            known = [self._top.domain, *(d for d, level in self._levels.items() if level is Level.RESELLER)]
            close = nearest(parent, known)
            self._report.problem(there, f"{quote(parent)} is not configured{close or '; add it to tenants'}")
        return None

    def _orphan(self, domain: str) -> str:
        depth = _depth(domain, self._top.domain)
        if depth is None:
            return _needs_parent(domain, self._top.domain)
        reseller = ".".join(domain.split(".")[depth - 1 :])
        if reseller in self._levels:
            return f"{domain} stands below {reseller}, which is a client; give the `parent` of {domain}"
        return (
            f"the reseller of {domain} is not configured; add `- {{domain: {reseller}}}` to tenants, "
            "or name another one with `parent`"
        )


def _needs_parent(domain: str, top: str) -> str:
    return f"{domain} is not under {top}; give its `parent`: its reseller's domain, or {top}"


def _tenant(entry: TenantEntry, above: Tenant, level: Level) -> Tenant:
    """Zone and language are its own, or else those of what stands above."""
    return Tenant(
        entry.domain, above.domain, level, entry.name or entry.domain, entry.timezone or above.timezone,
        entry.language or above.language, entry.account_codes, entry.contexts, entry.labels,
    )  # fmt: skip


def _depth(domain: str, top: str) -> int | None:
    """Return how many labels a domain has below the platform's, None where it is not below."""
    if not domain.endswith(f".{top}"):
        return None
    return domain.count(".") - top.count(".")


def _suffixes(domain: str) -> Iterable[str]:
    """Return what remains of a domain as labels are taken off, nearest first."""
    while "." in domain:
        domain = domain.split(".", 1)[1]
        yield domain


def _without_duplicates(report: Report, top: str, given: Sequence[_Given]) -> list[_Given]:
    first: dict[str, _Given] = {}
    for one in given:
        domain = one.entry.domain
        if domain == top:
            report.problem(one.where, f"{top} is the platform itself; take it out of tenants")
        elif domain in first:
            report.problem(
                one.where, f"{domain} is a tenant already, in line {report.line(first[domain].where)}"
            )
        else:
            first[domain] = one
    return list(first.values())


def _check_unique(
    report: Report, everybody: Sequence[tuple[Where, PlatformEntry]], key: str, what: str
) -> None:
    """Note the words of a key that mean two tenants. A domain is its tenant's word already."""
    owners = {entry.domain: entry.domain for _, entry in everybody}
    for where, entry in everybody:
        for word in getattr(entry, key):
            owner = owners.setdefault(word, entry.domain)
            if owner != entry.domain:
                report.problem((*where, key), f"{quote(word)} already means {owner}; {what} means one tenant")


def _check_apart(report: Report, everybody: Sequence[tuple[Where, PlatformEntry]]) -> None:
    """Note the contexts that are another tenant's account code: a queue called so would be whose?"""
    owners = {code: entry.domain for _, entry in everybody for code in entry.account_codes}
    for where, entry in everybody:
        for context in entry.contexts:
            owner = owners.get(context, entry.domain)
            if owner != entry.domain:
                report.problem(
                    (*where, "contexts"),
                    f"{quote(context)} is an account code of {owner}; a word means one tenant, because names "
                    "of queues and the like are looked up in both",
                )
