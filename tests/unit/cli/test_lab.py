"""What `dialtone lab up` makes of a signal while the servers come up."""

import os
import signal

import anyio
import pytest

from dialtone.cli.lab import _up_or_none_of_it
from lab.base import LabError
from lab.state import LabState


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_while_a_lab_comes_up_lets_it_tidy_up(number: signal.Signals) -> None:
    tidied_up = []

    async def start() -> LabState:
        try:
            os.kill(os.getpid(), number)
            await anyio.sleep(10)
            raise AssertionError("the signal did not end the start")
        finally:
            tidied_up.append(True)

    assert await _up_or_none_of_it(start) == number
    assert tidied_up


async def test_a_lab_that_can_not_start_is_still_a_lab_error() -> None:
    async def start() -> LabState:
        raise LabError("no port is free")

    with pytest.raises(LabError, match="no port is free"):
        await _up_or_none_of_it(start)
