"""Datagrams that came for a socket of ours and found its receive buffer full.

The kernel counts them for each socket, and for the machine (RcvbufErrors, see kernel.py). Only those of a
probe's own sockets excuse its failure: the machine's count has what any other program lost.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NET: Final = Path("/proc/net")
_LOCAL_ADDRESS: Final = 1
_DROPS: Final = 12
"""Columns of /proc/net/udp and udp6 (Documentation/networking/proc_net_udp.rst), from 0."""


def dropped(port: int, net: Path = _NET) -> int:
    """Return how many datagrams the sockets on a local UDP port have lost; 0 where nobody can tell."""
    return sum(_drops(port, net))


def _drops(port: int, net: Path) -> Iterator[int]:
    for name in ("udp", "udp6"):
        try:
            lines = (net / name).read_text().splitlines()[1:]
        except OSError:  # no IPv6, or no /proc
            continue
        for fields in (line.split() for line in lines):
            if len(fields) > _DROPS and fields[_LOCAL_ADDRESS].endswith(f":{port:04X}"):
                yield int(fields[_DROPS]) if fields[_DROPS].isdigit() else 0
