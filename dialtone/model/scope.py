"""What a reader may see: the one type that every read is filtered by."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class AccessRole(StrEnum):
    """What somebody may do with what is in scope: read it, or also declare and withdraw."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of tenant domains, or everything.

    `domains` is None for the platform's own people: they also see servers and `_unknown` traffic.
    A scope of a reseller or client holds its own domain and all below; never a server, whose
    figures mix tenants.
    """

    domains: frozenset[str] | None

    @classmethod
    def everything(cls) -> Self:
        """Return the scope of the platform itself."""
        return cls(None)

    @classmethod
    def of(cls, *domains: str) -> Self:
        """Return the scope that holds exactly these domains."""
        return cls(frozenset(domains))

    @property
    def sees_all(self) -> bool:
        """Whether nothing is hidden: servers, platform figures and every tenant."""
        return self.domains is None

    def allows(self, tenant: str | None) -> bool:
        """Whether something of this tenant may be shown; None stands for what is of no tenant."""
        return self.domains is None or (tenant is not None and tenant in self.domains)
