"""tshark as the child runs it: packets of a file, one row each, and what it said at its end. It blocks."""

import contextlib
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from synthetic.capture.file import CaptureError
from synthetic.capture.records import Address

PROGRAM: Final = "tshark"
MISSING: Final = CaptureError("the program tshark is missing", "install the Debian package tshark")
HEADLESS: Final = CaptureError(
    "the file is cut off or damaged in its head, or holds packets without a time",
    "get all of the file, or record anew",
)
SILENT: Final = ("sip", "sdp", "rtp", "rtcp")
"""Not taken apart by tshark: packets.py does it, without a memory that grows with the file."""
_FIELDS: Final = (
    "frame.number", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.protocols",
    "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
    "udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport",
    "tcp.len", "udp.length", "udp.payload",
)  # fmt: skip
_PREFERENCES: Final = ("tcp.analyze_sequence_numbers:FALSE", "tcp.desegment_tcp_streams:FALSE")
"""Streams are put together elsewhere (streams.py); here they would only take memory."""
_UDP_HEADER: Final = 8
_SAID: Final = 20
_LINE: Final = 500
_NOISE: Final = ("Running as user",)
_ENDED: Final = 5.0
_MOST_LAYERS: Final = 1000


class Packet(NamedTuple):
    """A packet of the file. Of packets in packets (a tunnel) it is the innermost that counts.

    `cut` says that it is longer than what was captured of it. `layers` are tshark's names, outermost first.
    `data` is what UDP carried, as far as it was captured; `size` is how much UDP or TCP carried on the wire.
    """

    number: int
    at: float
    cut: bool
    layers: tuple[str, ...]
    source: Address
    destination: Address
    size: int
    data: bytes


class Tshark:
    """Reads one file; use as a context manager, which ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: deque[str] = deque(maxlen=_SAID)

    def __enter__(self) -> "Tshark":
        command = [PROGRAM, "-n", "-r", str(self._path), "-T", "fields", "-E", "occurrence=l"]
        for setting in _PREFERENCES:
            command += ["-o", setting]
        for name in SILENT:
            command += ["--disable-protocol", name]
        for name in _FIELDS:
            command += ["-e", name]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except FileNotFoundError:
            raise MISSING from None
        except OSError as error:
            raise CaptureError(f"tshark can't be started: {error.strerror or error}") from None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join(_ENDED)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def packets(self) -> Iterator[Packet]:
        """Yield what the file holds, in its order. Raises CaptureError for a packet without a time.

        Of a file that it finds no format in, though its first bytes are right, tshark makes such a packet.
        """
        layers_of: dict[str, tuple[str, ...]] = {}
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in self._process.stdout:
            fields = line.decode("latin-1").rstrip("\n").split("\t")
            if len(fields) == len(_FIELDS):
                if not fields[1]:
                    raise HEADLESS
                yield _packet(fields, layers_of)

    def problem(self, *, packets: int) -> str | None:
        """Return what it had to say about the file, once its packets are read; None where all is well.

        Raises CaptureError where it gave up without any.
        """
        code = self._process.wait()
        self._listener.join(_ENDED)
        if not code:
            return None
        said = " ".join(line.removeprefix("tshark: ") for line in self._said)[:_LINE]
        if "cut short" in said and not packets:
            return "the file ends in its head or in its first packet: there are no figures"
        if "cut short" in said:
            return "the file ends in the middle of a packet: the figures are of what stands before that"
        if not packets and "isn't a capture file" in said:
            raise HEADLESS
        if "damaged" in said or "corrupt" in said:
            return "the file is damaged: the figures are of what stands before that"
        why = f"was ended by signal {-code}" if code < 0 else f"gave up ({said or code})"
        if not packets:
            raise CaptureError(f"tshark {why} before it had read a packet")
        return f"tshark {why}: the figures are of what it had read by then"

    def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - a pipe was asked for
        for line in iter(lambda: self._process.stderr.readline(_LINE), b""):  # type: ignore[union-attr]
            text = "".join(c if c.isprintable() else " " for c in line.decode("utf-8", "replace")).strip()
            if text and not text.startswith(_NOISE):
                self._said.append(text)


def positions(parent: int, path: Path) -> dict[int, int]:
    """Return how far, in bytes, each child of a thread has read a file that it has open, by process id."""
    found: dict[int, int] = {}
    real = str(path.resolve())
    try:
        children = Path(f"/proc/self/task/{parent}/children").read_text().split()
    except OSError:  # a kernel without it
        return found
    for child in children:
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may be gone by now
            for entry in Path(f"/proc/{child}/fd").iterdir():
                if os.readlink(entry) == real:  # noqa: PTH115 - a text is enough
                    position = Path(f"/proc/{child}/fdinfo/{entry.name}").read_text().split()[1]
                    found[int(child)] = int(position)
    return found


def _packet(fields: list[str], layers_of: dict[str, tuple[str, ...]]) -> Packet:
    (number, at, captured, length, protocols, source4, destination4, source6, destination6,
     source_udp, destination_udp, source_tcp, destination_tcp,
     segment, datagram, payload) = fields  # fmt: skip
    layers = layers_of.get(protocols)
    if layers is None:
        if len(layers_of) > _MOST_LAYERS:
            layers_of.clear()
        layers = layers_of[protocols] = tuple(protocols.split(":"))
    six = bool(source6) and (not source4 or protocols.rfind(":ipv6") > protocols.rfind(":ip:"))
    source, destination = (source6, destination6) if six else (source4, destination4)
    return Packet(
        number=int(number),
        at=_instant(at),
        cut=captured != length,
        layers=layers,
        source=(source, int(source_udp or source_tcp or 0)),
        destination=(destination, int(destination_udp or destination_tcp or 0)),
        size=int(segment or 0) if not datagram else max(0, int(datagram) - _UDP_HEADER),
        data=bytes.fromhex(payload),
    )


def _instant(text: str) -> float:
    """Return seconds since 1970; newer versions of tshark may write an ISO 8601 time."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()
