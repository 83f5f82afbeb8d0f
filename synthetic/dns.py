"""Names: what /etc/hosts says of them, else the DNS; how much is taken from either is bounded.

Not asked are the other sources that a C library may know (mDNS, NIS, LDAP): a name of a SIP server that only
they know is better written as its address.
"""

import asyncio
import ipaddress
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from dialtone.model import FailureCode
from synthetic.probes.base import FlowError

HOSTS: Final = Path("/etc/hosts")
LOOKUP: Final = 5.0
"""How long one question may take, in seconds."""
MAX_SERVICES: Final = 8
MAX_ADDRESSES: Final = 8
"""How many SRV records, and addresses of one name, are taken."""

_MAX_HOSTS: Final = 1 << 20
_SECOND_FAMILY: Final = 0.5
"""How long IPv6 addresses are waited for once there are IPv4 ones, in seconds: some servers drop AAAA."""


@dataclass(frozen=True, slots=True)
class Service:
    """An SRV record (RFC 2782): who offers a service. A lower priority is asked first."""

    priority: int
    weight: int
    port: int
    host: str


class Names:
    """Answers questions about names; a `resolver` is made from /etc/resolv.conf at each one if not given.

    `hosts` is this machine's own list of names, None for no such list.
    """

    def __init__(
        self, resolver: dns.asyncresolver.Resolver | None = None, hosts: Path | None = HOSTS
    ) -> None:
        self._resolver = resolver
        self._hosts = hosts
        self._read: tuple[tuple[int, int], Mapping[str, tuple[str, ...]]] | None = None

    async def services(self, name: str) -> tuple[Service, ...]:
        """Return the SRV records of a name, none where it has none. Raises FlowError with the code dns."""
        found = await self._ask(name, dns.rdatatype.SRV)
        return tuple(
            Service(r.priority, r.weight, r.port, r.target.to_text(omit_final_dot=True))
            for r in sorted(found, key=lambda r: r.priority)[:MAX_SERVICES]
        )

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return a name's addresses, IPv4 first; none where it has none.

        IPv4 first, because where a front has both, most phones use it. Raises FlowError with the code dns.
        """
        if known := (await self._of_this_machine()).get(name.lower().rstrip(".")):
            return known
        async with asyncio.TaskGroup() as group:
            newer = group.create_task(self._maybe(name, dns.rdatatype.AAAA))
            older = await self._maybe(name, dns.rdatatype.A)
            if not isinstance(older, FlowError) and older:
                await asyncio.wait([newer], timeout=_SECOND_FAMILY)
                if not newer.done():
                    newer.cancel()
                    return tuple(older[:MAX_ADDRESSES])
            others = await newer
        if isinstance(older, FlowError) and (isinstance(others, FlowError) or not others):
            raise older
        found = [a for answer in (older, others) if not isinstance(answer, FlowError) for a in answer]
        return tuple(found[:MAX_ADDRESSES])

    async def _maybe(self, name: str, kind: dns.rdatatype.RdataType) -> list[str] | FlowError:
        """Return what is said, or why nothing is: one family's answer doesn't depend on the other's."""
        try:
            return [str(record.address) for record in await self._ask(name, kind, search=True)]
        except FlowError as error:
            return error

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType, *, search: bool = False) -> list[Any]:
        try:
            resolver = self._resolver or dns.asyncresolver.Resolver()
            async with asyncio.timeout(LOOKUP):
                answer = await resolver.resolve(name, kind, search=search, lifetime=LOOKUP)
            return list(answer)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.NoResolverConfiguration:
            raise FlowError(FailureCode.MISCONFIGURED, "/etc/resolv.conf names no DNS server") from None
        except (dns.exception.Timeout, TimeoutError):
            raise FlowError(FailureCode.DNS, f"{name}: no DNS server answered within {LOOKUP:g} s") from None
        except dns.resolver.NoNameservers:
            raise FlowError(FailureCode.DNS, f"{name}: every DNS server refused or failed") from None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise FlowError(FailureCode.DNS, f"{name}: {str(error) or type(error).__name__}") from None

    async def _of_this_machine(self) -> Mapping[str, tuple[str, ...]]:
        """Return /etc/hosts, read again only when it has changed."""
        if self._hosts is None:
            return {}
        try:
            state = self._hosts.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, await anyio.to_thread.run_sync(_hosts_of, self._hosts)
        except OSError:
            return {}
        return self._read[1]


def _hosts_of(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the addresses by name of a file as hosts(5) describes it, IPv4 first."""
    found: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_MAX_HOSTS)
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            written = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        for name in names:
            known = found.setdefault(name.lower().rstrip("."), [])
            if written not in known:
                known.append(written)
    return {
        name: tuple(sorted(known, key=lambda a: ":" in a)[:MAX_ADDRESSES]) for name, known in found.items()
    }


def in_order(services: Iterable[Service], rng: random.Random) -> list[Service]:
    """Return services as RFC 2782 has them tried: by priority, those of one priority drawn by weight."""
    left, ordered = sorted(services, key=lambda s: (s.priority, s.weight)), []
    while left:
        equals = [service for service in left if service.priority == left[0].priority]
        drawn = rng.randint(0, sum(service.weight for service in equals))
        for service in equals:  # those of weight 0 come first: they are drawn by 0 alone
            drawn -= service.weight
            if drawn <= 0:
                break
        ordered.append(service)
        left.remove(service)
    return ordered
