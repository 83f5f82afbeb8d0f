"""What SIPp leaves behind, for tests of what it means."""

from dataclasses import replace
from typing import Any, Literal

from dialtone.model import Plan
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Ending, Finished, RoundTrip, Statistics, Traced
from synthetic.sipp.trip import Trip

LOCAL = ("127.0.0.1", 40000)
NEXT_HOP = ("192.0.2.1", 5060)
CALL_ID = "1-77@127.0.0.1"


def a_request_sent(method: str, at: float = 0.0, number: int = 1) -> Traced:
    """Return a request that went out."""
    return _traced("sent", f"{method} sip:101@acme.example SIP/2.0", method, at, number)


def a_request_received(method: str, at: float = 0.0, call_id: str = CALL_ID) -> Traced:
    """Return a request that came."""
    return _traced("received", f"{method} sip:101@127.0.0.1 SIP/2.0", method, at, 1, call_id)


def a_response(
    status: int, method: str, at: float = 0.0, reason: str = "Because", *, number: int = 1
) -> Traced:
    """Return a response that came."""
    return _traced("received", f"SIP/2.0 {status} {reason}", method, at, number)


def an_answer(status: int, method: str, at: float = 0.0) -> Traced:
    """Return a response that went out."""
    return _traced("sent", f"SIP/2.0 {status} Because", method, at, 1)


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
    return Leg(party, LOCAL, Finished(**(values | changes)), NEXT_HOP)


def a_registration(party: str = "phone") -> Leg:
    """Return one that passed."""
    exchange = (
        a_request_sent("REGISTER", 1.0),
        a_response(401, "REGISTER", 1.01),
        a_request_sent("REGISTER", 1.02, 2),
        a_response(200, "REGISTER", 1.03, number=2),
    )
    return a_leg(party, "challenged 401", "registered 200", messages=exchange)


def a_binding(*log: str, shown: str = "<sip:100@127.0.0.1:40000>", **changes: Any) -> Leg:
    """Return the run of the flow register: registered, asked and left, unless told otherwise."""
    words = log or ("challenged 401", "registered 200", "told 200", "left 200")
    own = "Contact: <sip:100@127.0.0.1:40000>;expires="
    exchange = (
        with_header(a_request_sent("REGISTER", 1.0), own + "60"),
        a_response(401, "REGISTER", 1.01),
        with_header(a_request_sent("REGISTER", 1.02, 2), own + "60"),
        a_response(200, "REGISTER", 1.03, number=2),
        a_request_sent("REGISTER", 1.04, 3),
        with_header(a_response(200, "REGISTER", 1.05, number=3), f"Contact: {shown}"),
        with_header(a_request_sent("REGISTER", 1.06, 4), own + "0"),
        a_response(200, "REGISTER", 1.07, number=4),
    )
    return a_leg("phone", *words, **({"messages": exchange} | changes))


def with_header(message: Traced, line: str) -> Traced:
    """Return the message with one more header."""
    return replace(message, text=message.text.replace("\r\n\r\n", f"\r\n{line}\r\n\r\n"))


def a_callee(*log: str, **changes: Any) -> Leg:
    """Return one that took the call, unless told otherwise; we stopped it."""
    words = log or (f"invited {CALL_ID}", f"acknowledged {CALL_ID}", f"ended {CALL_ID}")
    exchange = (
        a_request_received("INVITE", 2.2),
        an_answer(200, "INVITE", 2.39),
        a_request_received("ACK", 2.5),
        a_request_received("BYE", 3.12),
    )
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


def a_register_trip(leg: Leg | None = None, *, closed: bool = False) -> Trip:
    """Return a registration that had 3 seconds; `closed`: nothing listens where it went."""
    phone = leg or a_binding()
    return Trip({"phone": phone}, Plan(), 3.0, 0.1, refusing=frozenset({NEXT_HOP} if closed else ()))


def a_call_trip(
    registration: Leg | None = None,
    *,
    callee: Leg | None = None,
    caller: Leg | None = None,
    plan: Plan = Plan(),  # noqa: B008 - a frozen value
) -> Trip:
    """Return the runs of a call that had 3 seconds."""
    runs = {"registration": registration or a_registration("callee"), "caller": caller, "callee": callee}
    return Trip({name: leg for name, leg in runs.items() if leg is not None}, plan, 3.0, 0.1)


def a_call(
    *,
    caller: Leg | None = None,
    callee: Leg | None = None,
    plan: Plan = Plan(),  # noqa: B008
) -> Trip:
    """Return a call that passed, with what is given instead."""
    return a_call_trip(callee=callee or a_callee(), caller=caller or a_caller(), plan=plan)


def a_timer(name: str, seconds: float) -> RoundTrip:
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
