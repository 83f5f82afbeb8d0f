"""Bare phones on UDP that say all things twice: what counts once must, whatever the network repeats."""

import contextlib
import itertools
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

_PATIENCE: Final = 10.0
_numbers = itertools.count(1)


class Phone:
    """One phone: it sends through a front, and waits for what begins as a test says."""

    def __init__(self, front: int) -> None:
        self._front = ("127.0.0.1", front)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, message: str, times: int = 2) -> None:
        """Send a message so many times."""
        for _ in range(times):
            self._socket.sendto(message.encode(), self._front)

    def hear(self, beginning: str) -> str:
        """Return the next message that begins so; what comes before it is dropped."""
        deadline = time.monotonic() + _PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            message = self._socket.recv(65535).decode()
            if message.startswith(beginning):
                return message
        raise TimeoutError(beginning)

    def forget(self) -> None:
        """Drop what came and was not waited for: a call that is over may still be repeated."""
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(65535)

    def invite(self, tenant: str, user: str = "101") -> str:
        """Call somebody of a tenant; return the INVITE."""
        number = next(_numbers)
        invite = _message(
            f"INVITE sip:{user}@{tenant} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKi{number};rport",
            f"From: <sip:102@{tenant}>;tag=a{number}",
            f"To: <sip:{user}@{tenant}>",
            f"Call-ID: {number}@phones",
            "CSeq: 1 INVITE",
            f"Contact: <sip:102@127.0.0.1:{self.port}>",
            "Max-Forwards: 70",
        )
        self.send(invite)
        return invite

    def register(self, tenant: str, user: str) -> None:
        """Register an address of a tenant at this port; returns when that was taken."""
        number = next(_numbers)
        self.send(
            _message(
                f"REGISTER sip:{tenant} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKr{number};rport",
                f"From: <sip:{user}@{tenant}>;tag=r{number}",
                f"To: <sip:{user}@{tenant}>",
                f"Call-ID: {number}@registrations",
                "CSeq: 1 REGISTER",
                f"Contact: <sip:{user}@127.0.0.1:{self.port}>;expires=600",
                "Max-Forwards: 70",
            ),
            1,
        )
        self.hear("SIP/2.0 200")

    def cancel(self, invite: str) -> None:
        """Give a call up."""
        lines = [line for name in ("Via", "From", "To", "Call-ID") for line in _lines(invite, name)]
        first = invite.split("\r\n")[0].replace("INVITE", "CANCEL", 1)
        self.send(_message(first, *lines, "CSeq: 1 CANCEL", "Max-Forwards: 70"))

    def answer(self, request: str, status: int, tag: str = "b", times: int = 2) -> None:
        """Answer a request."""
        [to] = _lines(request, "To")
        kept = ("Via", "Record-Route", "From", "Call-ID", "CSeq")
        self.send(
            _message(
                f"SIP/2.0 {status} Said",
                *(line for name in kept for line in _lines(request, name)),
                to if "tag=" in to else f"{to};tag={tag}",
                f"Contact: <sip:101@127.0.0.1:{self.port}>",
            ),
            times,
        )

    def refused(self, invite: str, status: int) -> None:
        """Wait for a refusal of a call, and acknowledge it."""
        refusal = self.hear(f"SIP/2.0 {status}")
        ours = [line for name in ("Via", "From") for line in _lines(invite, name)]
        theirs = [line for name in ("To", "Call-ID") for line in _lines(refusal, name)]
        first = invite.split("\r\n")[0].replace("INVITE", "ACK", 1)
        self.send(_message(first, *ours, *theirs, "CSeq: 1 ACK", "Max-Forwards: 70"), 1)

    def within(self, method: str, told: str, *, calling: bool) -> None:
        """Send a request within a call, which is known by the answer (to who calls) or by the INVITE."""
        routes = [line.partition(":")[2].strip() for line in _lines(told, "Record-Route")]
        [theirs], [ours] = (_lines(told, name) for name in (("To", "From") if calling else ("From", "To")))
        own = ours.partition(":")[2] + ("" if "tag=" in ours else ";tag=b")
        [contact] = _lines(told, "Contact")
        target = contact.partition("<")[2].partition(">")[0]
        self.send(
            _message(
                f"{method} {target} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{method}{next(_numbers)};rport",
                *(f"Route: {route}" for route in (reversed(routes) if calling else routes)),
                f"From:{own}",
                f"To:{theirs.partition(':')[2]}",
                *_lines(told, "Call-ID"),
                f"CSeq: {1 if method == 'ACK' else 2} {method}",
                "Max-Forwards: 70",
            ),
            1 if method == "ACK" else 2,
        )


def _message(*lines: str) -> str:
    return "\r\n".join([*lines, "Content-Length: 0", "", ""])


def _lines(message: str, name: str) -> Sequence[str]:
    return [line for line in message.split("\r\n") if line.lower().startswith(f"{name.lower()}:")]
