"""The sockets of a relay of RTP and the loop that serves them, alone in a process: nothing delays it.

A call has two ends, the caller's and the callee's. For each there is a pair of ports (RTP, and RTCP at the
next number, RFC 3550 11) that the other end is told instead of the end's own.
"""

import heapq
import itertools
import json
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

from lab.faults.media.harm import SECOND, Course, Harm, rtp
from lab.faults.media.truth import MOST, Noted, Truth, Truths, written

LOOPBACK: Final = "127.0.0.1"
CALLER, CALLEE = 0, 1
MOST_WAITING: Final = 4000
"""Packets that wait to be sent on, of all directions; another one is an overflow."""

Address = tuple[str, int]

_STAMPS: Final = 35  # SO_TIMESTAMPNS, which Python does not name
_STAMP: Final = struct.Struct("=qq")
_RECEIVE_BUFFER: Final = 1 << 20
_LARGEST: Final = 2048
_IDLE: Final = 1.0
_PAIRS: Final = 100


class End:
    """One end of a call: the ports that stand for it, where it is, and what is done to what is sent to it."""

    def __init__(self, harm: Harm) -> None:
        self.rtp, self.rtcp = _pair()
        self.elsewhere = _bound(0) if harm.port else None
        self.at: tuple[Address, Address] | None = None
        self.course = Course(harm)
        self.truth = Truth()

    @property
    def port(self) -> int:
        """The even one of its ports."""
        port: int = self.rtp.getsockname()[1]
        return port


class Loop:
    """Relays until its orders end. With `crossed`, what is sent in a call arrives in the next one."""

    def __init__(self, calls: int, to_caller: Harm, to_callee: Harm, *, crossed: bool = False) -> None:
        self._ends = [(End(to_caller), End(to_callee)) for _ in range(calls)]
        self._crossed = crossed
        self._waiting: list[tuple[int, int, bytes, End, socket.socket, Address, bool]] = []
        self._count = itertools.count()
        self._began = time.time_ns()
        self._places = {
            one: (call, end, is_rtcp)
            for call, ends in enumerate(self._ends)
            for end, both in enumerate(ends)
            for one, is_rtcp in ((both.rtp, False), (both.rtcp, True))
        }

    @property
    def ports(self) -> Sequence[tuple[int, int]]:
        """For each call the ports that stand for its caller and its callee."""
        return [(caller.port, callee.port) for caller, callee in self._ends]

    def run(self, orders: int, answers: int) -> None:
        """Serve until `orders`, a descriptor, is at its end.

        An order is a JSON value in a line: [call, end, host, RTP port, RTCP port] says where an end is,
        anything else asks for the truth, which is written to `answers`.
        """
        rest = b""
        watched: list[socket.socket | int] = [*self._places, orders]
        while True:
            ready, _, _ = select.select(watched, [], [], self._patience())
            if orders in ready:
                got = os.read(orders, 65536)
                if not got:
                    return
                *lines, rest = (rest + got).split(b"\n")
                for line in lines:
                    self._obey(line, answers)
            for one in ready:
                if isinstance(one, socket.socket):
                    self._receive(one)
            self._send_due()

    def _patience(self) -> float:
        return max(0, self._waiting[0][0] - time.time_ns()) / SECOND if self._waiting else _IDLE

    def _obey(self, line: bytes, answers: int) -> None:
        match json.loads(line):
            case [int(call), int(end), str(host), int(media), int(control)]:
                self._ends[call][end].at = ((host, media), (host, control))
            case _:
                text = written([Truths(caller.truth, callee.truth) for caller, callee in self._ends])
                left = memoryview(text.encode() + b"\n")
                while left:
                    left = left[os.write(answers, left) :]

    def _receive(self, one: socket.socket) -> None:
        while True:
            try:
                packet, stamps, _, _ = one.recvmsg(_LARGEST, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # the ICMP error of something that was sent on
            self._take(one, packet, _stamped(stamps))

    def _take(self, one: socket.socket, packet: bytes, at: int) -> None:
        call, number, is_rtcp = self._places[one]
        end = self._ends[call][number]
        there = self._ends[(call + 1) % len(self._ends)] if self._crossed else self._ends[call]
        truth, read = end.truth, None if is_rtcp else rtp(packet)
        if read is not None:
            truth.packets += 1
            if len(truth.came) < MOST:
                truth.came.append(Noted(*read, (at - self._began) / SECOND))
        address = there[number].at
        if address is None:
            truth.unaimed += read is not None
            return
        sendings = end.course.take(packet, at)
        if read is not None:
            truth.lost += not sendings
            truth.twice += len(sendings) == 2
            plain = len(sendings) == 1 and sendings[0] == (at, packet)
            truth.touched += not plain or self._crossed or end.elsewhere is not None
        speaker = there[1 - number]
        source = (speaker.rtcp if is_rtcp else end.elsewhere or speaker.rtp, address[is_rtcp])
        for sending in sendings:
            if len(self._waiting) >= MOST_WAITING:
                truth.overflow += 1
                continue
            entry = (sending.due, next(self._count), sending.data, end, *source, read is not None)
            heapq.heappush(self._waiting, entry)
            if read is None:
                truth.reports.append((sending.due - at) / SECOND)
                del truth.reports[:-MOST]

    def _send_due(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.time_ns():
            due, _, data, end, source, address, is_rtp = heapq.heappop(self._waiting)
            before = time.time_ns()
            try:
                source.sendto(data, address)
            except OSError:
                end.truth.overflow += 1
                continue
            after = time.time_ns()
            end.truth.behind = max(end.truth.behind, (after - due) / SECOND)
            read = rtp(data) if is_rtp else None
            if read is not None and len(end.truth.went) < MOST:
                end.truth.went.append(Noted(*read, (after - self._began) / SECOND, (after - before) / SECOND))

    def close(self) -> None:
        """Give the ports back."""
        for ends in self._ends:
            for end in ends:
                for one in filter(None, (end.rtp, end.rtcp, end.elsewhere)):
                    one.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        made.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise
    return made


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return sockets of an even port and the next. Raises OSError where none are free."""
    for _ in range(_PAIRS):
        first = _bound(0)
        port = first.getsockname()[1]
        try:
            if port % 2 == 0:
                return first, _bound(port + 1)
        except OSError:
            pass
        first.close()
    raise OSError(f"no pair of free ports on {LOOPBACK}")


def _stamped(messages: list[tuple[int, int, bytes]]) -> int:
    """Return when the kernel took a packet in, by CLOCK_REALTIME."""
    for level, kind, data in messages:
        if level == socket.SOL_SOCKET and kind == _STAMPS and len(data) >= _STAMP.size:
            seconds, rest = _STAMP.unpack_from(data)
            return int(seconds * SECOND + rest)
    return time.time_ns()
