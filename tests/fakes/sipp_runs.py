"""What SIPp leaves behind, for tests of what it means."""

from typing import Any, Literal

from synthetic.sipp.record import Leg
from synthetic.sipp.run import Ending, Finished, RoundTrip, Statistics, Traced
from synthetic.sipp.verdict import Legs

LOCAL = ("127.0.0.1", 40000)
CALL_ID = "1-77@127.0.0.1"


def a_request_sent(method: str, at: float = 0.0, number: int = 1) -> Traced:
    """Return a request that went out."""
    return _traced("sent", f"{method} sip:101@acme.example SIP/2.0", method, at, number)


def a_request_received(method: str, at: float = 0.0, call_id: str = CALL_ID) -> Traced:
    """Return a request that came."""
    return _traced("received", f"{method} sip:101@127.0.0.1 SIP/2.0", method, at, 1, call_id)


def a_response(status: int, method: str, at: float = 0.0, reason: str = "Because") -> Traced:
    """Return a response that came."""
    return _traced("received", f"SIP/2.0 {status} {reason}", method, at, 1)


def a_leg(party: str, *log: str, messages: tuple[Traced, ...] = (), failed: str = "", **changes: Any) -> Leg:
    """Return a run that logged these lines; `failed` is the class of its one failed call."""
    bad = int(bool(failed))
    values: dict[str, Any] = {
        "ending": Ending.CALL_FAILED if failed else Ending.PASSED,
        "code": bad,
        "statistics": Statistics(1, 1 - bad, bad, {failed: 1} if failed else {}),
        "messages": messages,
        "log": log,
    }
    return Leg(party, LOCAL, Finished(**(values | changes)))


def a_registration(party: str = "phone") -> Leg:
    """Return one that passed."""
    exchange = (
        a_request_sent("REGISTER", 1.0),
        a_response(401, "REGISTER", 1.01),
        a_request_sent("REGISTER", 1.02, 2),
        a_response(200, "REGISTER", 1.03),
    )
    return a_leg(party, "challenged 401", "registered 200", messages=exchange)


def a_callee(*log: str, **changes: Any) -> Leg:
    """Return one that took the call, unless told otherwise; we stopped it."""
    words = log or (f"invited {CALL_ID}", f"acknowledged {CALL_ID}", f"ended {CALL_ID}")
    exchange = tuple(a_request_received(m, at) for m, at in (("INVITE", 2.2), ("ACK", 2.5), ("BYE", 3.2)))
    values: dict[str, Any] = {"ending": Ending.STOPPED, "messages": exchange}
    return a_leg("callee", *words, **(values | changes))


def a_caller(*log: str, **changes: Any) -> Leg:
    """Return one whose call passed, unless told otherwise."""
    words = log or ("challenged 407", "answered 200", "hanging-up", "ended 200")
    exchange = (
        a_request_sent("INVITE", 2.0),
        a_response(407, "INVITE", 2.01),
        a_request_sent("INVITE", 2.1, 2),
        a_response(100, "INVITE", 2.11),
        a_response(180, "INVITE", 2.25),
        a_response(200, "INVITE", 2.4),
        a_request_sent("BYE", 3.1, 3),
        a_response(200, "BYE", 3.15),
    )
    return a_leg("caller", *words, **({"messages": exchange} | changes))


def legs(
    registration: Leg | None = None,
    callee: Leg | None = None,
    caller: Leg | None = None,
    *,
    refusing: str | None = None,
) -> Legs:
    """Return the runs of a probe that had 3 seconds."""
    return Legs(registration or a_registration(), callee, caller, 3.0, refusing)


def a_call(*, registration: Leg | None = None, callee: Leg | None = None, caller: Leg | None = None) -> Legs:
    """Return the runs of a call that passed, with what is given instead."""
    return legs(registration or a_registration("callee"), callee or a_callee(), caller or a_caller())


def a_trip(name: str, seconds: float) -> RoundTrip:
    """Return a line of the response time file."""
    return RoundTrip(name, seconds, 2.0)


def _traced(
    direction: Literal["sent", "received"],
    first: str,
    method: str,
    at: float,
    number: int,
    call_id: str = CALL_ID,
) -> Traced:
    lines = [first, "Via: SIP/2.0/UDP 127.0.0.1:40000", f"Call-ID: {call_id}", f"CSeq: {number} {method}"]
    return Traced(at, direction, "\r\n".join(lines) + "\r\n\r\n")
