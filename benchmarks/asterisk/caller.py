"""Places calls at a rate through the lab's front port and prints how they went, as one line of JSON.

    python -m benchmarks.asterisk.caller FRONT ASTERISK NUMBER COUNT RATE HOLD TENANT...

FRONT is the port that it sends from, ASTERISK the one it sends to, HOLD how long a call lasts in seconds;
below 0 calls are left up, without media. `took` are the seconds from each INVITE to its 200, `failed` counts
other final answers and calls that had none.
"""

import heapq
import json
import re
import select
import socket
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

_LAST: Final = 4.0
"""Seconds that the last answers have."""
_STATUS: Final = re.compile(r"SIP/2\.0 (\d\d\d)")
_SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
)


@dataclass(slots=True)
class Call:
    """One call. `begun` is when its INVITE went; `done` says that it has had its final answer."""

    number: str
    tenant: str
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    to: str = ""
    begun: float = 0.0
    done: bool = False

    def request(self, method: str, here: str) -> bytes:
        """Return a request of it."""
        uri = f"sip:{self.number}@{self.tenant}"
        body = _SDP if method == "INVITE" else ""
        lines = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{self.call_id}{method}",
            f"From: <sip:101@{self.tenant}>;tag=a",
            f"To: {self.to or f'<{uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {2 if method == 'BYE' else 1} {method}",
            f"Contact: <sip:101@{here}>",
            "Max-Forwards: 70",
            *((f"X-Tenant: {self.tenant}", "Content-Type: application/sdp") if body else ()),
            f"Content-Length: {len(body)}",
        )
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def header(message: str, name: str) -> str:
    """Return a header's value, empty where there is none."""
    return message.partition(f"\r\n{name}: ")[2].partition("\r\n")[0]


class Link(Protocol):
    """What is needed of a connected UDP socket."""

    def fileno(self) -> int: ...
    def getsockname(self) -> tuple[str, int]: ...
    def send(self, message: bytes, /) -> object: ...
    def recv(self, size: int, /) -> bytes: ...


class Caller:
    """Places calls from one socket."""

    def __init__(self, sock: Link, hold: float) -> None:
        self._socket = sock
        self._here = "{}:{}".format(*sock.getsockname())
        self._hold = hold
        self._calls: dict[str, Call] = {}
        self._ends: list[tuple[float, str]] = []
        self._byes: set[str] = set()
        self.took: list[float] = []
        self.failed = 0

    def place(self, number: str, tenants: Sequence[str], count: int, rate: float) -> None:
        """Place them all and wait for the last one's end."""
        begun = time.perf_counter()
        for place in range(count):
            self._until(begun + place / rate)
            call = Call(number, tenants[place % len(tenants)])
            self._calls[call.call_id] = call
            call.begun = time.perf_counter()
            self._socket.send(call.request("INVITE", self._here))
        last = time.perf_counter() + max(self._hold, 0.0) + _LAST
        while (now := time.perf_counter()) < last and (self._open or self._ends or self._byes):
            self._until(now + 0.02)
        self.failed += self._open

    @property
    def _open(self) -> int:
        return sum(not call.done for call in self._calls.values())

    def _until(self, when: float) -> None:
        """Read answers and end calls until then."""
        while (left := when - time.perf_counter()) > 0:
            if self._ends:
                left = min(left, max(0.0, self._ends[0][0] - time.perf_counter()))
            if select.select([self._socket], [], [], left)[0]:
                raw, now = self._socket.recv(65_535), time.perf_counter()
                self._take(raw.decode(), now)
            while self._ends and self._ends[0][0] <= time.perf_counter():
                call = self._calls.pop(heapq.heappop(self._ends)[1])
                self._byes.add(call.call_id)
                self._socket.send(call.request("BYE", self._here))

    def _take(self, message: str, now: float) -> None:
        found = _STATUS.match(message)
        if found is None or found[1] < "200":
            return
        call_id, method = header(message, "Call-ID"), header(message, "CSeq").partition(" ")[2]
        if method == "BYE":
            self._byes.discard(call_id)
            return
        call = self._calls.get(call_id)
        if method != "INVITE" or call is None:
            return
        first, call.done, call.to = not call.done, True, header(message, "To")
        if first and found[1] == "200":
            self.took.append(now - call.begun)
            if self._hold >= 0:
                heapq.heappush(self._ends, (now + self._hold, call_id))
        elif first:
            self.failed += 1
        self._socket.send(call.request("ACK", self._here))


def main(words: Sequence[str]) -> None:
    """Place the calls and print how they went."""
    front, asterisk, number, count, rate, hold, *tenants = words
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", int(front)))
        sock.connect(("127.0.0.1", int(asterisk)))
        caller = Caller(sock, float(hold))
        caller.place(number, tenants, int(count), float(rate))
    print(json.dumps({"took": caller.took, "failed": caller.failed}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
