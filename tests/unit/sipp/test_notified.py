"""The NOTIFYs of a watcher, as they are read from its trace."""

import math

import pytest

from dialtone.model import EventPackage
from synthetic.presence_documents import own_tuple, pidf
from synthetic.sipp.notified import notifications
from synthetic.sipp.presence_judging import changed_at
from synthetic.sipp.record import said
from synthetic.sipp.run import Traced
from tests.fakes.sipp_runs import a_request_sent, a_response, with_header

PRESENCE = EventPackage.PRESENCE
PIDF = "application/pidf+xml"


def a_notify(
    number: int, body: str = "", *, kind: str = PIDF, event: str = "presence", state: str = "active"
) -> Traced:
    lines = [
        "NOTIFY sip:100@127.0.0.1:40000 SIP/2.0",
        "Call-ID: 1",
        f"CSeq: {number} NOTIFY",
        f"Event: {event}",
        f"Subscription-State: {state}",
        *([f"Content-Type: {kind}"] if body else []),
    ]
    return Traced(float(number), "received", "\r\n".join(lines) + "\r\n\r\n" + body)


def test_the_state_is_what_the_document_says() -> None:
    heard = said([a_notify(1, pidf("sip:a@b", "closed")), a_notify(2, pidf("sip:a@b", "open"))])
    assert [(n.at, n.state, n.active) for n in notifications(heard, PRESENCE)] == [
        (1.0, "closed", True),
        (2.0, "open", True),
    ]


def test_what_the_probe_itself_has_published_counts_alone() -> None:
    stale = '<tuple id="dialtone-dead"><status><basic>open</basic></status></tuple></presence>'
    body = pidf("sip:a@b", "closed", own_tuple("r1")).replace("</presence>", stale)
    heard = said([a_notify(1, body)])
    assert [n.state for n in notifications(heard, PRESENCE, "r1")] == ["closed"]
    assert [n.state for n in notifications(heard, PRESENCE, "r2")] == ["open"]


def test_one_that_comes_again_or_behind_a_later_one_is_none() -> None:
    heard = said([a_notify(2), a_notify(2), a_notify(1)])
    assert [n.at for n in notifications(heard, PRESENCE)] == [2.0]


def test_one_of_another_event_is_none() -> None:
    assert notifications(said([a_notify(1, event="message-summary")]), PRESENCE) == []


def test_the_end_has_its_reason() -> None:
    (notified,) = notifications(said([a_notify(1, state="terminated;reason=noresource")]), PRESENCE)
    assert (notified.active, notified.reason, notified.state, notified.problem) == (
        False,
        "noresource",
        None,
        "",
    )


@pytest.mark.parametrize(
    ("body", "kind", "problem"),
    [
        ("<presence", PIDF, "no XML"),
        ("x", "text/plain", "of the type 'text/plain'"),
        ("<a/>", PIDF, "no presence"),
    ],
)
def test_a_document_that_can_not_be_read_says_why(body: str, kind: str, problem: str) -> None:
    (notified,) = notifications(said([a_notify(1, body, kind=kind)]), PRESENCE)
    assert notified.state is None
    assert problem in notified.problem


def test_a_change_is_sent_first_before_its_challenge_and_leaving_is_none() -> None:
    leaving = with_header(a_request_sent("PUBLISH", 7.0, 5), "Expires: 0")
    heard = said(
        [
            a_request_sent("PUBLISH", 1.0, 1),
            a_response(401, "PUBLISH", 1.1),
            a_request_sent("PUBLISH", 1.2, 2),
            a_response(200, "PUBLISH", 1.3, number=2),
            a_request_sent("PUBLISH", 2.0, 3),
            a_response(401, "PUBLISH", 2.1, number=3),
            a_request_sent("PUBLISH", 2.2, 4),
            a_response(200, "PUBLISH", 2.3, number=4),
            leaving,
        ]
    )
    assert changed_at(heard, "PUBLISH", 2) == 2.0
    assert changed_at(heard, "PUBLISH", 3) == math.inf
