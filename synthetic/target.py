"""Targets: where a probe's requests go, `sip:host:port;transport=udp`, and which addresses that means.

Of RFC 3263 NAPTR is left out: the transport is the target's to say, and UDP where it does not.
"""

import asyncio
import ipaddress
import random
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from dialtone.model import FailureCode
from synthetic.address import Address
from synthetic.dns import LOOKUP, Names, Service, in_order
from synthetic.probes.base import FlowError

Transport = Literal["udp", "tcp", "tls"]

PORTS: Final[Mapping[Transport, int]] = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""The port of each transport where none is given (RFC 3261 19.1.2)."""
MAX_HOPS: Final = 8
"""How many addresses one target may lead to."""

_SERVICES: Final[Mapping[Transport | None, tuple[tuple[str, Transport], ...]]] = {
    None: (("_sip._udp", "udp"), ("_sip._tcp", "tcp")),
    "udp": (("_sip._udp", "udp"),),
    "tcp": (("_sip._tcp", "tcp"),),
    "tls": (("_sips._tcp", "tls"),),
}
"""The SRV names to ask for, in order of preference (RFC 3263 4.1), by the transport that a target gives."""
_EXAMPLE: Final = "sip:HOST:PORT;transport=udp"
_TARGET: Final = re.compile(
    r"(?P<scheme>sips?):(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
    r"(:(?P<port>[0-9]{1,5}))?(;transport=(?P<transport>[A-Za-z]{1,16}))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hop:
    """Where packets go: an address, and how. `name` is the host as the target gives it (TLS: RFC 5922)."""

    address: Address
    transport: Transport = "udp"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The next hop of a probe: the tenant's domain stays in the Request-URI, the packets go here.

    `port` and `transport` are None where the target leaves them to SRV records, or to the defaults.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None


def parse_target(text: str) -> Target:
    """Return a target. Raises ValueError with words for a person."""
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no target: write {_EXAMPLE}")
    transport = found["transport"].lower() if found["transport"] else None
    if transport not in (None, *PORTS):
        raise ValueError(f"{text!r}: the transport {transport!r} is not supported; use udp, tcp or tls")
    if found["scheme"].lower() == "sips":
        if transport == "udp":
            raise ValueError(f"{text!r}: sips is never over udp; write sips:HOST or {_EXAMPLE}")
        transport = "tls"  # transport=tcp of a sips URI means TLS over TCP (RFC 3261 26.2.2)
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{text!r}: {port} is no port")
    host = found["host"].strip("[]")
    if found["host"].startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ValueError(f"{text!r} is no target: {found['host']} is no IPv6 address") from None
    return Target(host, port, cast("Transport | None", transport))


async def hops(
    text: str,
    names: Names | None = None,
    rng: random.Random | None = None,
    *,
    within: float = LOOKUP,
) -> tuple[Hop, ...]:
    """Return where a target's packets may go, in order of preference, at least one and at most MAX_HOPS.

    RFC 3263: an address is itself; a name with a port is its addresses; a name without one is what its SRV
    records say, by priority and weight, of the first transport that has any; without records, its addresses
    and the transport's default port. Raises ValueError for what is no target, and FlowError with dns where it
    leads nowhere or the answer takes over `within` seconds (LOOKUP at most).
    """
    rng = rng or random.Random()  # noqa: S311 - it spreads load and keeps no secret
    return await _hops_of(parse_target(text), names or Names(), rng, min(within, LOOKUP))


async def resolve(target: Target) -> Address:
    """Return the first address of a target, for an engine that speaks UDP alone.

    Raises ValueError for another transport, FlowError with the code dns.
    """
    if target.transport not in (None, "udp"):
        raise ValueError(f"the transport {target.transport!r} is not supported by this engine; use udp")
    rng = random.Random()  # noqa: S311 - as above
    return (await _hops_of(replace(target, transport="udp"), Names(), rng, LOOKUP))[0].address


async def _hops_of(target: Target, names: Names, rng: random.Random, within: float) -> tuple[Hop, ...]:
    transport = target.transport or "udp"
    try:
        address = str(ipaddress.ip_address(target.host)), target.port or PORTS[transport]
        return (Hop(address, transport, target.host),)
    except ValueError:
        pass  # a name
    try:
        async with asyncio.timeout(within):
            found = await _by_services(target, names, rng) if target.port is None else ()
            if not found:
                port = target.port or PORTS[transport]
                found = tuple(
                    Hop((address, port), transport, target.host)
                    for address in await names.addresses(target.host)
                )
    except TimeoutError:
        raise FlowError(FailureCode.DNS, f"looking up {target.host} took over {within:g} s") from None
    if not found:
        raise FlowError(FailureCode.DNS, f"{target.host}: no such name, or none with an address")
    return tuple(dict.fromkeys(found))[:MAX_HOPS]


async def _by_services(target: Target, names: Names, rng: random.Random) -> tuple[Hop, ...]:
    """Return the hops of a name's SRV records, none where it has no records. Raises FlowError."""
    for prefix, transport in _SERVICES[target.transport]:
        services = in_order(await names.services(f"{prefix}.{target.host}"), rng)
        offered = [service for service in services if service.host not in (".", "")]
        if services and not offered:
            raise FlowError(FailureCode.DNS, f"{prefix}.{target.host}: the DNS says that it is not offered")
        if offered:
            return await _of_services(offered, transport, target.host, names)
    return ()


async def _of_services(
    services: list[Service], transport: Transport, name: str, names: Names
) -> tuple[Hop, ...]:
    """Return a hop for every address of every service; a server whose name fails is passed over."""
    found: list[Hop] = []
    trouble: FlowError | None = None
    answers = await asyncio.gather(*(names.addresses(s.host) for s in services), return_exceptions=True)
    for service, answer in zip(services, answers, strict=True):
        if isinstance(answer, FlowError):
            trouble = trouble or answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += [Hop((address, service.port), transport, name) for address in answer if service.port]
    if not found:
        raise trouble or FlowError(FailureCode.DNS, f"{name}: the servers of its SRV records have no address")
    return tuple(found)


def local_address_towards(address: Address) -> str:
    """Return our address on the way to that one; nothing is sent.

    Raises FlowError with no-port where there is no route: that is our own trouble.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(address)
        except OSError as error:
            raise FlowError(
                FailureCode.NO_PORT, f"no way to {address[0]} from here: {error.strerror}"
            ) from None
        return str(trial.getsockname()[0])
