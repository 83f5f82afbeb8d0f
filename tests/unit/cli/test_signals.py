"""What commands that own servers make of a signal."""

import os
import signal

import anyio
import pytest

from dialtone.cli.signals import ENDING, SignalledError, until_signal
from lab.base import LabError


@pytest.mark.parametrize("number", ENDING)
async def test_a_signal_lets_the_work_tidy_up_and_names_itself(number: signal.Signals) -> None:
    tidied_up = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await anyio.sleep(10)
        finally:
            os.kill(os.getpid(), number)  # an impatient second one
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            tidied_up.append(True)

    with pytest.raises(SignalledError) as ended:
        await until_signal(work)
    assert ended.value.code == 128 + number
    assert tidied_up


async def test_what_the_work_returns_or_raises_comes_through_as_it_is() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise LabError("no port is free")

    assert await until_signal(answer) == 42
    with pytest.raises(LabError, match="no port is free"):
        await until_signal(fail)
