"""What a server lists as its domains, and which of them can be tenants."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dialtone.model.node import CollectError, CollectFailure
from dialtone.model.tenant import normalise_domain

MAX_DISCOVERED: Final = 100_000
"""Most names that are taken of a server, and of all servers together."""


@dataclass(frozen=True, slots=True)
class DomainsFound:
    """The domains that a server listed, each once and normalised; `left_out` counts names that are none."""

    domains: tuple[str, ...]
    left_out: int = 0


def domains_among(names: Iterable[object]) -> DomainsFound:
    """Return what of a server's list can be a tenant, in its order.

    Left out are addresses (a server lists its own), names of one label (localhost) and what is no host
    name at all. Raises CollectError with `too-large` where there are more than MAX_DISCOVERED names.
    """
    found: dict[str, None] = {}
    left_out = 0
    for number, name in enumerate(names):
        if number >= MAX_DISCOVERED:
            raise CollectError(CollectFailure.TOO_LARGE, f"more than {MAX_DISCOVERED:,} domains are listed")
        domain = _domain(name)
        if domain is None:
            left_out += 1
        else:
            found[domain] = None
    return DomainsFound(tuple(found), left_out)


def _domain(name: object) -> str | None:
    if not isinstance(name, str):
        return None
    try:
        domain = normalise_domain(name)
    except ValueError:
        return None
    # No top-level domain is a number (RFC 3696 2), so that 192.0.2.1 is no host name.
    _, dot, top = domain.rpartition(".")
    return None if not dot or top.isdigit() else domain
