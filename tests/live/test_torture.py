"""100,000 mutated messages at phones in every state of every flow."""

import pytest

from tests.fakes.sip_hostile import Watched
from tests.fakes.sip_mutations import Mutator
from tests.fakes.sip_scenes import SCENES, storm

pytestmark = pytest.mark.live

MESSAGES = 100_000
GROWN = 20_000
"""Blocks of memory that may be held more after the last sixth of them than after the first: one in four."""


async def test_a_hundred_thousand_mutated_messages_break_nothing_hold_nothing_and_leave_nothing() -> None:
    with Watched() as watched:
        seen = await storm(watched, Mutator(3261), total=MESSAGES, each=800, timeout=1.5, at_once=3)
    assert not watched.escapes, watched.told
    assert watched.taken >= MESSAGES
    assert watched.slowest < 0.1, watched.slowest_message[:2000]
    assert seen.overdue < 1
    assert seen.grown < GROWN
    assert seen.probes > 3 * len(SCENES)
    assert len(seen.ends) > 5
