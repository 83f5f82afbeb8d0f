"""The tenant tree: platform -> resellers -> clients, and whose traffic a host name is."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dialtone.model import Level, Scope, Tenant, normalise_domain

_PORT: Final = re.compile(r":[0-9]{1,5}$")


class TenantTree:
    """All tenants under one platform, in the order of configuration, each below its parent.

    A tenant whose parent is not in the tree (an orphan: discovered, its reseller not configured) is
    shown under the platform. Raises ValueError for two tenants of one domain, and for parents that
    go round in a circle.
    """

    def __init__(self, platform: Tenant, tenants: Iterable[Tenant]) -> None:
        self._platform = platform
        self._by_domain = {platform.domain: platform}
        children: dict[str, list[Tenant]] = {}
        for tenant in tenants:
            if self._by_domain.setdefault(tenant.domain, tenant) is not tenant:
                raise ValueError(f"{tenant.domain} is in the tree twice")
        for tenant in self._by_domain.values():
            if tenant is not platform:
                children.setdefault(self._parent(tenant), []).append(tenant)
        self._children = {domain: tuple(below) for domain, below in children.items()}
        self._order = tuple(self._below(platform))
        if len(self._order) != len(self._by_domain):
            lost = sorted(self._by_domain.keys() - {tenant.domain for tenant in self._order})
            raise ValueError(f"these tenants hang below themselves: {', '.join(lost)}")
        self._by_code = {code: tenant for tenant in self._order for code in tenant.account_codes}
        self._by_context = {context: tenant for tenant in self._order for context in tenant.contexts}

    @property
    def platform(self) -> Tenant:
        """The root, which owns the servers."""
        return self._platform

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain in tree order, the platform's first."""
        return tuple(tenant.domain for tenant in self._order)

    @property
    def clients(self) -> tuple[Tenant, ...]:
        """The tenants that are clients, in tree order."""
        return tuple(tenant for tenant in self._order if tenant.level is Level.CLIENT)

    def __iter__(self) -> Iterator[Tenant]:
        """Go through the tree in order: the platform, then each reseller followed by its clients."""
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, domain: object) -> bool:
        return domain in self._by_domain

    def get(self, domain: str) -> Tenant | None:
        """Return the tenant of exactly this (normalised) domain."""
        return self._by_domain.get(domain)

    def match(self, host: str) -> Tenant | None:
        """Return whose traffic a SIP URI's host is: a tenant's domain in any spelling, with or without port.

        A host below a tenant's domain is not that tenant: new.ntek.P, not configured, is an unknown
        client of ntek.P and must not count as ntek.P itself.
        """
        found = self._by_domain.get(host)
        if found is not None:
            return found
        try:
            return self._by_domain.get(normalise_domain(_PORT.sub("", host.strip())))
        except ValueError:
            return None

    def children(self, domain: str) -> tuple[Tenant, ...]:
        """Return the tenants directly below a domain, orphans below the platform's; () for unknown."""
        return self._children.get(domain, ())

    def reseller(self, domain: str) -> str:
        """Return the domain of the reseller that a tenant belongs to; a reseller belongs to itself.

        What hangs directly under the platform, and the platform itself, belong to the platform's
        domain. "" for an unknown domain.
        """
        tenant = self._by_domain.get(domain)
        if tenant is None:
            return ""
        while tenant is not self._platform and tenant.level is not Level.RESELLER:
            tenant = self._by_domain[self._parent(tenant)]
        return tenant.domain

    def by_account_code(self, code: str) -> Tenant | None:
        """Return the tenant that an Asterisk account code means: one of its codes, or its domain."""
        return self._by_code.get(code) or self.match(code)

    def by_context(self, context: str) -> Tenant | None:
        """Return the tenant that an Asterisk context means: one of its contexts, or its domain."""
        return self._by_context.get(context) or self.match(context)

    def fixed(self) -> "TenantTree":
        """Return the tree itself: it never changes."""
        return self

    def scope(self, domain: str) -> Scope:
        """Return what the people of a domain may see: it and all below; for the platform, everything.

        For an unknown domain that is nothing.
        """
        tenant = self._by_domain.get(domain)
        if tenant is None:
            return Scope.of()
        if tenant is self._platform:
            return Scope.everything()
        return Scope.of(*(below.domain for below in self._below(tenant)))

    def _parent(self, tenant: Tenant) -> str:
        return tenant.parent if tenant.parent in self._by_domain else self._platform.domain

    def _below(self, top: Tenant) -> Iterator[Tenant]:
        waiting = [top]
        while waiting:
            tenant = waiting.pop()
            yield tenant
            waiting.extend(reversed(self._children.get(tenant.domain, ())))
