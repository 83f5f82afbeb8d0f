"""Tenants' domains in the names of what a script counts: DOMAIN_EVENT and PREFIX_DOMAIN (pure).

Domains, events and prefixes may all have underscores; so it is the tenants who say where a name is cut.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from collectors.opensips.traffic import SESSION_EVENTS
from dialtone.model import Tenant
from dialtone.ports import TenantLookup

_MOST: Final = 40
"""Characters of an event, or of a prefix: letters, digits and underscores."""
_CUTS: Final = 10
"""Places at which a name is tried to be cut."""
_WORD: Final = re.compile(f"[A-Za-z0-9_]{{0,{_MOST + 1}}}")


class Names:
    """Cuts names by the domains of some tenants, in any spelling."""

    def __init__(self, tenants: TenantLookup) -> None:
        self._tenants = tenants
        self._domains = frozenset(tenants.domains)

    def match(self, host: str) -> Tenant | None:
        """Return the tenant of a host, None where nobody has it."""
        spelled = host.lower().partition(":")[0].removesuffix(".")
        # There may be many hosts of nobody's, and this costs a tenth of what the lookup does.
        return self._tenants.match(host) if spelled in self._domains else None

    def event(self, name: str) -> tuple[Tenant, str] | None:
        """Return whose DOMAIN_EVENT is, and the event; None for nobody's. The longest domain is it."""
        for place in event_places(name):
            if found := self.match(name[:place]):
                return found, name[place + 1 :]
        return None

    def prefix(self, name: str, separators: str = "_") -> tuple[str, Tenant] | None:
        """Return the PREFIX of PREFIX_DOMAIN, and whose it is; None for nobody's."""
        word = _WORD.match(name)
        end = min(word.end() if word else 0, _MOST, len(name) - 1)
        places = (place for place in range(1, end + 1) if name[place] in separators)
        for place in islice(places, _CUTS):
            if found := self.match(name[place + 1 :]):
                return name[:place], found
        return None


def session_event(name: str) -> tuple[str, str]:
    """Return the host and the event of HOST_EVENT that means a session, "" for both where it means none."""
    host, _, event = name.rpartition("_")
    if event.isdigit():
        host, _, failed = host.rpartition("_")
        event = f"{failed}_{event}"
    return (host, event) if host and event in SESSION_EVENTS else ("", "")


def event_places(name: str) -> Iterator[int]:
    """Yield where DOMAIN_EVENT may be cut, for the shortest event first."""
    word = _WORD.match(name[: -_MOST - 2 : -1])
    start = max(len(name) - (word.end() if word else 0), 1)
    place = len(name) - 1
    for _ in range(_CUTS):
        place = name.rfind("_", start, place)
        if place < 0:
            return
        yield place
