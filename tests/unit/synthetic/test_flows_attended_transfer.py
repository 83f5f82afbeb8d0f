"""attended-transfer, on phones that do as they are told and a platform that transfers as a test says."""

import pytest

from dialtone.model import FailureCode, Flow, Plan
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import Three, failure_of, phones_of_a_transfer, play, refused

FAILED = FailureCode.TRANSFER_FAILED


@pytest.fixture
def phones(clock: FakeClock) -> Three:
    return phones_of_a_transfer(clock)


async def test_a_transfer_is_measured_to_the_later_part_of_its_proof(clock: FakeClock, phones: Three) -> None:
    transferor, transferee, target = phones
    transferor.delays["REFER"] = 0.02
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert report.failure is None
    assert report.status == 202
    assert report.timings == {"transfer_delay": pytest.approx(0.06), "notify_delay": pytest.approx(0.07)}
    assert report.counts == {"register": 3, "invite": 2, "invite_200": 2, "session_complete": 2}
    assert transferor.done == ["REGISTER", "answer", "INVITE", "REFER", "BYE", "leave"]
    assert transferee.done == ["REGISTER", "INVITE", "leave"]
    assert target.done == ["REGISTER", "answer", "BYE", "leave"]
    assert {"target hears the transferee", "transferee hung up on"} <= {mark.name for mark in report.marks}


async def test_a_bye_that_is_later_than_the_voice_ends_the_measurement(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].transfer.left = 2.0
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert report.failure is None
    assert report.timings["transfer_delay"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("plan", "first", "second"),
    [(Plan(dial="6{user}"), "6100", "6102"), (Plan(dial="6{user}", consult="7{user}"), "6100", "7102")],
    ids=["one way", "two ways"],
)
async def test_the_consultation_may_take_another_way(
    clock: FakeClock, phones: Three, plan: Plan, first: str, second: str
) -> None:
    transferor, transferee, _ = phones
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, plan=plan)
    assert report.failure is None
    assert transferee.dialled == [first]
    assert transferor.dialled == [second, second]  # called, and referred to


async def test_a_target_that_gets_an_invite_with_replaces_takes_it(clock: FakeClock, phones: Three) -> None:
    transferor, _, target = phones
    transferor.transfer.by_invite = True
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert report.failure is None
    assert target.done.count("answer") == 2
    assert report.counts["invite"] == 2


@pytest.mark.parametrize("status", [400, 404, 603])
async def test_a_refused_refer_is_transfer_refused(clock: FakeClock, phones: Three, status: int) -> None:
    phones[0].errors["REFER"] = refused(status, FailureCode.TRANSFER_REFUSED, "No")
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.TRANSFER_REFUSED
    assert failure_of(report).detail == f"transferor REFER: {status} No; the transferee's call stays up"
    assert report.status == status


async def test_a_notify_that_tells_of_a_failure_is_transfer_failed(clock: FakeClock, phones: Three) -> None:
    transfer = phones[0].transfer
    transfer.status, transfer.left, transfer.heard = 400, None, None
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail.startswith("transferor NOTIFY: the transfer ended with 400")


async def test_no_final_notify_is_no_notify(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.told = None
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FailureCode.NO_NOTIFY


async def test_a_consultation_that_stays_is_no_transfer_though_the_notify_said_200(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].transfer.left = None
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "transferor consultation: the NOTIFY said 200, but the consultation's leg was not ended by BYE"
        " within 5 s"
    )
    assert "transfer_delay" not in report.timings


async def test_silence_at_the_target_is_no_transfer_though_all_else_went_well(
    clock: FakeClock, phones: Three
) -> None:
    phones[0].transfer.heard = None
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, timeout=20.0)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "target voice: the NOTIFY said 200, but the target did not hear the transferee within 5 s"
    )
    assert "transfer_delay" not in report.timings


@pytest.mark.parametrize("party", ["transferee", "target"])
async def test_a_phone_that_is_hung_up_on_ends_the_wait_and_is_told(
    clock: FakeClock, phones: Three, party: str
) -> None:
    transfer = phones[0].transfer
    transfer.heard = None
    setattr(transfer, f"{party}_dropped", 0.5)
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == (
        "target voice: the NOTIFY said 200, but the target did not hear the transferee;"
        f" the {party} was hung up on"
    )
    assert report.duration < 3.0


async def test_a_transfer_must_outlive_the_transferor(clock: FakeClock, phones: Three) -> None:
    phones[0].transfer.target_dropped = 0.5
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, plan=Plan(hold=1.0))
    assert failure_of(report).code is FAILED
    assert failure_of(report).detail == "hold: the target was hung up on when the transferor had left"


async def test_a_consultation_that_somebody_else_answers_is_told_before_any_refer(
    clock: FakeClock, phones: Three
) -> None:
    transferor = phones[0]
    transferor.reaches = None
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "not by our target" in failure_of(report).detail
    assert "REFER" not in transferor.done


async def test_a_target_that_turned_the_consultation_away_is_no_failure_of_the_platform(
    clock: FakeClock, phones: Three
) -> None:
    transferor, _, target = phones
    transferor.errors["INVITE"] = refused(486, reason="Busy Here")
    target.turned_away = 1
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).code is FailureCode.ACCOUNT_BUSY
    assert "transferor INVITE: 486 Busy Here" in failure_of(report).detail


@pytest.mark.parametrize("party", [0, 1, 2])
async def test_a_leg_that_is_dropped_before_the_refer_is_not_transferred(
    clock: FakeClock, phones: Three, party: int
) -> None:
    phones[party].dropped_after = 0.45
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones, plan=Plan(hold=1.0))
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"
    assert "REFER" not in phones[0].done


@pytest.mark.parametrize(
    ("party", "step"), [(1, "INVITE"), (0, "INVITE"), (2, "answer"), (0, "BYE"), (2, "BYE"), (2, "REGISTER")]
)
async def test_every_step_is_named_and_all_leave(
    clock: FakeClock, phones: Three, party: int, step: str
) -> None:
    phone = phones[party]
    phone.errors[step] = FlowError(FailureCode.SIP_5XX, "500 Oops", 500)
    report = await play(Flow.ATTENDED_TRANSFER, clock, *phones)
    assert failure_of(report).detail == f"{phone.party} {step}: 500 Oops"
    assert [phone.done[-1] for phone in phones] == ["leave"] * 3
