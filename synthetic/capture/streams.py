"""SIP over TCP, and what tshark can decrypt of TLS: put together again by tshark, read by pyshark. It blocks.

The only module that imports pyshark. UDP is read without it (tshark.py): pyshark takes about 2,500 messages
a second, and every packet that it shows keeps tshark's whole tree of it.
"""

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pyshark

_SETTINGS: Final = {"tcp.reassemble_out_of_order": "TRUE", "tls.desegment_ssl_records": "TRUE"}
"""So it waits for a segment that was not captured to the end of the file; sorting.py says where it does."""
_TRANSPORTS: Final = {"tls": "TLS", "websocket": "WS", "sctp": "SCTP"}
"""By layer, where SIP goes over it; else it is TCP."""


class Told(NamedTuple):
    """The SIP messages that end in a packet of the file, and what they went over."""

    number: int
    transport: str
    messages: tuple[bytes, ...]


class Streams:
    """SIP over streams in one file, by number of packet; use as a context manager, which ends its tshark."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next: Told | None = None

    def __enter__(self) -> "Streams":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asyncio.set_event_loop(asyncio.new_event_loop())
            self._capture = pyshark.FileCapture(
                str(self._path),
                display_filter="sip",
                keep_packets=False,
                use_json=True,
                include_raw=True,
                disable_protocol="udp",
                override_prefs=_SETTINGS,
                custom_parameters=["-n"],
            )
        self._told = self._all()
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.close()

    def of(self, number: int) -> Told | None:
        """Return what ends in that packet; ask by ascending numbers. Raises whatever pyshark does."""
        while self._next is None or self._next.number < number:
            following = next(self._told, None)
            if following is None:
                return None
            self._next = following
        return self._next if self._next.number == number else None

    def _all(self) -> Iterator[Told]:
        for packet in self._capture:
            names = {layer.layer_name for layer in packet.layers}
            transport = next((name for layer, name in _TRANSPORTS.items() if layer in names), "TCP")
            raw = packet["sip_raw"]
            # One message: its text in hexadecimal. Several: of the first a list that begins with it.
            texts = [raw.value]
            if not isinstance(raw.value, str):
                texts = [raw.value[0], *(layer.value for layer in raw.duplicate_layers)]
            yield Told(int(packet.number), transport, tuple(bytes.fromhex(text) for text in texts))
        # Private, for pyshark is silent about it.
        if any((process.returncode or 0) < 0 for process in self._capture._running_processes):
            raise MemoryError("tshark was ended by a signal, perhaps for want of memory")
