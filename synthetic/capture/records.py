"""What is read of a capture, packet by packet, in the order of the file.

Instants are seconds since 1970 UTC, by the clock of whoever captured.
"""

from dataclasses import dataclass
from typing import NamedTuple

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SipPacket:
    """A SIP message, or as much of it as was captured; of TCP it is put together again."""

    at: float
    source: Address
    destination: Address
    transport: str
    data: bytes


class RtpPacket(NamedTuple):
    """The header of what looks like an RTP packet (RFC 3550 5.1); `size` is of its payload, in bytes.

    One datagram in eight of random bytes looks so: a stream is what has at least three of one source, between
    the same addresses, whose sequence goes on.
    """

    at: float
    source: Address
    destination: Address
    ssrc: int
    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    size: int


class RtcpPacket(NamedTuple):
    """A report of RTCP (RFC 3550 6.4) from `ssrc` about `about`.

    `rtt` is the round trip between the place of the capture and the reporter, in seconds, None where the
    report that it refers to was not captured. `sent` is the count of packets of a sender's report, else None.
    """

    at: float
    source: Address
    destination: Address
    ssrc: int
    about: int | None
    rtt: float | None
    sent: int | None


@dataclass(frozen=True, slots=True)
class Read:
    """How a capture was read, once it is at its end.

    `packets` is of the whole file, `other` how many were neither SIP nor RTP nor RTCP. `first` and `last` are
    instants, None of an empty file. `problems` are lines for a person: cut off in the middle, packets cut
    short, what is encrypted and so could not be read, what was left out because there was too much.
    `sip_until` is the instant from which on SIP is incomplete, None where all of it was read.
    """

    packets: int
    other: int
    first: float | None
    last: float | None
    problems: tuple[str, ...] = ()
    sip_until: float | None = None


Record = SipPacket | RtpPacket | RtcpPacket
