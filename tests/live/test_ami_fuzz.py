"""100,000 mutated recordings at the AMI client."""

import pytest

from tests.fakes.ami_storm import storm

pytestmark = pytest.mark.live

RECORDINGS = 100_000
GROWN = 20_000
"""How many blocks of memory may be held at the end that were not after the first fifth: a leak would be of
80,000 at least."""


async def test_a_hundred_thousand_mutated_recordings_break_nothing_and_hold_nothing() -> None:
    seen = await storm(RECORDINGS, seed=5038)
    assert seen.escapes == []
    assert seen.over <= 3
    assert seen.grown < GROWN
    assert seen.ends["answered"] > RECORDINGS / 3
    assert sum(seen.ends.values()) > RECORDINGS
