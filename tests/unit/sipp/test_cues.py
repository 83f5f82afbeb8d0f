"""When a SIPp that runs is told to go on: not before its scenario waits for it."""

import pytest

from sipp_flows.roles import Cue, Note
from synthetic.sipp.presence import _leave
from synthetic.sipp.register import _told
from tests.fakes.sipp_acts import SeenAct
from tests.fakes.sipp_runs import a_binding, a_request_received, an_answer

NOTIFIED = a_request_received("NOTIFY", 1.0)
ANSWERED = an_answer(200, "NOTIFY", 1.001)


@pytest.mark.parametrize(("notes", "told"), [((), False), ((Note.TOLD,), True)])
async def test_an_answer_in_the_trace_is_none_before_the_scenario_has_noted_it(
    notes: tuple[Note, ...], told: bool
) -> None:
    """A cue that comes a few milliseconds too soon is a message that the scenario has no place for."""
    seen = SeenAct(a_binding().finished.messages, notes=notes)
    assert (await _told(seen.act, 1) is not None) is told


async def test_a_watcher_leaves_once_it_has_answered_the_last_notify() -> None:
    seen = SeenAct((NOTIFIED,), (NOTIFIED,), (NOTIFIED, ANSWERED))
    await _leave(seen.act)
    assert seen.cued == [(Cue.LEAVE, 3)]


async def test_who_was_told_nothing_and_who_never_answers_leave_too() -> None:
    for seen in (SeenAct(()), SeenAct((NOTIFIED,))):
        await _leave(seen.act)
        assert seen.cued == [(Cue.LEAVE, 1)]
