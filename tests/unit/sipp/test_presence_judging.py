"""What the runs of a presence probe mean, by the stamps of several SIPps."""

from dialtone.model import FailureCode, Flow, Plan
from synthetic.presence_documents import pidf
from synthetic.sipp.flows import JOURNEYS
from synthetic.sipp.judging import Verdict, judged
from synthetic.sipp.presence_judging import APART, timings
from synthetic.sipp.run import Traced
from synthetic.sipp.trip import Trip
from tests.fakes.sipp_runs import a_leg, a_request_sent, a_response, with_header

CHANGE = 2.0
"""When the second PUBLISH left, by the stamp of the presentity's SIPp."""


def a_notify(at: float, number: int, body: str, state: str = "active") -> Traced:
    lines = [
        *("NOTIFY sip:100@127.0.0.1:40000 SIP/2.0", "Call-ID: 1", f"CSeq: {number} NOTIFY"),
        *("Event: presence", f"Subscription-State: {state}", "Content-Type: application/pidf+xml"),
    ]
    return Traced(at, "received", "\r\n".join(lines) + "\r\n\r\n" + body)


def a_trip(told: float, before: float = 1.4, state: str = "open") -> Trip:
    """Return one whose watcher heard of both states at these instants, by its own SIPp's stamps."""
    published = with_header(a_response(200, "PUBLISH", CHANGE + 0.001, number=2), "SIP-ETag: 2")
    presentity = (
        a_request_sent("PUBLISH", 1.0),
        with_header(a_response(200, "PUBLISH", 1.1), "SIP-ETag: 1"),
        a_request_sent("PUBLISH", CHANGE, 2),
        published,
    )
    watcher = (
        a_request_sent("SUBSCRIBE", 1.2),
        a_response(200, "SUBSCRIBE", 1.3),
        a_notify(before, 1, pidf("sip:a@b", "closed")),
        a_notify(told, 2, pidf("sip:a@b", state)),
        with_header(a_request_sent("SUBSCRIBE", 2.5, 2), "Expires: 0"),
        a_response(200, "SUBSCRIBE", 2.6, number=2),
        a_notify(2.7, 3, "", "terminated;reason=timeout"),
    )
    runs = {
        "presentity": a_leg("presentity", "published 200", "changed 200", messages=presentity),
        "watcher": a_leg("watcher", "subscribed 200", "left 200", messages=watcher),
    }
    return Trip(runs, Plan(), 10.0, 3.0)


def seen(told: float) -> tuple[Verdict, list[float]]:
    trip = a_trip(told)
    return judged(JOURNEYS[Flow.PRESENCE], trip), [part.timings["presence_delay"] for part in timings(trip)]


def test_a_notify_that_is_stamped_just_before_what_it_follows_from_is_the_one() -> None:
    """SIPp stamps what it sends once that is sent."""
    assert seen(CHANGE - 0.0004) == (Verdict(None, 200), [0.0])


def test_a_notify_after_the_change_has_its_delay() -> None:
    verdict, delays = seen(CHANGE + 0.25)
    assert verdict.failure is None
    assert [round(delay, 6) for delay in delays] == [0.25]


def test_a_notify_from_before_the_change_is_none_of_it() -> None:
    verdict, delays = seen(CHANGE - APART - 0.1)
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.NO_NOTIFY
    assert delays == []


def test_the_old_state_told_just_before_the_change_is_no_wrong_state() -> None:
    """The change follows at once: what was heard last is not what is heard of it."""
    trip = a_trip(CHANGE - 0.005, before=CHANGE - 0.006, state="closed")
    failure = judged(JOURNEYS[Flow.PRESENCE], trip).failure
    assert failure is not None
    assert failure.code is FailureCode.NO_NOTIFY
