"""What the kernel knows that SIPp does not tell: sockets, buffers, lost datagrams, the step of its clock."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PROC: Final = Path("/proc")
_CLOCK_MONOTONIC_COARSE: Final = 6  # linux/time.h
_DEFAULT_BUFFER: Final = 212_992
"""net.core.rmem_max of a kernel that nobody tuned, in bytes."""


@dataclass(frozen=True, slots=True)
class ReceiveBufferErrors:
    """Datagrams that arrived here and found the receive buffer of their socket full, since the last boot.

    They count for the whole network namespace: what another program lost in the meantime is in the
    difference too. Use: `before = ReceiveBufferErrors.read()`, and then
    `(ReceiveBufferErrors.read() - before).total`.
    """

    ipv4: int
    ipv6: int

    @classmethod
    def read(cls, proc: Path = _PROC) -> Self:
        """Read the counters now. Raises OSError or ValueError where the kernel does not tell them."""
        try:
            ipv6 = _snmp6((proc / "net/snmp6").read_text(), "Udp6RcvbufErrors")
        except FileNotFoundError:  # a machine without IPv6 loses no IPv6 datagrams
            ipv6 = 0
        return cls(_snmp((proc / "net/snmp").read_text(), "Udp", "RcvbufErrors"), ipv6)

    def __sub__(self, before: "ReceiveBufferErrors") -> "ReceiveBufferErrors":
        return ReceiveBufferErrors(self.ipv4 - before.ipv4, self.ipv6 - before.ipv6)

    @property
    def total(self) -> int:
        """Both families together."""
        return self.ipv4 + self.ipv6


def _snmp(text: str, protocol: str, counter: str) -> int:
    """Find a counter of /proc/net/snmp: a line of names and a line of values, each after `protocol:`."""
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith(f"{protocol}: ")]
    if len(lines) == 2 and counter in lines[0] and len(lines[0]) == len(lines[1]):
        return int(lines[1][lines[0].index(counter)])
    raise ValueError(f"/proc/net/snmp has no counter {protocol} {counter}")


def _snmp6(text: str, counter: str) -> int:
    """Find a counter of /proc/net/snmp6: a name and a value on each line."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name.strip() == counter:
            return int(value.strip())
    raise ValueError(f"/proc/net/snmp6 has no counter {counter}")


def receive_buffer_limit(proc: Path = _PROC) -> int:
    """Return how many bytes of receive buffer the kernel grants to a program that asks (rmem_max)."""
    try:
        return int((proc / "sys/net/core/rmem_max").read_text())
    except (OSError, ValueError):
        return _DEFAULT_BUFFER


def coarse_clock_step() -> float:
    """Return the step, in seconds, of the clock that SIPp measures response times with.

    That is CLOCK_MONOTONIC_COARSE in 3.6 and 3.7 (src/time.cpp), which moves with the kernel's tick.
    """
    return time.clock_getres(_CLOCK_MONOTONIC_COARSE)


def holds_udp_port(pid: int, port: int, proc: Path = _PROC) -> bool:
    """Say whether that process has a socket on that local UDP port, IPv4 or IPv6.

    False too for a process that is gone, or that may not be looked into.
    """
    wanted = {f"socket:[{inode}]" for inode in _inodes(proc / str(pid) / "net", port)}
    try:
        links = list((proc / str(pid) / "fd").iterdir()) if wanted else []
    except OSError:
        return False
    return any(_target(link) in wanted for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # it was closed in the meantime
        return ""


def _inodes(net: Path, port: int) -> set[str]:
    """Return the inodes of the sockets on a port: columns 2 and 10 of /proc/net/udp and udp6 (proc(5))."""
    ending, found = f":{port:04X}", set()
    for name in ("udp", "udp6"):
        try:
            lines = (net / name).read_text().splitlines()[1:]
        except OSError:
            continue
        columns = (line.split() for line in lines)
        found |= {fields[9] for fields in columns if len(fields) > 9 and fields[1].endswith(ending)}
    return found
