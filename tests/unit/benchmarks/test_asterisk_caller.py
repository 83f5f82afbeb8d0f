"""The benchmark's phone: what it sends, and what it makes of answers."""

import socket

import pytest

from benchmarks.asterisk.caller import Call, Caller, header


def answered(request: bytes, status: str) -> bytes:
    """Return an answer to a request, with a tag of the server's."""
    lines = request.decode().partition("\r\n\r\n")[0].split("\r\n")
    kept = [line for line in lines if line.startswith(("Via:", "From:", "Call-ID:", "CSeq:"))]
    to = next(line for line in lines if line.startswith("To:"))
    tagged = to if ";tag=" in to else f"{to};tag=b"
    return "\r\n".join((f"SIP/2.0 {status}", *kept, tagged, "", "")).encode()


class Asterisk:
    """Answers each INVITE in its own way, and each BYE; keeps what it was sent."""

    def __init__(self, *ways: tuple[str, ...]) -> None:
        self._ways = list(ways)
        self._answers: list[bytes] = []
        self.sent: list[str] = []
        # Readable while there is an answer, as select() wants it.
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self, request: bytes) -> None:
        method = request.decode().partition(" ")[0]
        self.sent.append(request.decode())
        ways = self._ways.pop(0) if method == "INVITE" else ("200 OK",) if method == "BYE" else ()
        for status in ways:
            self._far.send(answered(request, status))

    def recv(self, size: int) -> bytes:
        return self._near.recv(size)

    def fileno(self) -> int:
        return self._near.fileno()

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 5060

    def methods(self) -> list[str]:
        return [request.partition(" ")[0] for request in self.sent]

    def close(self) -> None:
        self._near.close()
        self._far.close()


def place(asterisk: Asterisk, count: int, hold: float) -> Caller:
    caller = Caller(asterisk, hold)
    try:
        caller.place("601", ["a.example", "b.example"], count, 1000.0)
    finally:
        asterisk.close()
    return caller


def test_a_call_that_is_answered_is_acknowledged_and_ended_in_its_dialog() -> None:
    asterisk = Asterisk(("100 Trying", "200 OK"), ("200 OK",))
    caller = place(asterisk, 2, 0.0)
    assert (len(caller.took), caller.failed) == (2, 0)
    assert sorted(asterisk.methods()) == ["ACK"] * 2 + ["BYE"] * 2 + ["INVITE"] * 2
    for request in asterisk.sent:
        assert (";tag=b" in header(request, "To")) is not request.startswith("INVITE")
    assert len({header(request, "Call-ID") for request in asterisk.sent}) == 2
    assert {header(request, "X-Tenant") for request in asterisk.sent} == {"a.example", "b.example", ""}


def test_a_call_that_stays_up_is_not_ended() -> None:
    asterisk = Asterisk(("200 OK",))
    caller = place(asterisk, 1, -1.0)
    assert len(caller.took) == 1
    assert asterisk.methods() == ["INVITE", "ACK"]


def test_an_answer_that_comes_twice_is_acknowledged_twice_and_counted_once() -> None:
    asterisk = Asterisk(("200 OK", "200 OK"))
    caller = place(asterisk, 1, 0.05)
    assert (len(caller.took), caller.failed) == (1, 0)
    assert asterisk.methods() == ["INVITE", "ACK", "ACK", "BYE"]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "486 Busy Here"])
def test_a_call_that_is_refused_is_acknowledged_and_counted_as_failed(status: str) -> None:
    asterisk = Asterisk((status,))
    caller = place(asterisk, 1, 0.0)
    assert (caller.took, caller.failed) == ([], 1)
    assert asterisk.methods() == ["INVITE", "ACK"]


def test_a_request_has_a_length_that_is_its_bodys() -> None:
    request = Call("601", "a.example").request("INVITE", "127.0.0.1:5060").decode()
    head, _, body = request.partition("\r\n\r\n")
    assert int(header(head + "\r\n", "Content-Length")) == len(body) > 0
