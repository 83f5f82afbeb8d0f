"""The domains of a server's traffic that nobody has configured: an operator wants their names."""

from collections.abc import Sequence
from heapq import nsmallest
from typing import Final

from dialtone.model import Tenant
from dialtone.ports import TenantLookup

MOST: Final = 20
"""Names that are said."""
_MAX_NAME: Final = 253


class Strangers:
    """A TenantLookup that remembers the hosts for which there was no tenant; what has no dot is none."""

    def __init__(self, tenants: TenantLookup) -> None:
        self.tenants = tenants
        self._names: set[str] = set()

    @property
    def domains(self) -> Sequence[str]:
        """The domains of all tenants."""
        return self.tenants.domains

    def match(self, host: str) -> Tenant | None:
        """Return the tenant of a host, None where nobody has it."""
        found = self.tenants.match(host)
        if found is None and "." in host:
            self._names.add(host)
        return found

    def add(self, name: str) -> None:
        """Remember a name that is no host's and nobody's either."""
        self._names.add(name)

    def join(self, others: "Strangers") -> None:
        """Remember what others do."""
        self._names |= others._names

    def by_account_code(self, code: str) -> Tenant | None:
        """Return the tenant of an account code, None where nobody has it."""
        return self.tenants.by_account_code(code)

    def by_context(self, context: str) -> Tenant | None:
        """Return the tenant of an Asterisk context, None where nobody has it."""
        return self.tenants.by_context(context)

    def reseller(self, domain: str) -> str:
        """Return the reseller's domain of a tenant, "" where the domain is nobody's."""
        return self.tenants.reseller(domain)

    def fixed(self) -> TenantLookup:
        """Return the tenants as they are at this moment."""
        return self.tenants.fixed()

    def __str__(self) -> str:
        """Return the first names, "" where there are none: printable, and how many more there are."""
        said = [_printable(name) for name in nsmallest(MOST, self._names)]
        more = len(self._names) - len(said)
        return ", ".join(said) + (f" and {more} more" if more else "")


def _printable(name: str) -> str:
    if not name.isprintable():
        name = name.encode("unicode_escape").decode("ascii")
    return name[:_MAX_NAME]
