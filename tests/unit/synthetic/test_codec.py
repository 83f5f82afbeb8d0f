"""The pipe's spelling of requests and reports: whatever goes in comes out the same."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import (
    CODECS,
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    EventPackage,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Found,
    Hears,
    Mark,
    MediaPlan,
    MediaStream,
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
    media=st.none()
    | st.builds(
        MediaPlan,
        seconds=SECONDS,
        hears=st.sampled_from(Hears),
        dtmf=TEXT,
        mos=SECONDS,
        codecs=st.permutations(CODECS).map(tuple),
    ),
)
COUNTS = st.integers(0, 10**9)
STREAMS = st.builds(
    MediaStream,
    speaker=TEXT,
    listener=TEXT,
    found=st.sampled_from(Found),
    codec=TEXT,
    sent=st.none() | COUNTS,
    received=COUNTS,
    lost=COUNTS,
    late=COUNTS,
    duplicates=COUNTS,
    reordered=COUNTS,
    jitter=SECONDS,
    buffer=SECONDS,
    burst=SECONDS,
    rtt=st.none() | SECONDS,
    delay=st.none() | SECONDS,
    mos=st.none() | SECONDS,
    digits=TEXT,
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
    assert again.plan.media is None or type(again.plan.media.hears) is Hears


def test_every_field_of_a_plan_is_tried() -> None:
    """A field that somebody adds must be added above, or nothing shows that it travels."""
    assert set(Plan.__dataclass_fields__) == {
        "number", "dial", "consult", "callee", "answered_by", "called_from", "caller_id", "hangs_up", "ring",
        "hold",
        "headers", "caller_target", "outbound_proxy", "event", "changed_by", "statuses", "contains", "tls",
        "media",
    }  # fmt: skip
    assert set(MediaPlan.__dataclass_fields__) == {"seconds", "hears", "dtmf", "mos", "codecs"}
    assert set(MediaStream.__dataclass_fields__) == {
        "speaker", "listener", "found", "codec", "sent", "received", "lost", "late", "duplicates",
        "reordered", "jitter", "buffer", "burst", "rtt", "delay", "mos", "digits",
    }  # fmt: skip


@given(
    st.dictionaries(TEXT, SECONDS, max_size=4),
    st.dictionaries(TEXT, st.integers(0, 99), max_size=4),
    st.none() | st.builds(Failure, st.sampled_from(FailureCode), TEXT),
    st.lists(STREAMS, max_size=2).map(tuple),
)
def test_a_report_travels_whole(
    timings: dict[str, float],
    counts: dict[str, int],
    failure: Failure | None,
    media: tuple[MediaStream, ...],
) -> None:
    marks = (Mark("answered", 0.25),)
    report = Report(failure, 404, timings, marks, 1.5, counts, media)
    evidence = Evidence((Message(0.1, "caller", "sent", "a:1", "[::1]:2", "tls", "INVITE \u00e9"),), marks)
    assert decode_report(through_the_pipe(encode_report(report, evidence))) == (report, evidence)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("found", "music"),
        ("found", ["voice"]),
        ("speaker", None),
        ("listener", "x" * 65),
        ("sent", -1),
        ("received", None),
        ("received", 1.5),
        ("lost", True),
        ("jitter", float("nan")),
        ("jitter", "0.1"),
        ("rtt", float("inf")),
        ("mos", -1.0),
        ("burst", None),
    ],
)
def test_a_direction_that_no_phone_of_ours_tells_of_is_not_read(key: str, value: object) -> None:
    report = Report(None, 200, {}, (), 1.0, media=(MediaStream("caller", "callee", Found.VOICE),))
    payload: dict[str, Any] = encode_report(report, Evidence())
    payload["media"][0][key] = value
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words, the link makes its own of them
        decode_report(payload)
