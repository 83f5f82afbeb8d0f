"""What the parent and the child that reads a capture say to each other, in JSON lines.

The parent sends one line, a request. The child sends lines with `records`, `progress` (how many bytes of
the file are read), and at last either `end` or `error` (what, how to mend).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from synthetic.capture.records import Address, Read, Record, RtcpPacket, RtpPacket, SipPacket

BATCH: Final = 400
"""So many records travel in one line at most, and fewer where messages are long."""
BATCH_BYTES: Final = 64 * 1024
"""A line is sent once the SIP messages in it reach so many bytes: JSON makes up to six of one."""
_MOST_ADDRESSES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read of a capture at most; the rest is counted, and said in the problems of the Read.

    `messages` of SIP, `sip_bytes` in all of them. RTP is read through, without a bound.
    """

    messages: int = 200_000
    sip_bytes: int = 256 * 1024 * 1024


def encode_request(path: Path, limits: Limits) -> dict[str, object]:
    """Return the request to read a file; the path is absolute."""
    return {"path": str(path), "limits": asdict(limits)}


def decode_request(frame: dict[str, object]) -> tuple[Path, Limits]:
    """Return what is to be read. Raises KeyError and TypeError for what no parent of ours sends."""
    limits = frame["limits"]
    if not isinstance(limits, dict):
        raise TypeError("limits that are no object")
    return Path(str(frame["path"])), Limits(**limits)


def encode_record(record: Record) -> list[object]:
    """Return a record as a row: the kind first, bytes as characters of Latin-1."""
    if isinstance(record, SipPacket):
        text = record.data.decode("latin-1")
        return ["s", record.at, *record.source, *record.destination, record.transport, text]
    at, source, destination, *rest = record
    kind = "r" if isinstance(record, RtpPacket) else "c"
    return [kind, at, *source, *destination, *rest]


class Decoder:
    """Makes records of rows. Addresses that come again are the same object: there are few of them."""

    def __init__(self) -> None:
        self._known: dict[Address, Address] = {}

    def record(self, row: list[object]) -> Record:
        """Return the record. Raises TypeError and ValueError for a row that the child does not send."""
        kind, at, host, port, other, other_port, *rest = row
        source, destination = self._address(host, port), self._address(other, other_port)
        if kind == "r":
            return RtpPacket(at, source, destination, *rest)  # type: ignore[arg-type]
        if kind == "c":
            return RtcpPacket(at, source, destination, *rest)  # type: ignore[arg-type]
        transport, text = rest
        return SipPacket(at, source, destination, transport, text.encode("latin-1"))  # type: ignore[arg-type, attr-defined]

    def _address(self, host: object, port: object) -> Address:
        address: Address = (host, port)  # type: ignore[assignment]
        if len(self._known) > _MOST_ADDRESSES:
            self._known.clear()
        return self._known.setdefault(address, address)


def encode_read(read: Read) -> dict[str, object]:
    """Return the end of a reading."""
    return asdict(read)


def decode_read(frame: object) -> Read:
    """Return the end of a reading. Raises TypeError and KeyError."""
    if not isinstance(frame, dict):
        raise TypeError("an end that is no object")
    return Read(**{**frame, "problems": tuple(frame["problems"])})
