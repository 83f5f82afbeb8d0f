"""presence by PUBLISH and by a call, on phones that do as they are told and a board that shows states."""

import pytest

from dialtone.model import ChangedBy, EventPackage, FailureCode, Flow, Plan
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakeBoard, FakePhone, failure_of, play, refused

DIALOGS = Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL)
PIDF_BY_CALL = Plan(event=EventPackage.PRESENCE, changed_by=ChangedBy.CALL)


@pytest.fixture
def board(clock: FakeClock) -> FakeBoard:
    return FakeBoard(clock)


@pytest.fixture
def watcher(clock: FakeClock, board: FakeBoard) -> FakePhone:
    phone = FakePhone(clock, "watcher", "100")
    phone.board = board
    return phone


@pytest.fixture
def presentity(clock: FakeClock, board: FakeBoard, watcher: FakePhone) -> FakePhone:
    phone = FakePhone(clock, "presentity", "101")
    phone.board = board
    phone.reaches = watcher
    return phone


async def test_a_publication_is_measured_from_its_first_transmission(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone
) -> None:
    presentity.delays["PUBLISH open"] = 0.2
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert report.failure is None
    assert report.status == 200
    assert report.timings == {"presence_delay": pytest.approx(0.3)}
    assert report.counts == {}
    assert presentity.done == ["PUBLISH closed", "PUBLISH open", "leave"]
    assert watcher.done == ["SUBSCRIBE", "unsubscribe", "leave"]
    assert watcher.dialled == ["presence:101"]


async def test_a_cached_notify_with_the_new_state_does_not_count(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.first = [(0.0, "open")]
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert report.failure is None
    assert report.timings == {"presence_delay": pytest.approx(0.1)}


async def test_nothing_is_changed_before_the_watcher_was_told_the_opposite(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says = {"closed": "open"}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.WRONG_STATE
    assert failure_of(report).detail == (
        "watcher NOTIFY: told open and not closed, before the change, within 6 s"
    )
    assert "PUBLISH open" not in presentity.done


async def test_a_notify_from_before_the_change_does_not_count(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.then = [(0.2, "open")]
    board.says = {"open": None}
    presentity.pauses["PUBLISH open"] = 0.5
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.NO_NOTIFY


async def test_a_notify_with_another_state_is_no_harm_where_the_right_one_follows(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.then = [(0.05, "closed")]
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert report.failure is None


async def test_another_state_after_the_change_is_wrong(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says = {"open": "closed"}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.WRONG_STATE
    assert failure_of(report).detail == (
        "watcher NOTIFY: told closed and not open, after the change, within 6 s"
    )
    assert report.timings == {}
    assert watcher.done[-1] == presentity.done[-1] == "leave"


async def test_silence_after_the_change_is_no_notify(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says = {"open": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert failure_of(report).detail == (
        "watcher NOTIFY: no NOTIFY after the change; open should have come within 6 s"
    )


async def test_silence_after_the_subscription_is_no_notify(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says = {"closed": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert "no NOTIFY before the change" in failure_of(report).detail


async def test_a_notify_that_the_server_holds_back_for_five_seconds_is_in_time(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.lag = 5.0
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert report.failure is None
    assert report.timings["presence_delay"] == pytest.approx(5.0)


async def test_the_probes_own_deadline_is_no_excuse_for_a_notify(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says = {"open": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity, timeout=3.0)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert failure_of(report).detail.endswith("not done 3 s after the start")


async def test_a_document_that_can_not_be_read_is_told_from_silence(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.problem = "no XML"
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "can be read" in failure_of(report).detail
    assert "no XML" in failure_of(report).detail


async def test_a_subscription_that_stays_pending_is_no_notify_and_says_so(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.first = [(0.0, None)]
    board.says = {"closed": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert "only NOTIFYs without a state" in failure_of(report).detail


async def test_a_subscription_that_the_platform_ends_is_unexpected(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.ends_after = 0.05
    board.says = {"open": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "watcher NOTIFY: the platform ended the subscription (deactivated)"


async def test_the_last_notify_must_come(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.says_goodbye = False
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert failure_of(report).detail == (
        "watcher last NOTIFY: unsubscribed, but the NOTIFY that ends it did not come within 2 s"
    )


@pytest.mark.parametrize(
    ("party", "step"),
    [
        ("presentity", "PUBLISH closed"),
        ("watcher", "SUBSCRIBE"),
        ("presentity", "PUBLISH open"),
        ("watcher", "unsubscribe"),
    ],
)
async def test_every_request_that_is_refused_is_named(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, party: str, step: str
) -> None:
    phone = {"watcher": watcher, "presentity": presentity}[party]
    phone.errors[step] = refused(489, reason="Bad Event")
    report = await play(Flow.PRESENCE, clock, watcher, presentity)
    assert failure_of(report).code is FailureCode.SIP_4XX
    assert failure_of(report).detail == f"{party} {step}: 489 Bad Event"
    assert report.status == 489


async def test_dialogs_can_not_be_published(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone
) -> None:
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=Plan(event=EventPackage.DIALOG))
    assert failure_of(report).code is FailureCode.MISCONFIGURED
    assert watcher.done == presentity.done == ["leave"]


async def test_a_call_shows_as_a_dialog_and_goes(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone
) -> None:
    presentity.delays["INVITE"] = 0.2
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert report.failure is None
    # the INVITE takes 0.2 s, the watcher's phone rings for 0.2, the board is 0.1 behind
    assert report.timings == {"presence_delay": pytest.approx(0.5)}
    assert report.counts == {"register": 2, "invite": 1, "invite_200": 1, "session_complete": 1}
    assert watcher.dialled == ["dialog:101"]
    assert presentity.dialled == ["100"]
    assert presentity.done == ["REGISTER", "INVITE", "BYE", "leave"]
    assert watcher.done == ["REGISTER", "SUBSCRIBE", "answer", "unsubscribe", "leave"]


async def test_a_number_may_be_called_instead_of_the_watchers_phone(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone
) -> None:
    presentity.reaches = None
    plan = Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL, number="600")
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=plan)
    assert report.failure is None
    assert presentity.dialled == ["600"]
    assert report.counts == {"register": 1, "invite": 1, "invite_200": 1, "session_complete": 1}
    assert "REGISTER" not in watcher.done


@pytest.mark.parametrize(("idle", "busy"), [("open", "closed"), ("closed", "open")])
async def test_presence_may_be_changed_by_a_call_too(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard, idle: str, busy: str
) -> None:
    board.shown, board.idle, board.busy = idle, idle, busy
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=PIDF_BY_CALL)
    assert report.failure is None
    assert set(report.timings) == {"presence_delay"}


@pytest.mark.parametrize("state", ["early", "confirmed"])
async def test_a_dialog_that_began_to_be_counts(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard, state: str
) -> None:
    board.says = {"confirmed": state}
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert report.failure is None


@pytest.mark.parametrize(
    ("told", "code"), [("trying", FailureCode.WRONG_STATE), (None, FailureCode.NO_NOTIFY)]
)
async def test_a_call_that_does_not_show_is_told_apart(
    clock: FakeClock,
    watcher: FakePhone,
    presentity: FakePhone,
    board: FakeBoard,
    told: str | None,
    code: FailureCode,
) -> None:
    board.says = {"confirmed": told}
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert failure_of(report).code is code
    assert failure_of(report).detail.startswith("watcher NOTIFY:")
    assert "confirmed or early" in failure_of(report).detail


async def test_a_call_that_stays_on_the_board_after_its_end_is_no_notify(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard
) -> None:
    board.idle = "idle-again"
    board.says = {"idle-again": None}
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert failure_of(report).code is FailureCode.NO_NOTIFY
    assert "after the call; terminated should have come" in failure_of(report).detail


@pytest.mark.parametrize("party", ["watcher", "presentity"])
async def test_a_call_that_the_platform_drops_is_the_cause(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, board: FakeBoard, party: str
) -> None:
    board.lag = 1.0
    {"watcher": watcher, "presentity": presentity}[party].dropped_after = 0.5
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"


@pytest.mark.parametrize(
    ("party", "step"),
    [("presentity", "REGISTER"), ("watcher", "REGISTER"), ("presentity", "INVITE"), ("presentity", "BYE")],
)
async def test_every_request_of_the_call_is_named(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone, party: str, step: str
) -> None:
    phone = {"watcher": watcher, "presentity": presentity}[party]
    phone.errors[step] = FlowError(FailureCode.AUTH, "the password was refused", 401)
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert failure_of(report).detail == f"{party} {step}: the password was refused"


async def test_a_watcher_that_was_not_reached_is_no_failure_of_presence(
    clock: FakeClock, watcher: FakePhone, presentity: FakePhone
) -> None:
    presentity.reaches = None
    report = await play(Flow.PRESENCE, clock, watcher, presentity, plan=DIALOGS)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "not by our watcher" in failure_of(report).detail
