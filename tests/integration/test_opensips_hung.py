"""A server that hangs is down within its deadline, and nobody else is polled late."""

import pytest

from tests.fakes.mi import FakeMi
from tests.fakes.mi_process import mi_process, recorded
from tests.integration.hanging import assert_a_hung_server_harms_nobody

pytestmark = pytest.mark.integration


async def test_a_server_that_is_stopped_is_down_within_its_deadline_and_others_are_polled_on_time() -> None:
    async with (
        mi_process("4.0.1") as server,
        FakeMi(recorded("3.6.8")).running() as one,
        FakeMi(recorded("4.0.1")).running() as other,
    ):
        await assert_a_hung_server_harms_nobody(server, [one.url, other.url])
