"""The pipe's spelling of requests and reports: whatever goes in comes out the same."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import (
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    EventPackage,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Mark,
    Message,
    Plan,
    Side,
    TlsPlan,
)
from synthetic.agents.codec import decode_report, decode_request, encode_report, encode_request
from synthetic.probes.runner import Report
from tests.fakes.sip_probes import a_request

TEXT = st.text(max_size=20)
SECONDS = st.floats(min_value=0, max_value=1e6)
PLANS = st.builds(
    Plan,
    number=TEXT,
    dial=TEXT,
    consult=TEXT,
    callee=TEXT,
    answered_by=st.sampled_from(AnsweredBy),
    called_from=st.sampled_from(CalledFrom),
    caller_id=TEXT,
    hangs_up=st.sampled_from(Side),
    ring=SECONDS,
    hold=SECONDS,
    headers=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    caller_target=TEXT,
    outbound_proxy=TEXT,
    event=st.sampled_from(EventPackage),
    changed_by=st.sampled_from(ChangedBy),
    statuses=st.lists(st.integers(100, 699), max_size=3).map(tuple),
    contains=TEXT,
    tls=st.builds(TlsPlan, ca=st.none() | TEXT, name=st.none() | TEXT, verify=st.booleans()),
)


def through_the_pipe(payload: dict[str, object]) -> Any:
    return json.loads(json.dumps(payload))


@given(PLANS, st.sampled_from(Flow))
def test_a_request_travels_whole(plan: Plan, flow: Flow) -> None:
    request = replace(a_request(Flow.CALL), flow=flow, plan=plan)
    again = decode_request(through_the_pipe(encode_request(request)))
    assert again == request
    assert type(again.plan.hangs_up) is Side
    assert type(again.plan.event) is EventPackage


def test_every_field_of_a_plan_is_tried() -> None:
    """A field that somebody adds must be added above, or nothing shows that it travels."""
    assert set(Plan.__dataclass_fields__) == {
        "number", "dial", "consult", "callee", "answered_by", "called_from", "caller_id", "hangs_up", "ring",
        "hold",
        "headers", "caller_target", "outbound_proxy", "event", "changed_by", "statuses", "contains", "tls",
    }  # fmt: skip


@given(
    st.dictionaries(TEXT, SECONDS, max_size=4),
    st.dictionaries(TEXT, st.integers(0, 99), max_size=4),
    st.none() | st.builds(Failure, st.sampled_from(FailureCode), TEXT),
)
def test_a_report_travels_whole(
    timings: dict[str, float], counts: dict[str, int], failure: Failure | None
) -> None:
    marks = (Mark("answered", 0.25),)
    report = Report(failure, 404, timings, marks, 1.5, counts)
    evidence = Evidence((Message(0.1, "caller", "sent", "a:1", "[::1]:2", "tls", "INVITE \u00e9"),), marks)
    assert decode_report(through_the_pipe(encode_report(report, evidence))) == (report, evidence)
