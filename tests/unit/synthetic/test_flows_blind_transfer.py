"""blind-transfer, on phones that do as they are told and a platform that transfers as a test says."""

import pytest

from dialtone.model import FailureCode, Flow, Plan
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import Three, failure_of, phones_of_a_transfer, play, refused

FAILED = FailureCode.TRANSFER_FAILED


@pytest.fixture
def phones(clock: FakeClock) -> Three:
    return phones_of_a_transfer(clock)


async def test_a_transfer_is_measured_to_its_proof_and_to_its_notify(clock: FakeClock, phones: Three) -> None:
    transferor, transferee, target = phones
    transferor.delays["REFER"] = 0.02
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert report.failure is None
    assert report.status == 202
    assert report.timings == {"transfer_delay": pytest.approx(0.12), "notify_delay": pytest.approx(0.07)}
    assert report.counts == {"register": 3, "invite": 1, "invite_200": 1, "session_complete": 1}
    assert transferor.done == ["REGISTER", "answer", "REFER", "BYE", "leave"]
    assert transferee.done == ["REGISTER", "INVITE", "leave"]
    assert target.done == ["REGISTER", "answer", "BYE", "leave"]
    assert "transferee hung up on" in {mark.name for mark in report.marks}


async def test_phones_are_dialled_as_the_plan_says(clock: FakeClock, phones: Three) -> None:
    transferor, transferee, _ = phones
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, plan=Plan(dial="6{user}"))
    assert report.failure is None
    assert transferee.dialled == ["6100"]
    assert transferor.dialled == ["6102"]


async def test_a_platform_that_hangs_up_on_the_transferor_itself_is_right_too(
    clock: FakeClock, phones: Three
) -> None:
    transferor = phones[0]
    transferor.transfer.transferor_dropped = 0.03
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert report.failure is None
    assert "BYE" not in transferor.done


async def test_a_bye_of_the_transferor_that_crosses_the_platforms_is_right_too(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].errors["BYE"] = refused(481, reason="Call/Transaction Does Not Exist")
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert report.failure is None


async def test_the_proof_may_come_before_the_notify(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.told = 4.0
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert report.failure is None
    assert report.timings == {"transfer_delay": pytest.approx(0.1), "notify_delay": pytest.approx(4.0)}


@pytest.mark.parametrize("status", [404, 503, 603])
async def test_a_refused_refer_is_transfer_refused(clock: FakeClock, phones: Three, status: int) -> None:
    transferor = phones[0]
    transferor.errors["REFER"] = refused(status, FailureCode.TRANSFER_REFUSED, "No")
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.TRANSFER_REFUSED
    assert failure_of(report).detail == f"transferor REFER: {status} No; the transferee's call stays up"
    assert report.status == status
    assert report.timings == {}


async def test_a_refusal_that_costs_the_transferee_its_call_says_so(clock: FakeClock, phones: Three) -> None:
    transferor, transferee, _ = phones
    transferor.errors["REFER"] = refused(503, FailureCode.TRANSFER_REFUSED, "Service Unavailable")
    transferor.delays["REFER"] = 0.1
    transferee.dropped_after = 0.5
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.TRANSFER_REFUSED
    assert failure_of(report).detail == (
        "transferor REFER: 503 Service Unavailable; the transferee was hung up on"
    )


async def test_a_refer_without_an_answer_is_a_timeout_of_five_seconds(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].delays["REFER"] = 60.0
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "transferor REFER: not answered within 5 s"


async def test_a_refer_whose_password_is_refused_is_not_a_refused_transfer(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].errors["REFER"] = FlowError(FailureCode.AUTH, "the password was refused", 407)
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.AUTH
    assert failure_of(report).detail == "transferor REFER: the password was refused"


async def test_a_notify_that_tells_of_a_failure_is_transfer_failed(clock: FakeClock, phones: Three) -> None:
    transfer = phones[0].transfer
    transfer.status, transfer.reached = 486, None
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "transferor NOTIFY: the transfer ended with 486; the transferee's call stays up"
    )
    assert report.status == 486
    assert report.timings == {}


async def test_a_notify_of_a_failure_that_cost_the_transferee_its_call_says_so(
    clock: FakeClock, phones: Three
) -> None:
    transfer = phones[0].transfer
    transfer.status, transfer.reached, transfer.transferee_dropped = 503, None, 0.1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).detail == (
        "transferor NOTIFY: the transfer ended with 503; the transferee was hung up on"
    )


async def test_a_notify_that_ends_nothing_is_unexpected(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.terminated = False
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "RFC 3515 2.4.7" in failure_of(report).detail


async def test_a_subscription_that_ends_without_a_status_is_unexpected(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].transfer.broken = FlowError(FailureCode.UNEXPECTED_MESSAGE, "it ended without a final status")
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "transferor NOTIFY: it ended without a final status"


@pytest.mark.parametrize(("reached", "said"), [(0.1, "was reached"), (None, "was not reached")])
async def test_no_final_notify_is_no_notify_whatever_became_of_the_target(
    clock: FakeClock, phones: Three, reached: float | None, said: str
) -> None:
    transfer = phones[0].transfer
    transfer.told, transfer.reached = None, reached
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert failure_of(report).detail == (
        f"transferor NOTIFY: accepted, the target {said}, but no NOTIFY with a final status came within 10 s"
    )


async def test_the_probes_own_deadline_is_no_excuse_for_the_notify(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.told = None
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=5.0)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert failure_of(report).detail.endswith("came; not done 5 s after the start")


async def test_a_transferee_that_was_hung_up_on_outweighs_a_missing_notify(
    clock: FakeClock, phones: Three
) -> None:
    transfer = phones[0].transfer
    transfer.told, transfer.reached, transfer.transferee_dropped = None, None, 0.5
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "transferor NOTIFY: accepted, but it came to nothing and no NOTIFY says so;"
        " the transferee was hung up on"
    )
    assert report.duration < 5.0


async def test_a_notify_may_be_a_little_behind_the_end_of_the_transferee(
    clock: FakeClock, phones: Three
) -> None:
    transfer = phones[0].transfer
    transfer.status, transfer.told, transfer.reached = 503, 1.0, None
    transfer.transferee_dropped = 0.1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).detail.startswith("transferor NOTIFY: the transfer ended with 503")


async def test_a_busy_target_is_told_though_the_notify_said_200(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.reached = None
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "target answer: the NOTIFY said 200, but the target was not called (it is busy, or the call went"
        " elsewhere) within 5 s"
    )
    assert set(report.timings) == {"notify_delay"}


async def test_an_answer_that_is_not_acknowledged_is_no_proof(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.acknowledged = False
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FAILED
    assert "the target was called and answered, and the ACK did not arrive" in failure_of(report).detail


async def test_a_transferee_that_is_hung_up_on_ends_the_wait_for_the_proof(
    clock: FakeClock, phones: Three
) -> None:
    transfer = phones[0].transfer
    transfer.reached, transfer.transferee_dropped = None, 0.3
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail.endswith("elsewhere); the transferee was hung up on")
    assert report.duration < 2.0


async def test_the_deadline_says_what_the_proof_lacks(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.reached = None
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=3.0)
    assert failure_of(report).code is FAILED
    assert "not called" in failure_of(report).detail
    assert failure_of(report).detail.endswith("not done 3 s after the start")


async def test_a_target_that_turned_a_call_away_is_no_failure_of_the_platform(
    clock: FakeClock, phones: Three
) -> None:
    transferor, _, target = phones
    transferor.transfer.reached = None
    target.turned_away = 1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FailureCode.ACCOUNT_BUSY
    assert failure_of(report).detail.startswith("the target turned away a call")
    assert "not called" in failure_of(report).detail


async def test_a_target_that_turned_a_call_away_is_excused_at_the_deadline_too(
    clock: FakeClock, phones: Three
) -> None:
    transferor, _, target = phones
    transferor.transfer.reached = None
    target.turned_away = 1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, timeout=3.0)
    assert failure_of(report).code is FailureCode.ACCOUNT_BUSY


async def test_a_refused_refer_is_not_excused_by_a_call_that_the_target_turned_away(
    clock: FakeClock, phones: Three
) -> None:
    transferor, _, target = phones
    transferor.errors["REFER"] = refused(603, FailureCode.TRANSFER_REFUSED, "Decline")
    target.turned_away = 1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.TRANSFER_REFUSED


async def test_a_transfer_must_outlive_the_transferor(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.target_dropped = 0.5
    report = await play(Flow.BLIND_TRANSFER, clock, *phones, plan=Plan(hold=1.0))
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == "hold: the target was hung up on when the transferor had left"


async def test_the_end_must_reach_the_transferee(clock: FakeClock, phones: Three) -> None:
    phones[2].bye_arrives = False
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == (
        "transferee BYE: the BYE was confirmed, but did not arrive within 2 s"
    )
    assert "session_complete" not in report.counts


async def test_a_call_that_never_reached_the_transferor_can_not_be_transferred(
    clock: FakeClock, phones: Three
) -> None:
    transferor, transferee, _ = phones
    transferee.reaches = None
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "not by our transferor" in failure_of(report).detail
    assert "REFER" not in transferor.done


async def test_a_call_that_is_dropped_before_the_refer_is_not_transferred(
    clock: FakeClock, phones: Three
) -> None:
    transferor, transferee, _ = phones
    transferee.dropped_after = 0.1
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"
    assert "REFER" not in transferor.done


@pytest.mark.parametrize(
    ("party", "step"),
    [
        (0, "REGISTER"),
        (1, "REGISTER"),
        (2, "REGISTER"),
        (1, "INVITE"),
        (0, "answer"),
        (2, "answer"),
        (0, "BYE"),
        (2, "BYE"),
    ],
)
async def test_every_step_is_named_and_all_leave(
    clock: FakeClock, phones: Three, party: int, step: str
) -> None:
    phone = phones[party]
    phone.errors[step] = FlowError(FailureCode.SIP_5XX, "500 Oops", 500)
    report = await play(Flow.BLIND_TRANSFER, clock, *phones)
    assert failure_of(report).detail == f"{phone.party} {step}: 500 Oops"
    assert [phone.done[-1] for phone in phones] == ["leave"] * 3
