"""Targets: where a probe's requests go, `sip:host:port;transport=udp`."""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from dialtone.model import FailureCode
from synthetic.address import Address
from synthetic.probes.base import FlowError

DEFAULT_PORT: Final = 5060
LOOKUP: Final = 5.0
"""How long a name may take to resolve, in seconds."""

_TARGET: Final = re.compile(
    r"sip:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?(;transport=(?P<transport>[A-Za-z]+))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Target:
    """The next hop of a probe: the tenant's domain stays in the Request-URI, the packets go here."""

    host: str
    port: int


def parse_target(text: str) -> Target:
    """Return a target. Raises ValueError with words for a person; UDP is the transport there is."""
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no target: write sip:HOST:PORT;transport=udp")
    transport = (found["transport"] or "udp").lower()
    if transport != "udp":
        raise ValueError(f"{text!r}: the transport {transport!r} is not supported; use udp")
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        raise ValueError(f"{text!r}: {port} is no port")
    return Target(found["host"].strip("[]"), port)


async def resolve(target: Target) -> Address:
    """Return the first address of the target (A or AAAA, no SRV). Raises FlowError with the code dns."""
    try:
        return str(ipaddress.ip_address(target.host)), target.port
    except ValueError:
        pass  # a name
    lookup = asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    try:
        async with asyncio.timeout(LOOKUP):
            found = await lookup
    except TimeoutError:
        raise FlowError(FailureCode.DNS, f"looking up {target.host} took over {LOOKUP:g} s") from None
    except (OSError, UnicodeError) as error:
        raise FlowError(FailureCode.DNS, f"{target.host}: {error}") from None
    return str(found[0][4][0]), target.port


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
