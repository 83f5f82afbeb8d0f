"""The tenants as they are now: those of the configuration, and those that servers list besides."""

import asyncio
from collections.abc import Collection, Iterator, Sequence

from dialtone.config.tree import TenantTree
from dialtone.model import Level, Scope, Tenant


class TenantDirectory:
    """The tenant tree, which discovery makes grow and shrink; implements ports.TenantLookup.

    The tree is swapped whole, in the event loop's thread. Configured tenants are always in it.
    """

    def __init__(self, configured: TenantTree) -> None:
        self._configured = configured
        self._tree = configured
        self._scopes: dict[str, Scope] = {}

    @property
    def tree(self) -> TenantTree:
        """The tree at this moment; it never changes, another one takes its place."""
        return self._tree

    @property
    def configured(self) -> int:
        """How many tenants are configured, the platform included."""
        return len(self._configured)

    @property
    def discovered(self) -> int:
        """How many tenants are known from servers alone."""
        return len(self._tree) - len(self._configured)

    async def discover(self, domains: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Have the tree hold these (normalised) domains besides the configured ones, and no other.

        Return those that appeared by it and those that disappeared, both in order. One call at a time.
        """
        # A hundred thousand names take the better part of a second.
        after, appeared, gone = await asyncio.to_thread(_change, self._configured, self._tree, domains)
        if appeared or gone:
            self._tree, self._scopes = after, {}
        return appeared, gone

    @property
    def domains(self) -> Sequence[str]:
        """The domains of all tenants, the platform's included, in the order of the tree."""
        return self._tree.domains

    def __iter__(self) -> Iterator[Tenant]:
        """Go through the tree as it is now."""
        return iter(self._tree)

    def match(self, host: str) -> Tenant | None:
        """Return the tenant of a SIP host name as a server wrote it, None where nobody has it."""
        return self._tree.match(host)

    def by_account_code(self, code: str) -> Tenant | None:
        """Return the tenant that an Asterisk account code stands for, None where nobody has it."""
        return self._tree.by_account_code(code)

    def by_context(self, context: str) -> Tenant | None:
        """Return the tenant that an Asterisk context stands for, None where nobody has it."""
        return self._tree.by_context(context)

    def reseller(self, domain: str) -> str:
        """Return the reseller's domain of a tenant, "" where the domain is nobody's."""
        return self._tree.reseller(domain)

    def fixed(self) -> TenantTree:
        """Return the tree at this moment."""
        return self._tree

    def scope(self, domain: str) -> Scope:
        """Return what the people of a domain may see now: it and all below."""
        scope = self._scopes.get(domain)
        if scope is None:
            scope = self._scopes[domain] = self._tree.scope(domain)
        return scope


def _change(
    configured: TenantTree, before: TenantTree, domains: Collection[str]
) -> tuple[TenantTree, tuple[str, ...], tuple[str, ...]]:
    after = grown(configured, domains)
    appeared = tuple(domain for domain in after.domains if domain not in before)
    return after, appeared, tuple(domain for domain in before.domains if domain not in after)


def grown(tree: TenantTree, domains: Collection[str]) -> TenantTree:
    """Return a tree of the same tenants and, as discovered ones, those of these domains that it lacks.

    One label below the platform is a reseller, whatever else a client: of the nearest reseller, configured
    or discovered, that its labels end in, or else of the platform (a custom domain, an orphan). Zone and
    language are those of what stands above.
    """
    platform = tree.platform
    new = sorted(domain for domain in domains if domain not in tree)
    depth = platform.domain.count(".") + 1
    made: dict[str, Tenant] = {}
    above = {tenant.domain: tenant for tenant in tree if tenant.level is Level.RESELLER}
    for domain in new:
        if domain.endswith(f".{platform.domain}") and domain.count(".") == depth:
            made[domain] = above[domain] = _below(platform, domain, Level.RESELLER)
    for domain in new:
        if domain not in made:
            made[domain] = _below(_reseller(domain, above) or platform, domain, Level.CLIENT)
    return TenantTree(platform, [*(one for one in tree if one is not platform), *made.values()])


def _reseller(domain: str, resellers: dict[str, Tenant]) -> Tenant | None:
    while "." in domain:
        domain = domain.split(".", 1)[1]
        if (found := resellers.get(domain)) is not None:
            return found
    return None


def _below(parent: Tenant, domain: str, level: Level) -> Tenant:
    return Tenant(domain, parent.domain, level, domain, parent.timezone, parent.language, configured=False)
