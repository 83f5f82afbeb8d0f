"""Mutated recordings at the AMI client: nothing but its own errors comes out, and nothing piles up."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.asterisk.connection import Connection
from collectors.asterisk.wire import MAX_BLOCK_BYTES
from tests.fakes.ami_mutations import Mutator
from tests.fakes.ami_storm import storm
from tests.fakes.clock import FakeClock

SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GREETING = b"Asterisk Call Manager/11.0.0\r\n"


async def test_thousands_of_mutated_recordings_give_answers_and_errors_of_the_list_alone() -> None:
    seen = await storm(5_000, seed=1628)
    assert seen.escapes == []
    assert seen.over <= 3
    assert seen.heard > 1_000
    assert seen.lost > 5
    # The storm gets everywhere: all kinds of ends, and most questions are answered amid it.
    assert {"answered", "refused", "connect", "timeout", "protocol", "too-large", "auth"} <= seen.ends.keys()
    assert seen.ends["answered"] > 2_000


@settings(SLOW, max_examples=10)
@given(st.integers(0, 2**32))
def test_any_storm_does(seed: int) -> None:
    seen = asyncio.run(storm(60, seed))
    assert seen.escapes == []
    assert seen.over <= 3


@SLOW
@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"ActionID: ", b"Event: "])))
def test_any_bytes_at_all_are_taken(pieces: list[bytes]) -> None:
    async def feed() -> None:
        heard: list[object] = []
        connection = Connection(FakeClock(), "tcp://127.0.0.1:1", "", heard.append, lambda: None)
        connection.data_received(GREETING)
        for piece in pieces:
            connection.data_received(piece)
        stream = b"".join(pieces)
        assert len(heard) <= stream.count(b"\r\n\r\n")
        connection.connection_lost(None)

    asyncio.run(feed())


async def test_without_an_action_under_way_nothing_is_kept_but_the_beginning_of_a_message() -> None:
    connection = Connection(FakeClock(), "tcp://127.0.0.1:1", "", lambda _: None, lambda: None)
    connection.data_received(GREETING)
    mutator = Mutator(22)
    for _ in range(2_000):
        for piece in mutator.pieces(mutator.mutated(mutator.recording())):
            connection.data_received(piece)
            assert len(connection._splitter._rest) <= MAX_BLOCK_BYTES + 3
            assert not connection._blocks
    connection.connection_lost(None)
