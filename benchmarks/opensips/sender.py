"""Sends OPTIONS at a rate and prints how long each answer took, in seconds, as one line of JSON.

    python -m benchmarks.opensips.sender PORT COUNT RATE TENANTS

Each request is for another tenant and, in the user part, another event: what the server's script counts.
"""

import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.opensips.servers import EVENTS, tenants

_LAST: Final = 2.0
"""Seconds that the last answers have."""


def send(port: int, count: int, rate: float, domains: Sequence[str]) -> list[float]:
    """Return the times of the answers that came."""
    uris = [f"sip:{event}@{domain}" for domain in domains for event in EVENTS]
    sent: dict[str, float] = {}
    took: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        here = "{}:{}".format(*sock.getsockname())
        begun = time.perf_counter()
        for number in range(count):
            _read(sock, sent, took, begun + number / rate)
            call = str(number)
            sent[call] = time.perf_counter()
            sock.send(_request(uris[number % len(uris)], here, call))
        _read(sock, sent, took, time.perf_counter() + _LAST)
    return took


def _read(sock: socket.socket, sent: dict[str, float], took: list[float], until: float) -> None:
    while (left := until - time.perf_counter()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return
        reply, now = sock.recv(4096), time.perf_counter()
        begun = sent.pop(reply.partition(b"Call-ID: ")[2].partition(b"\r\n")[0].decode(), None)
        if begun is not None:
            took.append(now - begun)
        if not sent and until - now > _LAST / 2:
            return


def _request(uri: str, here: str, call: str) -> bytes:
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{call}",
        "Max-Forwards: 70",
        f"From: <sip:bench@{here}>;tag={call}",
        f"To: <{uri}>",
        f"Call-ID: {call}",
        f"CSeq: {int(call) + 1} OPTIONS",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


if __name__ == "__main__":
    PORT, COUNT, RATE, TENANTS = sys.argv[1:]
    print(json.dumps(send(int(PORT), int(COUNT), float(RATE), tenants(int(TENANTS)))))  # noqa: T201
