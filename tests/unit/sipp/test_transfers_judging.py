"""What the runs of a transfer mean, told from recorded ones."""

from dataclasses import replace
from typing import Any

import pytest

from dialtone.model import FailureCode, Plan
from synthetic.probes.base import FlowError
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Ending, Finished, Traced
from synthetic.sipp.transfers import CALLED, CALLING, PHONES, TRANSFEROR, Transfer, registration_of
from synthetic.sipp.transfers_judging import judge
from synthetic.sipp.transfers_notified import concluded
from synthetic.sipp.transfers_record import counts, marks, timings
from synthetic.sipp.trip import Trip

LOCAL, FRONT = ("127.0.0.1", 40000), ("127.0.0.1", 5060)
OWN, CONSULT, TO_TARGET = "1-9@pbx", "consult///1-9@pbx", "7-7@pbx"
ACTIVE, OVER = "active;expires=60", "terminated;reason=noresource"


def message(
    direction: Any, first: str, method: str, at: float, *, call_id: str = OWN, number: int = 1, more: str = ""
) -> Traced:
    head = f"{first}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n"
    return Traced(at, direction, head + (more or "\r\n"))


def asked(method: str, at: float, **more: Any) -> Traced:
    return message("sent", f"{method} sip:x@acme.example SIP/2.0", method, at, **more)


def came(method: str, at: float, **more: Any) -> Traced:
    return message("received", f"{method} sip:x@127.0.0.1 SIP/2.0", method, at, **more)


def answered(status: int, method: str, at: float, reason: str = "Because", **more: Any) -> Traced:
    return message("received", f"SIP/2.0 {status} {reason}", method, at, **more)


def notified(status: int, at: float, state: str = OVER) -> Traced:
    body = f"Event: refer\r\nSubscription-State: {state}\r\n\r\nSIP/2.0 {status} Said\r\n"
    return came("NOTIFY", at, more=body)


def a_leg(party: str, log: tuple[str, ...], *messages: Traced, ending: Ending = Ending.STOPPED) -> Leg:
    return Leg(party, LOCAL, Finished(ending, 0, messages=messages, log=log), FRONT)


def a_registration(party: str, *log: str) -> Leg:
    told = log or ("challenged 401", "registered 200")
    binds = asked("REGISTER", 1.0, more="Contact: <sip:x@127.0.0.1>\r\n\r\n")
    return a_leg(party, told, binds, answered(200, "REGISTER", 1.01), ending=Ending.PASSED)


REFERRED = ("invited a", f"acknowledged {OWN}", "referring", "referred 202", "notified 100", "notified 200")
GONE = ("hanging-up", "ended 200", "parted")
UP = ("challenged 407", "answered 200", "talking 1-5@us")


def a_transferor(*log: str, messages: tuple[Traced, ...] | None = None) -> Leg:
    exchange = (
        came("INVITE", 2.0),
        came("ACK", 2.1),
        asked("REFER", 3.0),
        answered(202, "REFER", 3.01),
        notified(100, 3.02, ACTIVE),
        notified(200, 3.25),
        asked("BYE", 3.3),
    )
    return a_leg(TRANSFEROR, log or (*REFERRED, *GONE), *(exchange if messages is None else messages))


def a_transferee(*log: str, messages: tuple[Traced, ...] | None = None) -> Leg:
    exchange = (asked("INVITE", 2.0), answered(200, "INVITE", 2.05), came("BYE", 4.0))
    words = log or (*UP, "dropped")
    return a_leg(CALLING, words, *(exchange if messages is None else messages), ending=Ending.CALL_FAILED)


def a_target(*log: str, messages: tuple[Traced, ...] | None = None) -> Leg:
    words = (f"invited {TO_TARGET}", f"acknowledged {TO_TARGET}", "hanging-up", f"ended {TO_TARGET}")
    exchange = (
        came("INVITE", 3.05, call_id=TO_TARGET),
        came("ACK", 3.2, call_id=TO_TARGET),
        asked("BYE", 3.9, call_id=TO_TARGET),
        answered(200, "BYE", 3.95, call_id=TO_TARGET),
    )
    return a_leg(CALLED, log or words, *(exchange if messages is None else messages))


def a_transfer(**changes: Any) -> Transfer:
    """Return a blind transfer that passed, with what is given instead: legs by party, fields by name."""
    runs = {registration_of(party): a_registration(party) for party in PHONES}
    runs |= {TRANSFEROR: a_transferor(), CALLING: a_transferee(), CALLED: a_target()}
    legs = {name: changes.pop(name) for name in list(changes) if name in runs}
    runs = {name: leg for name, leg in (runs | legs).items() if leg is not None}
    return Transfer(runs, Plan(), 10.0, 4.0, **changes)


ATTENDED_LOG = (*REFERRED[:2], "consulted 200", *REFERRED[2:], "released consult", *GONE)
ATTENDED_MESSAGES = (
    came("INVITE", 2.0),
    came("ACK", 2.1),
    asked("INVITE", 2.4, call_id=CONSULT, number=2),
    answered(200, "INVITE", 2.5, call_id=CONSULT, number=2),
    asked("REFER", 3.0),
    answered(202, "REFER", 3.01),
    notified(200, 3.02),
    came("BYE", 3.03, call_id=CONSULT),
    asked("BYE", 3.3),
)


def an_attended(**changes: Any) -> Transfer:
    transferor = a_transferor(*ATTENDED_LOG, messages=ATTENDED_MESSAGES)
    return a_transfer(**({"transferor": transferor, "attended": True, "heard": 3.04} | changes))


def failed(trip: Trip) -> FlowError:
    with pytest.raises(FlowError) as caught:
        judge(trip)
    return caught.value


def test_a_blind_transfer_passes_with_both_delays_counted_from_the_refer() -> None:
    trip = a_transfer()
    assert judge(trip) == 202
    (measured,) = timings(trip)
    assert measured.timings == pytest.approx({"notify_delay": 0.25, "transfer_delay": 0.2})


def test_an_attended_transfer_is_through_when_the_later_half_of_its_proof_is() -> None:
    trip = an_attended()
    assert judge(trip) == 202
    assert timings(trip)[0].timings["transfer_delay"] == pytest.approx(0.04)
    later = replace(trip, heard=3.5)
    assert timings(later)[0].timings["transfer_delay"] == pytest.approx(0.5)


def test_registrations_calls_and_whole_sessions_are_counted() -> None:
    blind, attended = counts(a_transfer()), counts(an_attended())
    assert blind == {"register": 3, "invite": 1, "invite_200": 1, "session_complete": 1}
    assert attended == {"register": 3, "invite": 2, "invite_200": 2, "session_complete": 2}


def test_a_session_whose_bye_never_arrived_is_not_whole() -> None:
    trip = a_transfer(transferee=a_transferee(*UP))
    assert "session_complete" not in counts(trip)
    error = failed(trip)
    assert (error.code, error.detail.split(":")[0]) == (FailureCode.TIMEOUT, "transferee BYE")


def test_marks_name_what_a_person_looks_for() -> None:
    names = {mark.name for mark in marks(an_attended())}
    wanted = {"referred", "transfer accepted (202)", "final NOTIFY (200)", "consultation hung up on"}
    assert wanted | {"target hears the transferee"} <= names


def test_a_200_in_the_notify_alone_proves_nothing() -> None:
    error = failed(a_transfer(target=a_target("")))
    assert error.code is FailureCode.TRANSFER_FAILED
    assert "the NOTIFY said 200, but the target was not called" in error.detail


def test_a_target_that_answered_and_got_no_ack_was_not_reached() -> None:
    error = failed(a_transfer(target=a_target(f"invited {TO_TARGET}")))
    assert (error.code, "not acknowledged" in error.detail) == (FailureCode.TRANSFER_FAILED, True)


def test_a_target_that_rang_and_was_cancelled_was_not_reached() -> None:
    error = failed(a_transfer(target=a_target(f"invited {TO_TARGET}", f"cancelled {TO_TARGET}")))
    assert (error.code, "rang and was cancelled" in error.detail) == (FailureCode.TRANSFER_FAILED, True)


def test_a_target_that_took_the_call_for_a_strangers_is_no_failure_of_the_platform() -> None:
    assert failed(a_transfer(target=a_target("turned-away x"))).code is FailureCode.ACCOUNT_BUSY


@pytest.mark.parametrize(
    ("dropped", "remark"),
    [((), "the transferee's call stays up"), ((came("BYE", 3.05),), "the transferee was hung up on")],
)
def test_a_refused_transfer_says_what_became_of_the_call(dropped: tuple[Traced, ...], remark: str) -> None:
    refused = (asked("REFER", 3.0), answered(603, "REFER", 3.01, "Decline"), asked("BYE", 3.3))
    transferor = a_transferor(*REFERRED[:3], "unreferred 603", *GONE, messages=refused)
    transferee = a_transferee(*UP, "dropped", messages=(*dropped, came("BYE", 3.4)))
    error = failed(a_transfer(transferor=transferor, transferee=transferee, target=a_target("", messages=())))
    assert (error.code, error.status) == (FailureCode.TRANSFER_REFUSED, 603)
    assert error.detail == f"transferor REFER: 603 Decline; {remark}"


def test_a_final_status_that_tells_of_a_failure_is_one() -> None:
    said = (asked("REFER", 3.0), answered(202, "REFER", 3.01), notified(404, 3.02), asked("BYE", 3.3))
    transferor = a_transferor(*REFERRED[:4], "notified 404", *GONE, messages=said)
    error = failed(a_transfer(transferor=transferor, target=a_target("", messages=())))
    assert (error.code, error.status) == (FailureCode.TRANSFER_FAILED, 404)


@pytest.mark.parametrize(
    ("target", "reached"), [(None, "the target was reached"), (a_target("", messages=()), "not reached")]
)
def test_no_final_notify_says_whether_the_target_was_reached(target: Leg | None, reached: str) -> None:
    said = (
        asked("REFER", 3.0),
        answered(202, "REFER", 3.01),
        notified(100, 3.02, ACTIVE),
        asked("BYE", 13.3),
    )
    transferor = a_transferor(*REFERRED[:5], "unnotified", *GONE, messages=said)
    transferee = a_transferee(*UP, "dropped", messages=(came("BYE", 13.4),))
    error = failed(a_transfer(transferor=transferor, transferee=transferee, target=target or a_target()))
    assert error.code is FailureCode.NO_NOTIFY
    assert reached in error.detail


def test_a_silent_end_of_the_transferees_call_outweighs_the_missing_notify() -> None:
    said = (asked("REFER", 3.0), answered(202, "REFER", 3.01))
    transferor = a_transferor(*REFERRED[:4], messages=said)
    error = failed(a_transfer(transferor=transferor, target=a_target("", messages=())))
    assert error.code is FailureCode.TRANSFER_FAILED
    assert "the transferee was hung up on" in error.detail


def test_a_refer_without_an_answer_is_a_timeout() -> None:
    transferor = a_transferor(*REFERRED[:3], "unanswered", *GONE, messages=(asked("REFER", 3.0),))
    error = failed(a_transfer(transferor=transferor))
    assert (error.code, error.detail) == (FailureCode.TIMEOUT, "transferor REFER: not answered within 5 s")


def test_a_final_notify_that_leaves_the_subscription_open_is_unexpected() -> None:
    said = (asked("REFER", 3.0), answered(202, "REFER", 3.01), notified(200, 3.02, ACTIVE))
    assert failed(a_transfer(transferor=a_transferor(messages=said))).code is FailureCode.UNEXPECTED_MESSAGE


def test_a_consultation_whose_leg_stays_is_no_transfer() -> None:
    log = tuple(line for line in ATTENDED_LOG if line != "released consult")
    error = failed(an_attended(transferor=a_transferor(*log, messages=ATTENDED_MESSAGES)))
    assert error.code is FailureCode.TRANSFER_FAILED
    assert "the consultation's leg was not ended by BYE" in error.detail


def test_a_target_that_hears_nobody_was_not_connected() -> None:
    error = failed(an_attended(heard=None))
    assert (error.code, error.detail.split(":")[0]) == (FailureCode.TRANSFER_FAILED, "target voice")


def test_a_refused_consultation_is_a_refused_call() -> None:
    said = (
        asked("INVITE", 2.4, call_id=CONSULT, number=2),
        answered(486, "INVITE", 2.5, "Busy Here", call_id=CONSULT, number=2),
    )
    transferor = a_transferor("invited a", f"acknowledged {OWN}", "refused 486", *GONE, messages=said)
    error = failed(an_attended(transferor=transferor, target=a_target("", messages=())))
    assert (error.code, error.detail) == (FailureCode.SIP_4XX, "transferor INVITE: 486 Busy Here")


@pytest.mark.parametrize(
    "changes",
    [
        {"transferee": a_transferee(*UP, "passed-on 1-5@us")},
        {"target": a_target("to-replace x"), "attended": True},
    ],
)
def test_what_sipp_can_not_be_asked_for_names_the_other_engine(changes: dict[str, Any]) -> None:
    error = failed(an_attended(**changes))
    assert error.code is FailureCode.MISCONFIGURED
    assert "use the engine sippy" in error.detail


def test_a_call_that_the_platform_ends_before_the_refer_is_told_as_in_a_call() -> None:
    transferor = a_transferor("invited a", f"acknowledged {OWN}", "released", "dropped", messages=())
    error = failed(a_transfer(transferor=transferor))
    assert (error.code, error.detail.split(":")[0]) == (FailureCode.UNEXPECTED_MESSAGE, "hold")


def test_a_phone_that_could_not_register_is_named() -> None:
    refused = a_registration("transferee", "refused 500")
    said = replace(refused.finished, messages=(asked("REGISTER", 1.0), answered(500, "REGISTER", 1.1)))
    runs = {registration_of(TRANSFEROR): a_registration(TRANSFEROR)}
    runs[registration_of(CALLING)] = replace(refused, finished=said)
    error = failed(Transfer(runs, Plan(), 10.0, 1.0))
    assert (error.code, error.detail) == (FailureCode.SIP_5XX, "transferee REGISTER: 500 Because")


def test_a_trip_of_another_flow_is_refused() -> None:
    with pytest.raises(TypeError):
        judge(Trip({}, Plan(), 1.0, 1.0))


def test_only_a_notify_with_a_final_status_concludes() -> None:
    early = notified(180, 1.0, ACTIVE)
    invite = answered(200, "INVITE", 1.1)
    assert concluded((early, invite)) is None
    final = concluded((early, notified(200, 1.2)))
    assert final is not None
    assert (final.at, final.status, final.terminated) == (1.2, 200, True)


@pytest.mark.parametrize("body", ["", "SIP/2.0", "SIP/2.0 2", "x" * 5000, "SIP/2.0 999 Odd"])
def test_a_notify_that_makes_no_sense_concludes_nothing(body: str) -> None:
    assert concluded((came("NOTIFY", 1.0, more=f"Event: refer\r\n\r\n{body}"),)) is None


def test_what_our_own_bye_took_down_is_not_the_platforms_doing() -> None:
    """The deadline struck before any NOTIFY: the transferee hung up, which ended the target's call."""
    said = (asked("REFER", 3.0), answered(202, "REFER", 3.01))
    transferor = a_transferor(*REFERRED[:4], messages=said)
    transferee = a_transferee(*UP, "hanging-up", "ended 200", messages=(asked("BYE", 9.0),))
    target = a_target(
        f"invited {TO_TARGET}",
        f"acknowledged {TO_TARGET}",
        f"ended {TO_TARGET}",
        messages=(came("BYE", 9.1, call_id=TO_TARGET),),
    )
    error = failed(a_transfer(transferor=transferor, transferee=transferee, target=target))
    assert error.code is FailureCode.NO_NOTIFY
    assert "the target was reached" in error.detail
